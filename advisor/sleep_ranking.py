"""From verified sleep plans to ranked recommendations, in words that an operator can act on."""

from __future__ import annotations

from typing import Literal

from advisor.plan import Recommendation, Saving, VerifiedPlan
from advisor.sleep import MIN_BLOCK_H, MIN_STATIONS, Action, Effect
from features.message import Message, say

SURE_STATIONS = 15
TEST_NIGHTS = 4
EXPIRY = say("28 days after the end of the export, or when a cell's configuration or neighbours change")


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
        kind="sleep",
        id=_slug(action),
        action=(
            say(
                "Let {cells} cells of product {product} at {stations} stations sleep in {modes} for "
                "{hours} more cell hours in the window, in one block a night of at least {least_h:g} "
                "h",
                cells=once.groupby(["site_id", "unit_id"]).ngroups,
                product=action.product,
                stations=once["site_id"].nunique(),
                modes=_modes(action),
                hours=len(once),
                least_h=MIN_BLOCK_H,
            )
        ),
        lever=action.modes[0],
        measures=measures,
        saving=verified.saving,
        saving_after_higher_ranked=after,
        binding_limit=(
            say(
                "load of the cell at most {guard:.1f} % in that hour on every day of the export; "
                "coverage by another layer or neighbour must be confirmed, the export does not show "
                "it",
                guard=100 * guard,
            )
        ),
        reasons=_reasons(action, verified),
        evidence=(
            say(
                "{product} seen asleep at {stations} stations in {hours} cell hours",
                product=action.product,
                stations=action.stations,
                hours=action.hours_on,
            ),
            say(
                "matched at equal load at {stations} stations, {hours} hours asleep: -{point:.1f} % "
                "of the station's energy ({lower:.1f} to {upper:.1f} %, bootstrap over stations)",
                stations=effect.stations,
                hours=effect.hours,
                point=100 * effect.point,
                lower=100 * effect.lower,
                upper=100 * effect.upper,
            ),
            *verified.notes,
            *(
                say("re-checked: {name}, {note}", name=c.name, note=c.note)
                for c in verified.checks
                if c.passed
            ),
        ),
        verdict=verified.verdict,
        confidence=confidence,
        rollback_trigger=(
            say(
                "wake the cell when its load, or a neighbour's, passes the site's limit, on any "
                "coverage or accessibility alarm, or when energy asleep is less than {least:.0f} % "
                "below the same hour awake on {nights} nights",
                least=_least(verified, effect),
                nights=TEST_NIGHTS,
            )
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
        names = Message.joined(
            ", ", (say("{product} {modes}", product=a.product, modes=_modes(a)) for a in seen)
        )
        out.append(
            _not_proven(
                "sleep-test-in-use",
                seen[0].modes[0],
                say(
                    "Test, before extending them, sleep modes in use that these data do not prove: {names}",
                    names=names,
                ),
                say(
                    "fewer than {least} stations have hours asleep and awake at the same load, or no "
                    "hour is left that keeps the limits",
                    least=MIN_STATIONS,
                ),
                evidence=tuple(
                    say(
                        "{product} {modes}: {stations} stations, {hours} cell hours",
                        product=a.product,
                        modes=_modes(a),
                        stations=a.stations,
                        hours=a.hours_on,
                    )
                    for a in seen
                ),
                measures=measures,
            )
        )
    if never:
        out.append(
            _not_proven(
                "sleep-test-never-used",
                "sleep_mode_1",
                say(
                    "Test sleep on products never seen asleep: {products}",
                    products=Message.joined(", ", never),
                ),
                say("an effect measured on one product is not carried over to another"),
                evidence=tuple(
                    say(
                        "{product}: {count} cell hours with as little load as others asleep",
                        product=p,
                        count=n,
                    )
                    for p, n in never.items()
                ),
                measures=measures,
            )
        )
    return tuple(out)


def _not_proven(
    identity: str, lever: str, action: str, reason: str, *, evidence: tuple[str, ...],
    measures: tuple[str, ...],
) -> Recommendation:  # fmt: skip
    test = say(
        "smallest safe test: {least} stations of one product whose area another layer "
        "covers, modes on every other night in the hours of least load, {nights} nights "
        "asleep and {nights} awake, with the meter read at least hourly",
        least=MIN_STATIONS,
        nights=TEST_NIGHTS,
    )
    return Recommendation(
        kind="sleep",
        id=identity,
        action=action,
        lever=lever,
        measures=measures,
        saving=Saving(),
        saving_after_higher_ranked=Saving(),
        binding_limit=say("no proof from this fleet"),
        reasons=(reason, test),
        evidence=evidence,
        verdict="not proven",
        confidence="low",
        rollback_trigger=say("any coverage or accessibility alarm in the test area"),
        expiry=say("when the test has been measured"),
    )


def _reasons(action: Action, verified: VerifiedPlan) -> tuple[str, ...]:
    collinear = (
        (
            say(
                "{modes} are always switched together: their effects cannot be told apart",
                modes=_modes(action),
            ),
        )
        if len(action.modes) > 1
        else ()
    )
    station = verified.parts.get("station_pct")
    return (
        say("the saving is measured in this fleet's own data: same station, same load, asleep against awake"),
        say(
            "observational: hours asleep are nights; what differs at night besides the load "
            "stays in the figure"
        ),
        *collinear,
        say("hours asleep already are the baseline; only new hours save"),
        say(
            "capacity sleep only: a single-cell station is the only cell of this export there, "
            "so coverage by another layer is an assumption; of several cells the largest stays "
            "awake"
        ),
        *(
            (say("{share:.2f} % of the energy of the stations concerned", share=station),)
            if station is not None
            else ()
        ),
    )


def _least(verified: VerifiedPlan, effect: Effect) -> float:
    """Return the share that must at least be seen [%]: the lower end of the scorer's interval."""
    share = verified.saving.energy_pct
    if share is None or share.point <= 0:
        return 100 * effect.lower
    return min(100 * effect.lower, 100 * effect.point * share.lower / share.point)


def _modes(action: Action) -> Message:
    numbers = [m.removeprefix("sleep_mode_") for m in action.modes]
    if len(numbers) == 1:
        return say("mode {number}", number=numbers[0])
    return say("modes {numbers}", numbers=Message.joined(" and ", numbers))


def _slug(action: Action) -> str:
    modes = "-".join(m.removeprefix("sleep_mode_") for m in action.modes)
    return f"sleep-{action.product.lower().replace(' ', '-')}-modes-{modes}"
