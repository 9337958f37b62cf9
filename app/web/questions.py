"""A question that only the user can answer, as a form: what ``mapping.toml`` would be told."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from app.web.language import Language
from app.web.nodes import Node, node
from features.errors import AdvisorError
from features.reading import Answer
from features.reading.units import UNITS
from features.schema import SCHEMA

LINE = re.compile(r'^(\w+) = ("(?:[^"\\]|\\.)*")(?:\s*#\s*(.*))?$')
ASKED = ("canonical", "unit", "date_order", "decimal", "zone")
CHOICES = {
    "date_order": ("year-first", "day-first", "month-first"),
    "decimal": (".", ","),
}


@dataclass(frozen=True)
class Asked:
    """One thing asked: which answer it goes to, its field, and what may be chosen."""

    number: int
    answer: Answer
    field: str
    choices: tuple[str, ...]


def asked_by(error: AdvisorError) -> tuple[Asked, ...]:
    """Return what an error asks for; empty where it asks nothing that a form can answer."""
    asked: list[Asked] = []
    for block in str(error.remedy).split("[[answer]]")[1:]:
        known: dict[str, str] = {}
        open_fields: dict[str, tuple[str, ...]] = {}
        for line in block.splitlines():
            found = LINE.match(line.strip())
            if found is None:
                continue
            name, value = found[1], str(json.loads(found[2]))
            if name in ("file", "column"):
                known[name] = value
            elif name in ASKED:
                others = re.findall(r'"([^"]+)"', found[3] or "")
                named = tuple(v for v in (value, *others) if v not in ("...", ""))
                open_fields[name] = named if others else _choices(name, named)
        answer = Answer(known.get("file", "*"), known.get("column", ""))
        asked += [Asked(len(asked) + i, answer, f, c) for i, (f, c) in enumerate(open_fields.items())]
    return tuple(asked)


def _choices(name: str, named: tuple[str, ...]) -> tuple[str, ...]:
    if name == "unit":
        return tuple(dict.fromkeys((*named, *UNITS)))
    if name == "canonical":
        return tuple(dict.fromkeys((*named, *SCHEMA)))
    return tuple(dict.fromkeys((*named, *CHOICES.get(name, ()))))


def with_answer(answers: tuple[Answer, ...], asked: Asked, value: str) -> tuple[Answer, ...]:
    """Return the answers with one more."""
    key = (asked.answer.file, asked.answer.column)
    before = next((a for a in answers if (a.file, a.column) == key), asked.answer)
    return (*(a for a in answers if a is not before), replace(before, **_said(asked.field, value)))


def _said(field: str, value: str) -> dict[str, Any]:
    return {field: value}


def form(asked: tuple[Asked, ...], given: dict[int, str], language: Language) -> Node:
    """Return the form; it can be sent once everything is chosen."""
    fields = [
        node(
            "div",
            node("label", _label(one, language), for_=f"asked-{one.number}"),
            node(
                "select",
                node("option", language.text("question.choose"), value="", key=""),
                [node("option", c, value=c, key=c) for c in one.choices],
                id=f"asked-{one.number}", act=f"answer:{one.number}", value=given.get(one.number, ""),
            ),
            cls="row",
            key=str(one.number),
        )
        for one in asked
    ]  # fmt: skip
    ready = all(given.get(one.number) for one in asked)
    send = node(
        "button",
        language.text("question.send"),
        type="button",
        act="send",
        cls="button primary",
        disabled=not ready,
    )
    return node("section", node("h2", language.text("question.title")), *fields, send, cls="card")


def _label(asked: Asked, language: Language) -> str:
    about = asked.answer.column or asked.answer.file
    return language.text(f"question.{asked.field}", about=about)
