"""Payback of an action on the servers: in money, energy and embodied carbon."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.chips_plan import ChipAction
from advisor.plan import Interval
from features.message import Message, say

HOURS_PER_YEAR = 8760.0


@dataclass(frozen=True)
class Payback:
    """What an action saves in a year and when it has repaid itself.

    Parameters
    ----------
    energy_kwh_per_year : Interval
        Facility energy saved [kWh/a].
    money_per_year : Interval or None
        [currency/a]; None where no price of energy is declared.
    carbon_kg_per_year : Interval or None
        [kg CO2e/a], attributional.
    money_years, carbon_years : Interval or None
        Years until the purchase, or its embodied carbon, is repaid [a]; zero where nothing is bought. None:
        unknown, or never certain (see ``notes``).
    money_point_years, carbon_point_years : float or None
        The same at the points [a]; given also where no upper end exists.
    embodied_kwh : Interval or None
        Embodied carbon as kWh of the site's electricity; repaid in ``carbon_years``.
    notes : tuple of str
    action : ChipAction
    """

    energy_kwh_per_year: Interval
    money_per_year: Interval | None
    carbon_kg_per_year: Interval | None
    money_years: Interval | None
    carbon_years: Interval | None
    money_point_years: float | None
    carbon_point_years: float | None
    embodied_kwh: Interval | None
    notes: tuple[str, ...]
    action: ChipAction

    def sentences(self) -> tuple[str, ...]:
        """Return the payback in words; nothing where nothing is bought."""
        action = self.action
        if not action.buys:
            return ()
        found: list[str] = []
        if action.purchase_cost is not None:
            label = _ASSUMED[action.price_assumed]
            found.append(say("the purchase costs {cost} {currency}, {label}", currency=action.currency,
                             cost=_span(action.purchase_cost, 0), label=label))  # fmt: skip
        if self.money_point_years is not None:
            found.append(say("saved energy alone repays it in {years} years",
                             years=_told(self.money_years, self.money_point_years)))  # fmt: skip
        if action.embodied_kg is not None:
            found.append(say("the making of the new servers emits {kg} kg CO2e; what stands is sunk",
                             kg=_span(action.embodied_kg, 0)))  # fmt: skip
        if self.carbon_point_years is not None:
            found.append(say("saved carbon repays that in {years} years",
                             years=_told(self.carbon_years, self.carbon_point_years)))  # fmt: skip
        worth = self._worth()
        return (*found, *(() if worth is None else (worth,)), *self.notes)

    def _worth(self) -> Message | None:
        life = self.action.lifetime_years
        if life is None or self.money_point_years is None or self.carbon_point_years is None:
            return None
        if self.money_point_years <= life and self.carbon_point_years <= life:
            return say("it pays in money and in carbon within its {life:g} years", life=life)
        if self.carbon_point_years <= life:
            return say(
                "it pays in carbon within its {life:g} years but not in money from energy alone: other "
                "reasons (licences, maintenance, space, a refresh that is due) have to carry the price",
                life=life,
            )  # fmt: skip
        return say("it does not pay in carbon within its {life:g} years", life=life)


_ASSUMED = {True: say("an assumption to be replaced by an offer"), False: say("as declared")}


def payback(
    action: ChipAction,
    *,
    facility_factor: float,
    price_per_kwh: float | None,
    carbon_kg_per_kwh: float | None,
) -> Payback:
    """Return the payback of an action.

    Parameters
    ----------
    action : ChipAction
    facility_factor : float
        Facility kW that fall with one IT kW [1]: the *marginal* factor of the site's plant, not its
        average PUE (losses that do not depend on the load stay).
    price_per_kwh : float or None
        [currency/kWh], in the action's currency.
    carbon_kg_per_kwh : float or None
        [kg CO2e/kWh].

    Raises
    ------
    ValueError
        A factor is below zero.

    Notes
    -----
    Years are the investment over the yearly saving, undiscounted; the interval pairs the dearest purchase
    with the smallest saving and the other way round.
    """
    if facility_factor < 0.0 or (price_per_kwh or 0.0) < 0 or (carbon_kg_per_kwh or 0.0) < 0:
        raise ValueError("facility factor, price and carbon must not be below zero")
    saved = _times(action.it_saving_kw, HOURS_PER_YEAR * facility_factor)
    money = None if price_per_kwh is None else _times(saved, price_per_kwh)
    carbon = None if carbon_kg_per_kwh is None else _times(saved, carbon_kg_per_kwh)
    if not action.buys:
        none = Interval(0.0, 0.0, 0.0)
        return Payback(saved, money, carbon, none, none, 0.0, 0.0, None, (), action)
    money_years, money_point, money_notes = _years(action.purchase_cost, money, say("the purchase"))
    carbon_years, carbon_point, carbon_notes = _years(action.embodied_kg, carbon, say("the embodied carbon"))
    embodied_kwh = (
        _times(action.embodied_kg, 1.0 / carbon_kg_per_kwh)
        if action.embodied_kg is not None and carbon_kg_per_kwh
        else None
    )
    return Payback(
        saved, money, carbon, money_years, carbon_years, money_point, carbon_point, embodied_kwh,
        (*money_notes, *carbon_notes), action,
    )  # fmt: skip


def _times(interval: Interval, factor: float) -> Interval:
    return Interval(interval.lower * factor, interval.point * factor, interval.upper * factor)


def _years(
    invested: Interval | None, saved: Interval | None, what: Message
) -> tuple[Interval | None, float | None, tuple[Message, ...]]:
    if invested is None or saved is None:
        return None, None, (say("{what}: price or factor not declared, no payback is told", what=what),)
    if saved.point <= 0:
        return None, None, (say("{what} is never repaid", what=what),)
    point = invested.point / saved.point
    if saved.lower <= 0:
        note = say("{what}: the lower end of the saving repays nothing; no upper end is told", what=what)
        return None, point, (note,)
    return Interval(invested.lower / saved.upper, point, invested.upper / saved.lower), point, ()


def _told(interval: Interval | None, point: float) -> Message:
    if interval is not None:
        return _span(interval, 1)
    return say("{point:.1f} (no upper end)", point=point)


def _span(interval: Interval, digits: int) -> Message:
    if digits == 0:
        return say("{point:,.0f} ({lower:,.0f} to {upper:,.0f})", **interval.to_dict())
    return say("{point:.1f} ({lower:.1f} to {upper:.1f})", **interval.to_dict())
