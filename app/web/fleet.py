"""Fleet: which sites need somebody, with the figures that decide it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import panel as pn

from app import wording
from app.service.fleet import NEEDS_ACTION, Fleet, FleetRow, fleet
from app.web.figures import DASH, interval_text, moment, percent, plain, spanned
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import heading
from app.web.state import SessionState
from app.web.tiles import count, tile
from app.web.view import View

PAGE_ROWS = 50
STATES = {
    "ok": ("good", "good"),
    "data issue": ("warn", "warn"),
    "drift": ("warn", "warn"),
    "fallback": ("unknown", "unknown"),
    "failed": ("bad", "bad"),
    "not scored": ("unknown", "unknown"),
}
"""State -> icon and tone."""
SORTS: dict[str, Callable[[FleetRow], Any]] = {
    "site": lambda r: r.name,
    "energy": lambda r: -(r.energy_kwh or 0.0),
    "green": lambda r: r.green_share if r.green_share is not None else 2.0,
    "pue": lambda r: -(r.pue or 0.0),
    "saving": lambda r: -(r.saving.point if r.saving else 0.0),
    "state": lambda r: (r.state not in NEEDS_ACTION, r.state),
}


def fleet_page(state: SessionState) -> Any:
    """Return the page."""
    chosen: dict[str, Any] = {"sort": "", "search": "", "start": 0}

    def act(name: str, value: Any) -> None:
        verb, _, which = name.partition(":")
        if verb == "open" and state.entry(which) is not None:
            state.param.update(site=which, page="overview")
            return
        if verb == "upload":
            state.page = "upload"
            return
        if verb == "sort" and which in SORTS:
            chosen.update(sort=which, start=0)
        elif verb == "search":
            chosen.update(search=str(value), start=0)
        elif verb == "page":
            chosen["start"] = max(int(which), 0)
        view.redraw()

    view = View(state, lambda: _draw(state, **chosen), act, watches=["sites"])
    return pn.Column(view, sizing_mode="stretch_width", margin=0)


def _draw(state: SessionState, sort: str, search: str, start: int) -> list[Node]:
    language = state.language
    found = fleet(state.data, state.own)
    rows = found.rows
    if not rows:
        return [
            heading(state),
            node(
                "div",
                node("p", language.text("app.empty"), cls="lead"),
                node("p", language.text("app.empty_what_to_do")),
                node(
                    "button",
                    icon("upload"),
                    language.text("page.upload"),
                    type="button",
                    act="upload",
                    cls="button primary",
                ),
                cls="card",
            ),
        ]
    wanted = [r for r in rows if search.casefold() in f"{r.name} {r.key}".casefold()]
    if sort:
        wanted.sort(key=SORTS[sort])
    shown = wanted[start : start + PAGE_ROWS]
    scored = sum(r.state not in ("not scored", "failed") for r in rows)
    attention = sum(r.state in NEEDS_ACTION for r in rows)
    return [
        heading(state),
        node(
            "p",
            language.text("fleet.answer", n=f"{len(rows):,}", scored=f"{scored:,}", attention=attention),
            cls="answer",
        ),
        _told(found, language),
        _tiles(rows, found.as_of, language),
        node(
            "section",
            node(
                "div",
                node("h2", language.text("fleet.list")),
                node(
                    "input",
                    type="search",
                    act="search",
                    value=search,
                    placeholder=language.text("fleet.search"),
                    aria_label=language.text("fleet.search"),
                ),
                cls="spread",
            ),
            node("div", _table(shown, sort, state), cls="scroll"),
            _pager(len(wanted), start, language),
            cls="card",
        ),
    ]


def _told(found: Fleet, language: Language) -> Node:
    if found.as_of is None:
        return node("p", cls="small")
    return node(
        "p", language.text("fleet.as_of", day=moment(pd.Timestamp(found.as_of), language)), cls="small"
    )


def _tiles(rows: tuple[FleetRow, ...], as_of: date | None, language: Language) -> Node:
    energy = [r.energy_kwh for r in rows if r.energy_kwh is not None]
    green = [
        (r.energy_kwh, r.green_share) for r in rows if r.energy_kwh is not None and r.green_share is not None
    ]
    whole = sum(e for e, _ in green)
    share = sum(e * g for e, g in green) / whole if whole else None
    key = "fleet.counted" if as_of is None else "fleet.counted_day"
    counted = language.text(key, n=len(energy), all=len(rows))
    return node(
        "div",
        tile(
            language,
            language.text("fleet.energy"),
            plain(sum(energy) if energy else None, "kWh", language),
            "modelled" if as_of is None else "measured",
            counted,
        ),
        tile(
            language,
            language.text("fleet.green"),
            plain(share, "%", language),
            "modelled",
            language.text("fleet.weighted"),
        ),
        count(
            language,
            language.text("fleet.actions"),
            sum(r.actions for r in rows),
            language.text("fleet.proven"),
        ),
        count(
            language,
            language.text("fleet.attention"),
            sum(r.state in NEEDS_ACTION for r in rows),
            language.text("fleet.attention_explained"),
        ),
        cls="tiles",
    )


def _table(rows: list[FleetRow], sort: str, state: SessionState) -> Node:
    language = state.language
    names = ("site", "type", "energy", "green", "pue", "saving", "state", "age")
    right = ("energy", "green", "pue", "saving")
    head = [
        node(
            "th",
            node(
                "button",
                language.text(f"fleet.{n}"),
                " ↓" if sort == n else "",
                type="button",
                act=f"sort:{n}",
                cls="plain",
            )
            if n in SORTS
            else language.text(f"fleet.{n}"),
            scope="col",
            cls="number" if n in right else None,
            aria_sort="descending" if sort == n else None,
        )
        for n in names
    ]
    return node(
        "table",
        node("caption", language.text("fleet.caption"), cls="unseen"),
        node("thead", node("tr", head)),
        node("tbody", [_row(r, language, names, right) for r in rows]),
        cls="stack",
    )


def _row(r: FleetRow, language: Language, names: tuple[str, ...], right: tuple[str, ...]) -> Node:
    saving = spanned(r.saving, "kWh", language)
    sign, tone = STATES[r.state]
    open_it = node("a", r.name, href=f"#{r.key}", act=f"open:{r.key}") if r.can_open else node("span", r.name)
    kind = language.text(f"kind.{r.kind}") if r.kind else DASH
    cells: dict[str, Node] = {
        "site": node("strong", open_it),
        "type": node("span", kind),
        "energy": node("span", plain(r.energy_kwh, "kWh", language).text),
        "green": node("span", percent(language, r.green_share)),
        "pue": node("span", wording.number(r.pue) if r.pue is not None else DASH),
        "saving": node(
            "span", saving.text, node("br"), node("span", interval_text(saving, language), cls="small")
        ),
        "state": node(
            "span",
            node(
                "span",
                icon(sign),
                language.text(f"fleet_state.{r.state.replace(' ', '_')}"),
                cls=f"state {tone}",
            ),
            node("span", node("br"), node("span", _why(r, language), cls="small"))
            if r.errors or r.reason
            else None,
        ),
        "age": node("span", moment(pd.Timestamp(r.data_end), language) if r.data_end else DASH),
    }
    return node(
        "tr",
        [
            node("td", cells[n], cls="number" if n in right else None, data_label=language.text(f"fleet.{n}"))
            for n in names
        ],
        key=r.key,
    )


def _why(r: FleetRow, language: Language) -> str:
    return language.sentence(r.reason) if r.reason else language.text("fleet.findings", n=r.errors)


def _pager(total: int, start: int, language: Language) -> Node | None:
    if total <= PAGE_ROWS:
        return None
    last = min(start + PAGE_ROWS, total)
    return node(
        "div",
        node(
            "button",
            language.text("fleet.previous"),
            type="button",
            act=f"page:{start - PAGE_ROWS}",
            cls="button",
            disabled=start == 0,
        ),
        node("span", language.text("fleet.shown", first=start + 1, last=last, n=f"{total:,}")),
        node(
            "button",
            language.text("fleet.next"),
            type="button",
            act=f"page:{start + PAGE_ROWS}",
            cls="button",
            disabled=last >= total,
        ),
        cls="row",
    )
