"""Whether a rule on the green share is met, what is short, and the cheapest purchase that meets it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from advisor.green.account import GreenAccount
from advisor.green.offers import Lot, Unfit
from advisor.green.purchase import Purchase, buy
from advisor.green.rule_entry import ShareRule
from advisor.measure import Fact, Verdict
from features.message import Message, say, term

ROUNDING = 1e-9
"""Of the consumption [1]: sums of the same flows in another order."""


@dataclass(frozen=True)
class RuleCheck:
    """A rule held against an account.

    Parameters
    ----------
    rule : ShareRule
    verdict : {"met", "not met", "cannot be judged", "does not apply"}
    reason : str
    asked : float or None
        Share asked for [1].
    share, share_after : float or None
        Share reached, and with the purchase [1].
    short_kwh : float
        What is short of it [kWh]; a rule that asks for more than a share is met by one whole kWh more.
    purchase : Purchase or None
        The cheapest that meets it; where ``missing_kwh`` is not 0, the offers do not suffice. None: nothing
        has to be bought, or it cannot be told.
    """

    rule: ShareRule
    verdict: Verdict
    reason: str
    asked: float | None = None
    share: float | None = None
    share_after: float | None = None
    short_kwh: float = 0.0
    purchase: Purchase | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the check for ``summary.json``."""
        return {
            "rule": self.rule.id, "verdict": self.verdict, "reason": str(self.reason), "asked": self.asked,
            "share": self.share, "share_after": self.share_after, "short_kwh": self.short_kwh,
            "purchase": None if self.purchase is None else self.purchase.to_dict(),
            "valid_from": None if self.rule.valid_from is None else self.rule.valid_from.isoformat(),
            "valid_to": None if self.rule.valid_to is None else self.rule.valid_to.isoformat(),
            "measures": list(self.rule.measures), "confidence": self.rule.confidence,
        }  # fmt: skip


def check_rule(
    rule: ShareRule,
    account: GreenAccount,
    facts: Mapping[str, Fact],
    offers: Iterable[Lot | Unfit] = (),
    *,
    on: date,
    weight: float | None = None,
) -> RuleCheck:
    """Hold a rule against an account and find the cheapest purchase that meets it.

    Parameters
    ----------
    rule : ShareRule
    account : GreenAccount
    facts : mapping
        What is known of the site: ``country``, ``new_build``, ``hub_node``, ...; None or absent is unknown.
    offers : iterable of Lot or Unfit
        What can be bought; see `advisor.green.offers`.
    on : datetime.date
        Day of the judgement.
    weight : float or None
        The province's weight [1] (`advisor.green.weights`), for rules that ask for it.
    """
    outside = _outside(rule, facts, on)
    if outside:
        return RuleCheck(rule, "does not apply", outside)
    unknown = [c.said() for c in rule.conditions if c.holds(facts.get(c.fact)) is None]
    if unknown:
        reason = say("unknown whether {conditions}", conditions=Message.joined(" and ", unknown))
        return RuleCheck(rule, "cannot be judged", reason)
    asked = weight if rule.by_province else rule.share
    indicator = account[rule.indicator]
    if asked is None:
        return RuleCheck(rule, "cannot be judged", say("no weight of the province is declared"))
    if indicator.value is None:
        return RuleCheck(rule, "cannot be judged", indicator.reason, asked)
    short = _short_kwh(rule, account, asked, indicator.value)
    found = RuleCheck(
        rule, "not met" if short > 0 else "met", _reason(rule, account, asked, indicator.value, on), asked,
        indicator.value, indicator.value, short,
    )  # fmt: skip
    if short == 0.0:
        return found
    purchase, whole = buy(short, offers), account.tally.consumption_kwh
    reached = _counted_kwh(rule, account) + purchase.kwh
    return replace(found, purchase=purchase, share_after=min(max(reached / whole, 0.0), 1.0))


def _short_kwh(rule: ShareRule, account: GreenAccount, asked: float, reached: float) -> float:
    whole = account.tally.consumption_kwh
    if reached > asked if rule.sense == ">" else reached >= asked - ROUNDING:
        return 0.0
    wanted = math.floor(asked * whole + 1.0) if rule.sense == ">" else asked * whole
    return wanted - _counted_kwh(rule, account)


def _counted_kwh(rule: ShareRule, account: GreenAccount) -> float:
    """Return what counts [kWh]; negative where less is green than was lost and burnt."""
    whole, parts = account.tally.consumption_kwh, account[rule.indicator].by_source
    green = sum(share for source, share in parts.items() if source != "idle")
    return green * whole - account.tally.idle_kwh


def _reason(rule: ShareRule, account: GreenAccount, asked: float, reached: float, on: date) -> str:
    sentence = say(
        "the share is {share:.1f} %, required {sense} {asked:.1f} %",
        share=100 * reached,
        sense=term(rule.sense),
        asked=100 * asked,
    )
    parts: list[str] = [sentence]
    if rule.state(on) == "last published target":
        parts.append(say("last published target, valid to {day}", day=rule.valid_to))
    if not account.tally.whole_year:
        parts.append(
            say("the rule counts a year, this window has {hours:.0f} h", hours=account.tally.window_hours)
        )
    return Message.joined("; ", parts)


def _outside(rule: ShareRule, facts: Mapping[str, Fact], on: date) -> str:
    country = facts.get("country")
    if isinstance(country, str) and country and country != rule.jurisdiction:
        where = term(rule.jurisdiction)
        return say("it holds in {where}, not in {country}", where=where, country=term(country))
    if rule.state(on) == "not yet in force":
        return say("in force from {day}", day=rule.valid_from)
    failed = [c.said() for c in rule.conditions if c.holds(facts.get(c.fact)) is False]
    if not failed:
        return ""
    return say("it applies only where {conditions}", conditions=Message.joined(" and ", failed))
