"""The measures of green, the rules and the purchase in words: rows for a terminal, Markdown and the report.

``green_block`` puts everything into the reader's language once; the other functions only lay it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.green.account import GreenAccount, Indicator
from advisor.green.purchase import Purchase
from advisor.green.rules import RuleCheck
from advisor.green.words import SOURCE_WORDS, WORDS
from app import wording
from app.report.page import State
from app.report.render import environment
from app.text import join, table
from app.web.sentences import translate
from features.message import Message, say, term

VERDICT_LOOKS = {"met": ("✓", "good"), "not met": ("✗", "bad"), "cannot be judged": ("?", "unknown")}
HEAD = (say("Measure"), say("Value"), say("From"), say("Label"), say("Counts"), say("Does not count"))
RULE_HEAD = (say("Rule"), say("Verdict"), say("Why"), say("To meet it"))
OFFER_HEAD = (say("Offer"), say("Bought"), say("Cost"), say("Price per kWh"), say("Note"))
Say = Callable[[str], str]


@dataclass(frozen=True)
class GreenRow:
    """One measure of green in the reader's words; ``kind`` is the label's word in English."""

    name: str
    value: str
    parts: str
    label: str
    kind: str
    counts: str
    leaves_out: str
    formula: str
    reason: str


@dataclass(frozen=True)
class RuleRow:
    """One rule, its verdict, why, and what would meet it."""

    title: str
    verdict: State
    reason: str
    remedy: str
    note: str


@dataclass(frozen=True)
class OfferRow:
    """One offer that is taken."""

    name: str
    bought: str
    cost: str
    price: str
    note: str


@dataclass(frozen=True)
class GreenBlock:
    """The whole section in one language; ``..._head`` are the words above the columns."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[GreenRow, ...]
    notes: tuple[str, ...]
    rule_title: str
    rule_head: tuple[str, ...]
    rules: tuple[RuleRow, ...]
    offer_title: str
    offer_head: tuple[str, ...]
    offers: tuple[OfferRow, ...]
    unfit: tuple[str, ...]


def green_block(
    account: GreenAccount,
    checks: Sequence[RuleCheck] = (),
    purchase: Purchase | None = None,
    *,
    before: GreenAccount | None = None,
    currency: str = "",
    code: str = "en",
) -> GreenBlock:
    """Return the section in a language.

    Parameters
    ----------
    account : GreenAccount
    checks : sequence of RuleCheck
        Those that do not apply are left out.
    purchase : Purchase or None
        What is bought; None: the purchase of the first rule that is not met.
    before : GreenAccount or None
        What the values are told against, as ``before → value``.
    currency : str
    code : {"en", "zh"}
    """

    def put(text: str) -> str:
        return str(translate(text, code))

    applied = [c for c in checks if c.verdict != "does not apply"]
    old = {} if before is None else {i.id: _amount(i.value, i.unit, code) for i in before.indicators}
    bought = purchase or next((c.purchase for c in applied if c.purchase is not None), None)
    return GreenBlock(
        title=put(say("Measures of green, side by side")),
        about=put(_about(account)),
        head=tuple(map(put, HEAD)),
        rows=tuple(_row(i, put, code, old.get(i.id)) for i in account.indicators),
        notes=tuple(map(put, _notes(account))),
        rule_title=put(say("Rules on the green share")),
        rule_head=tuple(map(put, RULE_HEAD)),
        rules=tuple(rule_row(c, currency, code) for c in applied),
        offer_title=put(say("Purchase: annual claims beside the hours")),
        offer_head=tuple(map(put, OFFER_HEAD)),
        offers=() if bought is None else _offers(bought, currency, put),
        unfit=() if bought is None else tuple(
            put(say("not used: {name}: {reason}", name=u.name, reason=u.reason)) for u in bought.unfit
        ),
    )  # fmt: skip


def green_text(block: GreenBlock) -> str:
    """Return the section for a terminal."""
    rows = [(r.name, r.value, r.parts or r.reason, r.label, r.counts, r.leaves_out) for r in block.rows]
    rules = [(r.title, f"{r.verdict.icon} {r.verdict.word}", r.reason, r.remedy) for r in block.rules]
    offers = [(o.name, o.bought, o.cost, o.price, o.note) for o in block.offers]
    return join(
        f"{block.title}\n{block.about}",
        table(block.head, rows, right=block.head[1:2]),
        "\n".join(f"- {note}" for note in block.notes),
        f"{block.rule_title}\n{table(block.rule_head, rules)}" if rules else "",
        f"{block.offer_title}\n{table(block.offer_head, offers, right=block.offer_head[1:4])}"
        if offers
        else "",
        "\n".join(block.unfit),
    )


def green_markdown(block: GreenBlock) -> str:
    """Return the section as Markdown."""
    rows = [(r.name, r.value, r.parts or r.reason, r.label, r.counts, r.leaves_out) for r in block.rows]
    rules = [(r.title, r.verdict.word, r.reason, r.remedy) for r in block.rules]
    offers = [(o.name, o.bought, o.cost, o.price, o.note) for o in block.offers]
    return join(
        f"## {block.title}",
        block.about,
        _markdown_table(block.head, rows),
        "\n".join(f"- {note}" for note in block.notes),
        f"### {block.rule_title}\n\n{_markdown_table(block.rule_head, rules)}" if rules else "",
        f"### {block.offer_title}\n\n{_markdown_table(block.offer_head, offers)}" if offers else "",
        "\n".join(f"- {line}" for line in block.unfit),
    )


def green_section(block: GreenBlock) -> str:
    """Return the section as HTML for a report's page, in the page's classes; every text is escaped."""
    return environment().get_template("green.html.jinja").render(block=block)


# -- in words ------------------------------------------------------------------------------------
def _about(account: GreenAccount) -> str:
    tally = account.tally
    used = wording.quantity(tally.consumption_kwh, "kWh")
    if tally.whole_year:
        return say("Twelve months, {kwh} used.", kwh=used)
    return say("A window of {hours:,.0f} h, not a year; {kwh} used.", hours=tally.window_hours, kwh=used)


def _row(i: Indicator, put: Say, code: str, before: str | None) -> GreenRow:
    words, value = WORDS[i.id], _amount(i.value, i.unit, code)
    parts = [
        say("{source} {amount}", source=SOURCE_WORDS[source], amount=_amount(part, i.unit, code))
        for source, part in i.by_source.items()
        if part != 0.0 and (i.unit == "1" or part != i.value)
    ]
    return GreenRow(
        name=put(words.title),
        value=value if before is None else _versus(before, value),
        parts=put(Message.joined(", ", parts)) if parts else "",
        label="" if i.value is None else put(term(i.basis.label)),
        kind=i.basis.label,
        counts=put(words.counts),
        leaves_out=put(words.leaves_out),
        formula=put(words.formula),
        reason=put(i.reason) if i.reason else "",
    )


def _notes(account: GreenAccount) -> list[str]:
    """Return what concerns several measures, once each."""
    window = "of a window of {hours:.0f} h, not of a year"  # said above the table already
    notes = [n for i in account.indicators for n in i.notes]
    told = [n for n in dict.fromkeys(notes) if not (isinstance(n, Message) and n.template == window)]
    if account.open_kwh is not None:
        open_kwh = wording.quantity(max(account.open_kwh, 0.0), "kWh")
        told.append(say("{kwh} are claimed by no plant, contract or certificate", kwh=open_kwh))
    if account.unused_certificates_kwh > 0.0:
        left = wording.quantity(account.unused_certificates_kwh, "kWh")
        told.append(say("certificates of {kwh} are more than is used and count nothing", kwh=left))
    if account.offsets_kg > 0.0:
        kg = wording.quantity(account.offsets_kg, "kg CO₂e")
        told.append(say("offsets of {kg} stand beside this account and are part of no share", kg=kg))
    return told


def rule_row(check: RuleCheck, currency: str, code: str = "en") -> RuleRow:
    """Return a rule, its verdict, why, and what would meet it, in a language."""

    def put(text: str) -> str:
        return str(translate(text, code))

    rule, (icon, tone) = check.rule, VERDICT_LOOKS[check.verdict]
    return RuleRow(
        title=rule.title_zh if code == "zh" else rule.title,
        verdict=State(icon, put(term(check.verdict)), tone),
        reason=put(check.reason).replace(">=", "≥"),
        remedy=put(_remedy(check, currency)),
        note=rule.notes_zh if code == "zh" else rule.notes,
    )


def _remedy(check: RuleCheck, currency: str) -> str:
    if check.short_kwh <= 0.0:
        return wording.DASH
    short = wording.quantity(check.short_kwh, "kWh")
    bought = check.purchase
    if bought is None or not (bought.lines or bought.unfit):
        return say("{kwh} more; nothing is on offer", kwh=short)
    cost = wording.quantity(bought.cost, currency)
    if not bought.suffices:
        missing = wording.quantity(bought.missing_kwh, "kWh")
        return say("{kwh} more; all offers cost {cost} and leave {missing} missing", kwh=short, cost=cost,
                   missing=missing)  # fmt: skip
    return say("{kwh} more; the cheapest purchase costs {cost}", kwh=short, cost=cost)


def _offers(purchase: Purchase, currency: str, put: Say) -> tuple[OfferRow, ...]:
    return tuple(
        OfferRow(
            line.name,
            wording.quantity(line.kwh, "kWh"),
            wording.quantity(line.cost, currency),
            wording.quantity(line.price_per_kwh, currency),
            put(line.note) if line.note else "",
        )
        for line in purchase.lines
    )


def _amount(value: float | None, unit: str, code: str) -> str:
    if unit == "1":
        shown = wording.percent(value)
        return shown.replace(" %", "%") if code == "zh" else shown
    return wording.quantity(value, unit.replace("CO2e", "CO₂e"))


def _versus(before: str, value: str) -> str:
    """Return ``before → value``, with the unit once where it is the same."""
    if value == before == wording.DASH:
        return value
    number, _, unit = before.partition(" ")
    same = value.partition(" ")[2] == unit
    return f"{number} → {value}" if same else f"{before} → {value}"


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
