"""Sentences that the advisor's core makes in English, put into the language of the reader.

``catalogues/messages.<code>.toml`` pairs each template of `features.message.say` with one of the language;
columns are called as ``catalogues/<code>.toml`` calls them.
Nothing is guessed: a text whose template is unknown stays English and says so (`Sentence.language`).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Self

from app import wording
from features.message import Joined, Message, term
from features.schema import SCHEMA

FOLDER = Path(__file__).parent / "catalogues"
SEPARATORS = {", ": "、", "; ": "；", " and ": "和", " or ": "或", ": ": "："}
"""Separators of `features.message.Joined` in Chinese; others stay."""
LENGTHS = ((86_400.0, "天"), (3_600.0, "小时"), (60.0, "分钟"), (1.0, "秒"))


class Sentence(str):
    """A text with the language that it is really in: ``en`` where no catalogue knows it."""

    language: str

    def __new__(cls, text: str, language: str) -> Self:  # noqa: D102 - as the class
        sentence = super().__new__(cls, text)
        sentence.language = language
        return sentence


@dataclass(frozen=True)
class Messages:
    """Catalogue of one language.

    Parameters
    ----------
    templates : dict
        English template -> template of the language.
    terms : dict
        Word that is looked up alone -> word of the language.
    fixed : dict
        English sentence without values -> sentence of the language.
    """

    templates: dict[str, str]
    terms: dict[str, str]
    fixed: dict[str, str]

    def of(self, text: str) -> str | None:
        """Return a text in the language; None where nobody knows it."""
        if isinstance(text, Joined):
            return SEPARATORS.get(text.separator, text.separator).join(map(str, map(self._value, text.parts)))
        if isinstance(text, Message):
            template = self.templates.get(text.template) or self.terms.get(text.template)
            if template is None:
                return None
            return template.format(**{name: self._value(v) for name, v in text.values.items()})
        return self.fixed.get(text) or self.terms.get(text)

    def _value(self, value: object) -> object:
        """Return a value of a message.

        A plain word is a name and stays, unless it is a canonical column; plain sentences are looked up.
        """
        if isinstance(value, Message):
            return self.of(value) or value
        if isinstance(value, str):
            return (self.of(value) or value) if value in SCHEMA or " " in value else value
        return _length(value) if isinstance(value, timedelta) else value


def translate(text: str, code: str) -> Sentence:
    """Return a sentence of the core in another language.

    Parameters
    ----------
    text : str
        As `DataIssue`, `Recommendation`, a note or an error holds it: a `features.message.Message`, or plain
        text, which is only known if it has no values.
    code : str
        ``zh`` or ``en``.

    Returns
    -------
    Sentence
        Its ``language`` is ``en``, and the text unchanged, where nobody knows it. In English, canonical
        columns are called as people call them.
    """
    if code == "en":
        return Sentence(wording.prose(text), code)
    known = messages(code).of(text)
    return Sentence(text, "en") if known is None else Sentence(known, code)


@cache
def messages(code: str) -> Messages:
    """Return the catalogue of a language."""
    raw = tomllib.loads((FOLDER / f"messages.{code}.toml").read_text(encoding="utf-8"))
    interface = tomllib.loads((FOLDER / f"{code}.toml").read_text(encoding="utf-8"))
    templates = {entry["en"]: entry[code] for entry in raw["message"]}
    terms = {**interface["column"], **{term(entry["en"]).template: entry[code] for entry in raw["term"]}}
    fixed = {en.format(): zh.format() for en, zh in templates.items() if not _has_values(en)}
    return Messages(templates, terms, fixed)


def _has_values(template: str) -> bool:
    return "{" in template.replace("{{", "")


def _length(duration: timedelta) -> str:
    """Return a duration in the largest unit that divides it."""
    seconds = duration.total_seconds()
    unit_s, name = next(((s, n) for s, n in LENGTHS if seconds % s == 0), LENGTHS[-1])
    return f"{seconds / unit_s:g} {name}"
