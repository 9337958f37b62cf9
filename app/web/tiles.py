"""Tiles: one figure each, with unit, badge and interval or the reason why there is none."""

from __future__ import annotations

from app.service.standing import Figure
from app.service.workspace import SiteCase
from app.web.figures import DASH, Amount, badge, interval_text, plain
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import foreign_to


def tile(language: Language, name: str, amount: Amount, label: str, note: str = "") -> Node:
    """Return a tile.

    Parameters
    ----------
    language : Language
    name : str
        What the figure is, in the reader's language.
    amount : Amount
    label : str
        measured, published, modelled or assumed; "" where the figure is unknown.
    note : str
        A sentence of the core: what the figure rests on, or why it is unknown.
    """
    known = amount.value != DASH
    return node(
        "div",
        node(
            "div",
            node("span", name, cls="name"),
            badge(language, label) if known and label else None,
            cls="top",
        ),
        node(
            "div",
            node("span", amount.value),
            node("span", amount.unit, cls="unit") if amount.unit else None,
            cls="value" if known else "value unknown",
        ),
        node("p", interval_text(amount, language), cls="small") if amount.low else None,
        node("p", language.sentence(note), cls="small", lang=foreign_to(language, note)) if note else None,
        cls="tile",
        key=name,
    )


def count(language: Language, name: str, number: int, note: str) -> Node:
    """Return a tile that counts something; a count is exact and carries no badge."""
    return tile(language, name, Amount(f"{number:,}", ""), "", note)


def standing_tiles(case: SiteCase, language: Language) -> Node:
    """Return the tiles of a site's standing."""
    return node("div", [_figure(figure, language) for figure in case.standing.figures], cls="tiles")


def _figure(figure: Figure, language: Language) -> Node:
    unit = "" if figure.unit == "1" else figure.unit
    amount = plain(figure.value, unit, language)
    return tile(language, figure_name(figure.name, language), amount, figure.label, figure.note)


def figure_name(name: str, language: Language) -> str:
    """Return a figure of the standing as people call it."""
    return language.text(f"standing.{name.lower().replace(' ', '_')}")
