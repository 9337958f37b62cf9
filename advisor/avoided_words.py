"""Why a saving is, or is not, called proven: in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from advisor.plan import Interval
from features.message import Message, say
from models.counterfactual import Counterfactual, describe_uncovered

LEAST_COUNTED = 0.90
"""Share of the after period that must be measured, and of what is measured that must be like before [1]."""
LEAST_AFTER_DAYS = 7
"""A whole week: work and operation of a weekend are part of the answer [d]."""


@dataclass(frozen=True)
class Counts:
    """How much of the after period the figures rest on.

    ``after_days`` [d]; ``measured_share`` of them [1]; ``counted_share`` of what is measured that is like
    before [1]; ``uncovered_hours`` [h] by reason.
    """

    after_days: float
    measured_share: float
    counted_share: float
    uncovered_hours: dict[str, float]


def reservations(c: Counterfactual, counts: Counts, backwards: bool, base: float) -> tuple[str, ...]:
    """Return why nothing may be called proven or disproven, whatever the figures say."""
    why: list[str] = []
    if c.unknown:
        why += [c.reason, c.settle]
    if backwards:
        why.append(say("the period given as before lies after the other: give them the right way round"))
    if not c.fit.passed:
        why.append(
            say(
                "the baseline misses withheld weeks by CV(RMSE) {cv:.1f} % and NMBE {nmbe:+.1f} %; ASHRAE "
                "Guideline 14 allows {most_cv:g} % and {most_nmbe:g} %",
                cv=c.fit.cv_rmse_pct,
                nmbe=c.fit.nmbe_pct,
                most_cv=c.fit.limits.cv_rmse_pct,
                most_nmbe=c.fit.limits.nmbe_pct,
            )
        )
    if counts.after_days < LEAST_AFTER_DAYS:
        why.append(
            say(
                "{days:.1f} days after the change are too few: at least {least} are needed",
                days=counts.after_days,
                least=LEAST_AFTER_DAYS,
            )
        )
    if counts.measured_share < LEAST_COUNTED:
        why.append(
            say(
                "only {share:.0f} % of the after period is fully measured",
                share=100 * counts.measured_share,
            )
        )
    if counts.counted_share < LEAST_COUNTED or base <= 0:
        why.append(
            say(
                "{share:.0f} % of the after period lies outside what was seen before the change ({what}): "
                "nothing is claimed for it",
                share=100 * (1 - counts.counted_share),
                what=describe_uncovered(c.uncovered),
            )
        )
    return tuple(w for w in why if w)


def reasons_of(
    verdict: str,
    whole: Interval | None,
    why: tuple[str, ...],
    minimum: float | None,
    needed: int | None,
    counts: Counts,
) -> tuple[str, ...]:
    """Return why the verdict is what it is.

    ``whole`` is the saving [%], ``why`` the reservations, ``minimum`` the smallest saving that would be seen
    [%] and ``needed`` the days that would prove a saving of this size.
    """
    if verdict == "proven":
        return (say("the whole interval lies above zero, and the baseline meets its limits"),)
    if verdict == "disproven":
        return (say("the whole interval lies below zero: more was used than would have been as before"),)
    said = list(why)
    if whole is not None and whole.lower <= 0 <= whole.upper:
        said.append(
            say(
                "the interval holds zero: only a saving of at least {least:.2g} % would be seen in four of "
                "five cases",
                least=minimum or 0.0,
            )
        )
        if needed is not None and needed > counts.after_days:
            said.append(
                say("a saving of this size would be told from zero after about {days} days", days=needed)
            )
        elif whole.point > 0:
            said.append(
                say("more days alone would not settle it: a longer or steadier time before the change would")
            )
    return tuple(said)


def bound_of(c: Counterfactual) -> str:
    """Return what an unknown IT part leaves to say of the whole."""
    if not c.unknown or c.shift_k is None:
        return ""
    # fans and leakage rise with temperature: their sign is known even where their size is not
    if c.shift_k > 0:
        return say("the servers stood in warmer air and drew no less for it: the whole saved at most this")
    return say("the servers stood in colder air and drew no more for it: the whole saved at least this")


def normalised_for(c: Counterfactual) -> tuple[str, ...]:
    """Return what does not count as saved: weather, work, and what "as before" means."""
    work: dict[str, Callable[[], Message]] = {
        "as metered": lambda: say("work: IT power, in unchanged air"),
        "response removed": lambda: say("work: IT power with its response to the air set-point removed"),
        "utilisation": lambda: say("work: exported utilisation"),
        "traffic": lambda: say("work: PRB utilisation of the cells"),
        "unknown": lambda: say("work: not told apart from temperature"),
    }
    said = [work[c.means]()]
    if c.means != "traffic":
        said.insert(0, say("weather: dry and wet bulb"))
    return (*said, *c.as_before)
