"""The answer of a what-if in words and numbers: sentence, figures now and new, parts, limits."""

from __future__ import annotations

import pandas as pd

from advisor.plan import Interval
from advisor.what_if import Figure, LimitState, Part, WhatIfResult
from app import wording
from app.web.figures import DASH, Amount, badge, moment, percent, plain, spanned, unit_text
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import said

STRIP = ("energy_kwh", "energy_rel", "green_share", "cost", "carbon_kg", "non_green_kwh", "pue")
ICONS = {
    "saves": "good",
    "costs": "warn",
    "withheld": "warn",
    "not proven": "unknown",
    "unchanged": "what_if",
}
MORE_IS_BETTER = ("green_share",)
LIMIT_ICONS = {"broken": "bad", "binding": "warn", "kept": "good", "unknown": "unknown"}
HEAD = ("limit", "bound", "here", "margin", "state")


# -- the sentence ----------------------------------------------------------------------------------
def answer(result: WhatIfResult, language: Language) -> str:
    """Return the answer in one sentence."""
    if result.verdict == "unchanged":
        energy = _now(next(f for f in result.figures if f.name in ("energy_kwh", "energy_rel")), language)
        return language.text("what_if.answer_unchanged", energy=energy.text)
    if result.verdict == "withheld":
        if result.outside:
            return language.text("what_if.answer_outside")
        return language.text("what_if.answer_broken")
    saving = result.saving
    if saving is None:
        raise ValueError("a verdict on a saving needs the saving")
    sign = -1.0 if result.verdict == "costs" else 1.0
    spans = (
        ("energy_kwh", saving.energy_kwh, "kWh"),
        ("energy_pct", None if saving.energy_kwh else saving.energy_pct, "%"),
        ("non_green_kwh", saving.non_green_kwh, "kWh"),
        ("cost", saving.cost, result.figure("cost").unit),
    )
    pieces = [
        language.text(f"what_if.piece_{name}", amount=_with_interval(_turned(span, sign), unit, language))
        for name, span, unit in spans
        if span is not None and (span.point or span.upper > span.lower)
    ]
    key = f"what_if.answer_{result.verdict.replace(' ', '_')}"
    return language.text(key, what=language.text("what_if.and").join(pieces))


def _turned(span: Interval, sign: float) -> Interval:
    return span if sign > 0 else Interval(-span.upper, -span.point, -span.lower)


def _with_interval(span: Interval, unit: str, language: Language) -> str:
    amount = spanned(span, unit, language)
    if span.upper == span.lower:
        return amount.text
    return language.text("what_if.with_interval", amount=amount.text, low=amount.low, high=amount.high)


def verdict(result: WhatIfResult, language: Language) -> Node:
    """Return the sentence with the reasons below it."""
    reasons = list(result.outside)
    return node(
        "div",
        icon(ICONS[result.verdict]),
        node(
            "div",
            node("p", answer(result, language), cls="answer-text"),
            [said(language, text, cls="small") for text in reasons],
            [node("p", _broken(x, language), cls="small") for x in result.limits if x.state == "broken"],
        ),
        cls=f"verdict {result.verdict.replace(' ', '-')}",
    )


def _broken(limit: LimitState, language: Language) -> str:
    value, bound = _measure(limit.value, limit.unit, language), _measure(limit.limit, limit.unit, language)
    return language.text(
        f"what_if.broken_{limit.sense}", name=limit_name(limit, language), value=value, limit=bound
    )


def _headings(names: tuple[str, ...], language: Language) -> Node:
    return node("thead", node("tr", [node("th", language.text(f"what_if.{n}"), scope="col") for n in names]))


# -- figures ---------------------------------------------------------------------------------------
def strip(result: WhatIfResult, language: Language) -> Node:
    """Return the tiles: every figure now and new."""
    shown = [f for name in STRIP for f in result.figures if f.name == name]
    return node("div", [_tile(f, result, language) for f in shown], cls="strip")


def _tile(figure: Figure, result: WhatIfResult, language: Language) -> Node:
    moved = result.verdict != "unchanged"
    new, now = _new(figure, language), _now(figure, language)
    known = new.value != DASH
    label = "modelled" if moved else figure.label
    change = _change(figure, language) if moved else None
    lines: list[Node] = []
    if figure.now is not None:
        lines.append(node("p", language.text("what_if.now_value", value=now.text), cls="now"))
    if change is not None:
        lines.append(node("p", change[0], cls=f"now change {change[1]}"))
    if known and moved and new.low and figure.new is not None and figure.new.upper > figure.new.lower:
        lines.append(node("p", language.text("what_if.interval", low=new.low, high=new.high), cls="now wide"))
    if figure.reason and not result.outside:
        lines.append(said(language, figure.reason, cls="now wide"))
    return node(
        "div",
        node(
            "div",
            node("span", language.text(f"what_if.figure_{figure.name}"), cls="name"),
            badge(language, label) if known else None,
            cls="top",
        ),
        node(
            "div",
            node("span", new.value),
            node("span", new.unit, cls="unit") if new.unit else None,
            cls="value" if known else "value unknown",
        ),
        lines,
        cls="tile",
        key=figure.name,
    )


def _now(figure: Figure, language: Language) -> Amount:
    if figure.name == "green_share":
        return plain(figure.now, "%", language)
    if figure.now is None or figure.new is None:
        return plain(figure.now, figure.unit, language)
    # as many digits as the new value, so that the two can be compared
    width = (figure.new.upper - figure.new.lower) / 2
    same = spanned(Interval(figure.now - width, figure.now, figure.now + width), figure.unit, language)
    return same if width else plain(figure.now, figure.unit, language)


def _new(figure: Figure, language: Language) -> Amount:
    span = figure.new
    if span is None:
        return Amount(DASH, "")
    if span.upper == span.lower:
        return plain(span.point, "%" if figure.name == "green_share" else figure.unit, language)
    if figure.name == "green_share":
        return spanned(Interval(100 * span.lower, 100 * span.point, 100 * span.upper), "%", language)
    return spanned(span, figure.unit, language)


def _change(figure: Figure, language: Language) -> tuple[str, str] | None:
    """Return the change in words and how it is meant; None where there is none."""
    if figure.new is None or not figure.now:
        return None
    if figure.name == "green_share":
        scale, key = 100.0, "points"
    else:
        scale, key = 100.0 / figure.now, "percent"
    low, mid, high = (
        scale * (v - figure.now) for v in (figure.new.lower, figure.new.point, figure.new.upper)
    )
    if abs(mid) < 0.005:
        return language.text("what_if.same"), ""
    size = wording.number(abs(mid), 2 if abs(mid) < 1 else 1)
    text = language.text(f"what_if.{'more' if mid > 0 else 'less'}_{key}", size=size)
    sure = low > 0 or high < 0
    better = (mid > 0) == (figure.name in MORE_IS_BETTER)
    return text, ("good" if better else "bad") if sure else ""


def figures_card(result: WhatIfResult, language: Language) -> Node:
    """Return every figure as a table."""
    moved = result.verdict != "unchanged"
    head = ("figure", "now", "new", "interval_head", "change")
    return node(
        "section",
        node("h2", language.text("what_if.figures")),
        node(
            "table",
            _headings(head, language),
            node("tbody", [_figure_row(f, moved, head, language) for f in result.figures]),
            cls="stack",
        ),
        cls="card",
    )


def _figure_row(figure: Figure, moved: bool, head: tuple[str, ...], language: Language) -> Node:
    new, change = _new(figure, language), _change(figure, language) if moved else None
    spread = figure.new is not None and figure.new.upper > figure.new.lower
    cells: tuple[Node | str, ...] = (
        language.text(f"what_if.figure_{figure.name}"),
        _now(figure, language).text,
        said(language, figure.reason, tag="span") if figure.reason else new.text,
        language.text("what_if.range", low=new.low, high=new.high) if spread else DASH,
        change[0] if change else DASH,
    )
    labels = [language.text(f"what_if.{h}") for h in head]
    return node("tr", _cells(cells, labels), key=figure.name)


def _cells(cells: tuple[Node | str, ...], labels: list[str]) -> list[Node]:
    """Return table cells that carry their heading for narrow windows."""
    return [node("td", node("span", c), data_label=t) for c, t in zip(cells, labels, strict=True)]


# -- parts -----------------------------------------------------------------------------------------
def parts_card(result: WhatIfResult, language: Language) -> Node:
    """Return what each part of the site takes or gives."""
    relative = any(f.name == "energy_rel" for f in result.figures)
    body: Node
    if result.outside:
        body = node("p", language.text("what_if.parts_outside"), cls="small")
    elif not result.parts or result.verdict == "unchanged":
        body = node("p", language.text("what_if.parts_none"), cls="small")
    else:
        body = node(
            "table",
            node(
                "thead",
                node(
                    "tr",
                    [
                        node("th", language.text(f"what_if.{h}"), scope="col")
                        for h in ("part", "change", "share")
                    ],
                ),
            ),
            node("tbody", [_part_row(p, "rel" if relative else "kWh", language) for p in result.parts]),
        )
    return node("section", node("h2", language.text("what_if.parts")), body, cls="card", key="parts")


def _part_row(part: Part, unit: str, language: Language) -> Node:
    key = f"what_if.part_{part.name}"
    amount = signed(part.change, unit, language)
    return node(
        "tr",
        node("td", language.text(key) if language.knows(key) else part.name),
        node("td", amount),
        node("td", node("span", _signed_percent(part.share_pct, language), cls="whole")),
        key=part.name,
    )


def signed(span: Interval, unit: str, language: Language) -> str:
    """Return a change with its sign, and its interval where it has one."""
    if span.point == 0.0 and span.upper == span.lower:
        return language.text("what_if.same")
    amount = spanned(span, unit, language)
    plus = "+" if span.point > 0 else ""
    if span.upper == span.lower:
        return plus + amount.text
    return plus + language.text("what_if.with_interval", amount=amount.text, low=amount.low, high=amount.high)


def _signed_percent(share_pct: float, language: Language) -> str:
    text = f"{share_pct:+.2f}".replace("-", "−")
    return f"{text}%" if language.code == "zh" else f"{text} %"


# -- limits ----------------------------------------------------------------------------------------
def limits_card(result: WhatIfResult, language: Language) -> Node:
    """Return every limit, those that bind first."""
    body: Node = node("p", language.text("what_if.limits_none"), cls="small")
    if result.limits:
        body = node(
            "table",
            _headings(HEAD, language),
            node("tbody", [_limit_row(x, language) for x in result.limits]),
            cls="stack",
        )
    return node("section", node("h2", language.text("what_if.limits")), body, cls="card", key="limits")


def _limit_row(limit: LimitState, language: Language) -> Node:
    bound = language.text(f"what_if.at_{limit.sense}", value=_measure(limit.limit, limit.unit, language))
    state = node(
        "span",
        icon(LIMIT_ICONS[limit.state]),
        node("span", language.text(f"what_if.state_{limit.state}")),
        cls=f"state {_colour(limit)}",
    )
    here = _measure(limit.value, limit.unit, language)
    cells: tuple[Node | str, ...] = (
        limit_name(limit, language),
        node("span", node("span", bound), said(language, limit.source, cls="small")),
        said(language, limit.reason, tag="span") if limit.reason else node("span", here, cls="whole"),
        node("span", _measure(limit.margin, limit.unit, language), cls="whole"),
        state,
    )
    labels = [language.text(f"what_if.{h}") for h in HEAD]
    return node(
        "tr",
        [
            node("td", c if isinstance(c, Node) else node("span", c), data_label=t)
            for c, t in zip(cells, labels, strict=True)
        ],
        key=f"{limit.name}-{limit.sense}",
    )


def _colour(limit: LimitState) -> str:
    return {"broken": "bad", "binding": "warn", "kept": "good", "unknown": "unknown"}[limit.state]


def limit_name(limit: LimitState, language: Language) -> str:
    """Return what a limit bounds, as people call it."""
    key = f"what_if.lever_{limit.name}"
    return language.text(key) if language.knows(key) else language.text(f"what_if.limit_{limit.name}")


def _measure(value: float | None, unit: str, language: Language) -> str:
    if value is None:
        return DASH
    if unit == "%":
        return percent(language, value / 100)
    return f"{wording.number(value)} {unit_text(unit, language)}"


# -- the chart's words -----------------------------------------------------------------------------
def legend(known: bool, language: Language) -> Node:
    """Return what the lines of the chart mean."""
    return node(
        "div",
        node("span", node("span", cls="mark now"), language.text("what_if.now")),
        node(
            "span", node("span", cls="mark"), language.text("what_if.new"), " ", badge(language, "modelled")
        ),
        node("span", node("span", cls="mark band"), language.text("what_if.band")),
        None if known else node("span", node("span", cls="mark unknown"), language.text("what_if.unknown")),
        cls="legend",
    )


def chart_table(result: WhatIfResult, times: pd.DatetimeIndex, language: Language) -> Node:
    """Return the chart's rows, every few hours, as a table that can be opened."""
    series = result.series
    step = max(1, len(times) // 28)
    head = ("time", "now", "new", "lower", "upper")
    rows = zip(
        times[::step], series.now[::step], series.point[::step], series.lower[::step], series.upper[::step],
        strict=True,
    )  # fmt: skip
    body = [
        node(
            "tr",
            node("td", moment(at, language, with_time=True)),
            [node("td", wording.number(v)) for v in values],
        )
        for at, *values in rows
    ]
    table = node(
        "table",
        node("caption", f"{language.text('what_if.chart_site')} [{unit_text(series.unit, language)}]"),
        _headings(head, language),
        node("tbody", body),
    )
    return node(
        "details",
        node("summary", language.text("what_if.as_table")),
        node("div", table, cls="scroll"),
        cls="more",
    )
