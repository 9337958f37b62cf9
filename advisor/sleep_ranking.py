"""From verified sleep plans to ranked recommendations, in words that an operator can act on."""

from __future__ import annotations

from typing import Literal

from advisor.plan import Recommendation, Saving, VerifiedPlan
from advisor.sleep import MIN_BLOCK_H, MIN_STATIONS, Action, Effect

SURE_STATIONS = 15
TEST_NIGHTS = 4
EXPIRY = "28 days after the end of the export, or when a cell's configuration or neighbours change"


def recommend(
    action: Action, effect: Effect | None, verified: VerifiedPlan, after: Saving, measures: tuple[str, ...]
) -> Recommendation:
    """Return the recommendation of one supported action."""
    if effect is None:
        raise ValueError("a supported action has a measured effect")
    plan = verified.plan
    once = plan.schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])
    guard = plan.problem.limits[0].value
    few = effect.stations < SURE_STATIONS
    confidence: Literal["medium", "low"] = "low" if few else "medium"
    return Recommendation(
        id=_slug(action),
        action=(
            f"Let {once.groupby(['site_id', 'unit_id']).ngroups} cells of product {action.product} at "
            f"{once['site_id'].nunique()} stations sleep in {_modes(action)} for {len(once)} more cell hours "
            f"in the window, in one block a night of at least {MIN_BLOCK_H:g} h"
        ),
        lever=action.modes[0],
        measures=measures,
        saving=verified.saving,
        saving_after_higher_ranked=after,
        binding_limit=(
            f"load of the cell at most {100 * guard:.1f} % in that hour on every day of the export; "
            "coverage by another layer or neighbour must be confirmed, the export does not show it"
        ),
        reasons=_reasons(action, verified),
        evidence=(
            f"{action.product} seen asleep at {action.stations} stations in {action.hours_on} cell hours",
            f"matched at equal load at {effect.stations} stations, {effect.hours} hours asleep: "
            f"-{100 * effect.point:.1f} % of the station's energy "
            f"({100 * effect.lower:.1f} to {100 * effect.upper:.1f} %, bootstrap over stations)",
            *verified.notes,
            *(f"re-checked: {c.name}, {c.note}" for c in verified.checks if c.passed),
        ),
        verdict=verified.verdict,
        confidence=confidence,
        rollback_trigger=(
            "wake the cell when its load, or a neighbour's, passes the site's limit, on any coverage or "
            "accessibility alarm, or when energy asleep is less than "
            f"{_least(verified, effect):.0f} % below the same hour awake on {TEST_NIGHTS} nights"
        ),
        expiry=EXPIRY,
    )


def untried(
    seen: list[Action], never: dict[str, int], measures: tuple[str, ...]
) -> tuple[Recommendation, ...]:
    """Return what is not proven: actions in use without comparable hours, products never seen asleep.

    Nothing is claimed for them; each names the smallest safe test.
    """
    out = []
    if seen:
        names = ", ".join(f"{a.product} {_modes(a)}" for a in seen)
        out.append(
            _not_proven(
                "sleep-test-in-use", seen[0].modes[0],
                f"Test, before extending them, sleep modes in use that these data do not prove: {names}",
                f"fewer than {MIN_STATIONS} stations have hours asleep and awake at the same load, or no "
                "hour is left that keeps the limits",
                evidence=tuple(
                    f"{a.product} {_modes(a)}: {a.stations} stations, {a.hours_on} cell hours" for a in seen
                ),
                measures=measures,
            )
        )  # fmt: skip
    if never:
        out.append(
            _not_proven(
                "sleep-test-never-used", "sleep_mode_1",
                f"Test sleep on products never seen asleep: {', '.join(never)}",
                "an effect measured on one product is not carried over to another",
                evidence=tuple(
                    f"{p}: {n} cell hours with as little load as others asleep" for p, n in never.items()
                ),
                measures=measures,
            )
        )  # fmt: skip
    return tuple(out)


def _not_proven(
    identity: str, lever: str, action: str, reason: str, *, evidence: tuple[str, ...],
    measures: tuple[str, ...],
) -> Recommendation:  # fmt: skip
    test = (
        f"smallest safe test: {MIN_STATIONS} stations of one product whose area another layer covers, modes "
        f"on every other night in the hours of least load, {TEST_NIGHTS} nights asleep and {TEST_NIGHTS} "
        "awake, with the meter read at least hourly"
    )
    return Recommendation(
        id=identity, action=action, lever=lever, measures=measures, saving=Saving(),
        saving_after_higher_ranked=Saving(), binding_limit="no proof from this fleet", reasons=(reason, test),
        evidence=evidence, verdict="not proven", confidence="low",
        rollback_trigger="any coverage or accessibility alarm in the test area",
        expiry="when the test has been measured",
    )  # fmt: skip


def _reasons(action: Action, verified: VerifiedPlan) -> tuple[str, ...]:
    collinear = (
        (f"{_modes(action)} are always switched together: their effects cannot be told apart",)
        if len(action.modes) > 1
        else ()
    )
    station = verified.parts.get("station_pct")
    return (
        "the saving is measured in this fleet's own data: same station, same load, asleep against awake",
        "observational: hours asleep are nights; what differs at night besides the load stays in the figure",
        *collinear,
        "hours asleep already are the baseline; only new hours save",
        "capacity sleep only: a single-cell station is the only cell of this export there, so coverage by "
        "another layer is an assumption; of several cells the largest stays awake",
        *((f"{station:.2f} % of the energy of the stations concerned",) if station is not None else ()),
    )  # fmt: skip


def _least(verified: VerifiedPlan, effect: Effect) -> float:
    """Return the share that must at least be seen [%]: the lower end of the scorer's interval."""
    share = verified.saving.energy_pct
    if share is None or share.point <= 0:
        return 100 * effect.lower
    return min(100 * effect.lower, 100 * effect.point * share.lower / share.point)


def _modes(action: Action) -> str:
    numbers = [m.removeprefix("sleep_mode_") for m in action.modes]
    return f"mode{'s' if len(numbers) > 1 else ''} {' and '.join(numbers)}"


def _slug(action: Action) -> str:
    modes = "-".join(m.removeprefix("sleep_mode_") for m in action.modes)
    return f"sleep-{action.product.lower().replace(' ', '-')}-modes-{modes}"
