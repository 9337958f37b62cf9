"""Upload: files in, what was recognised and what is doubtful, then a site of this session."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import panel as pn

from app.service.check import Rows, count_rows
from app.service.intake import intake_apart
from app.web.background import in_background
from app.web.drop import Drop
from app.web.handlers import INCOMING
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import heading, problem, said
from app.web.questions import Asked, asked_by, form, with_answer
from app.web.recognised import answered, columns_of, in_zone, recognised
from app.web.state import SessionState
from app.web.view import View
from features.errors import AdvisorError, StoppedError
from features.issues import worst_first
from features.reading import Answer, Mapping, Reading
from features.reading.isolated import read_isolated
from features.telemetry import Telemetry

LOG = logging.getLogger(__name__)
STEPS = ("files", "confirm", "result")
MOST_ISSUES = 6


def upload_page(state: SessionState) -> Any:
    """Return the page."""
    return _Upload(state).column


class _Upload:
    """One upload of a session: its files, the answers given, and what became of it."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._step = "files"
        self._doing: tuple[str, float] | None = None
        self._training = False
        self._error: tuple[Exception, str] | None = None
        self._asked: tuple[Asked, ...] = ()
        self._given: dict[int, str] = {}
        self._answers: tuple[Answer, ...] = ()
        self._reading: Reading | None = None
        self._telemetry: Telemetry | None = None
        self._key = ""
        self._stop = threading.Event()
        self._top = View(state, self._head)
        self._drop = Drop(state, self._read)
        self._view = View(state, self._draw, self._act)
        self.column = pn.Column(self._top, self._drop, self._view, sizing_mode="stretch_width", margin=0)

    @property
    def _incoming(self) -> Path:
        return self._state.own / INCOMING

    # -- what happens ----------------------------------------------------------------------------
    def _act(self, name: str, value: Any) -> None:
        verb, _, which = name.partition(":")
        if verb == "answer":
            self._given[int(which)] = str(value)
        elif verb == "send":
            for one in self._asked:
                self._answers = with_answer(self._answers, one, self._given.get(one.number, ""))
            self._read()
        elif verb in ("meaning", "unit") and self._reading is not None:
            column = columns_of(self._reading.mapping)[int(which)]
            chosen = {"canonical": str(value)} if verb == "meaning" else {"unit": str(value)}
            self._answers = answered(self._answers, column, **chosen)
            self._read()
        elif verb == "zone" and value:
            self._answers = in_zone(self._answers, str(value))
            self._read()
        elif verb == "train":
            self._train()
        elif verb == "stop":
            self._stop.set()
        elif verb == "again":
            self._restart()
        elif verb == "open":
            self._state.param.update(site=self._key, page="overview")
            return
        self._redraw()

    def _redraw(self) -> None:
        self._drop.visible = self._step == "files"
        self._top.redraw()
        self._view.redraw()

    def _restart(self) -> None:
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._drop.clear()
        self._step, self._doing, self._error = "files", None, None
        self._answers, self._given, self._asked, self._reading = (), {}, (), None

    def _read(self) -> None:
        """Read what has arrived in a process of its own; a damaged file costs no more than that."""
        self._doing, self._error = ("", 0.0), None
        mapping = Mapping(answer=self._answers) if self._answers else None
        incoming = self._incoming
        in_background(
            lambda _: read_isolated(incoming, mapping=mapping), done=self._was_read, failed=self._failed
        )
        self._redraw()

    def _was_read(self, reading: Reading) -> None:
        self._reading, self._telemetry = reading, reading.telemetry()
        self._doing, self._asked, self._step = None, (), "confirm"
        self._redraw()

    def _failed(self, error: Exception) -> None:
        self._doing = None
        if not isinstance(error, StoppedError):
            name = uuid4().hex[:8]
            LOG.warning("upload %s: %s", name, error)
            self._error = (error, name)
            self._asked = asked_by(error) if isinstance(error, AdvisorError) else ()
            self._given = {}
        self._redraw()

    def _train(self) -> None:
        if self._reading is None:
            return
        own, names = self._state.own, sorted(path.name for path in self._incoming.iterdir())
        self._key = _key(names[0] if names else "", {e.key for e in self._state.entries()})
        folder = own / "samples" / self._key
        folder.parent.mkdir(exist_ok=True)
        (own / self._key).mkdir(exist_ok=True)
        shutil.copytree(self._incoming, folder, dirs_exist_ok=True)
        (own / self._key / "mapping.toml").write_text(self._reading.mapping.to_toml(), encoding="utf-8")
        self._stop = stop = threading.Event()
        self._doing, self._error, self._training, key = ("", 0.0), None, True, self._key
        in_background(
            lambda progress: intake_apart(own, key, stop=stop, progress=progress),
            done=lambda _: self._trained(),
            failed=self._not_trained,
            progress=self._say,
        )

    def _say(self, step: str, share: float) -> None:
        self._doing = (step, share)
        self._view.redraw()

    def _trained(self) -> None:
        self._doing, self._step, self._training = None, "result", False
        self._state.sites += 1
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._drop.clear()
        self._redraw()

    def _not_trained(self, error: Exception) -> None:
        self._training = False
        for folder in (self._state.own / "samples" / self._key, self._state.own / self._key):
            shutil.rmtree(folder, ignore_errors=True)
        self._failed(error)

    # -- words -----------------------------------------------------------------------------------
    def _head(self) -> list[Node]:
        language = self._state.language
        steps = [
            node(
                "li",
                f"{n} {language.text(f'upload.step_{name}')}",
                key=name,
                cls="now" if name == self._step else None,
                aria_current="step" if name == self._step else None,
            )
            for n, name in enumerate(STEPS, 1)
        ]
        answer = node("p", language.text(f"upload.answer_{self._step}"), cls="answer")
        return [heading(self._state), answer, node("ol", steps, cls="steps")]

    def _draw(self) -> list[Node]:
        language = self._state.language
        nodes: list[Node] = []
        if self._doing is not None:
            nodes.append(self._working(language))
        if self._error is not None:
            nodes.append(problem(self._state, *self._error))
            if self._asked:
                nodes.append(form(self._asked, self._given, language))
        if self._step == "confirm" and self._reading is not None and self._telemetry is not None:
            nodes += self._confirm(self._reading, self._telemetry, language)
        elif self._step == "result":
            nodes.append(self._result(language))
        return nodes

    def _working(self, language: Language) -> Node:
        step, share = self._doing or ("", 0.0)
        training = self._training
        title = language.text("upload.training" if training else "upload.reading")
        bar = {"value": round(100 * share), "max": 100} if training else {}
        return node(
            "div",
            node("p", title),
            node("progress", aria_label=title, **bar),
            said(language, step, "p", "small") if step else None,
            node("button", language.text("upload.stop"), type="button", act="stop", cls="button")
            if training
            else None,
            cls="card",
            role="status",
        )

    def _confirm(self, reading: Reading, telemetry: Telemetry, language: Language) -> list[Node]:
        rows = count_rows((reading,))
        busy = self._doing is not None
        found = worst_first(telemetry.issues)
        issues = [
            node("li", said(language, i.evidence, "span"), key=str(n))
            for n, i in enumerate(found[:MOST_ISSUES])
        ]
        account = node(
            "section",
            node("h2", language.text("upload.rows")),
            node("p", row_account(rows, language), cls="lead"),
            node("p", language.text("upload.issues", n=len(found))) if found else None,
            node("ul", issues) if issues else None,
            node(
                "div",
                node(
                    "button",
                    language.text("upload.train"),
                    type="button",
                    act="train",
                    cls="button primary",
                    disabled=busy,
                ),
                node(
                    "button",
                    language.text("upload.again"),
                    type="button",
                    act="again",
                    cls="button",
                    disabled=busy,
                ),
                cls="row",
            ),
            node("p", language.text("upload.kept"), cls="small"),
            cls="card",
        )
        return [*recognised(reading.mapping, telemetry, language), account]

    def _result(self, language: Language) -> Node:
        entry = self._state.entry(self._key)
        name = entry.name if entry is not None else self._key
        return node(
            "section",
            node("p", icon("good"), language.text("upload.ready", name=name), cls="state good"),
            node("p", language.text("upload.ready_explained")),
            node(
                "div",
                node("button", language.text("upload.open"), type="button", act="open", cls="button primary"),
                node("button", language.text("upload.another"), type="button", act="again", cls="button"),
                cls="row",
            ),
            cls="card",
        )


def row_account(rows: Rows, language: Language) -> str:
    """Return rows in = accepted + quarantined + rejected."""
    return language.text(
        "upload.account",
        rows=f"{rows.rows_in:,}",
        accepted=f"{rows.accepted:,}",
        quarantined=f"{rows.quarantined:,}",
        rejected=f"{rows.rejected:,}",
    )


def _key(file_name: str, taken: set[str]) -> str:
    """Return a folder name made from the first file's, that no site of the session has."""
    stem = re.sub(r"[^\w-]+", "_", Path(file_name).stem).strip("_")[:60] or "upload"
    key, number = stem, 1
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key
