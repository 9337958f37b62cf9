"""Whether a fitted model may be stored: it must earn its place on held-out time.

The baselines that count are those that know no more than the model does. A forecast knows the target up to
a day ago: same hour yesterday and same hour last week compete with it; persistence, which has seen the step
before, does not. An estimate is asked where no meter speaks (a gap, another operation, a saving), so that no
past value competes with it; the linear model on the same inputs does. Both must beat the naive answer: the
mean of the site and, where PUE is a quotient with a known divisor, the mean facility power over the IT power.

Errors of neighbouring hours are alike. So that a lucky day is not taken for skill, differences of absolute
errors are bootstrapped by blocks of whole weeks, or of the longest shorter blocks of which there are enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.data_centre import ForecastOrEstimate
from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say, term
from models.baselines import LAST_WEEK, YESTERDAY, Linear, PastValue, SiteMean
from models.cold_start import NAME as PRIOR
from models.cold_start import ColdStart
from models.fallback import PAST
from models.prediction import Tier
from training.jobs import Job

LEAST_SKILL = 0.05
"""Share of the naive error that must be saved: less is not worth a model, and labels drawn at random reach
it in less than one of a hundred held-out stretches of two days."""
TOLERANCE = 0.02
"""A loss to a baseline below this share that the bootstrap cannot tell from nothing counts as level."""
CONFIDENCE = 0.975
DRAWS = 2000
BLOCKS = tuple(pd.Timedelta(length) for length in ("7D", "3D", "1D", "6h", "1h"))
LEAST_BLOCKS = 8
PRIOR_COUNTS = pd.Timedelta(days=60)
"""Up to this length of history a model must also beat a prior calibrated on the same days."""

SITE_MEAN = "site mean"
LINEAR = "linear"
RATIO = "mean facility power over IT power"
NAIVE = (SITE_MEAN, RATIO)

IntArray = npt.NDArray[np.int64]
Result = TypeVar("Result")
Stored = Literal["model", "baseline", "nothing"]


@dataclass(frozen=True)
class Lead:
    """By how much one answer errs less than another, as a share of the other's mean absolute error.

    Parameters
    ----------
    share : float
        1 - MAE / MAE of the other [1]; negative where it errs more.
    lower, upper : float
        Two-sided block-bootstrap interval at `CONFIDENCE` per side [1].
    """

    share: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Refused:
    """A quantity and task that the gate let nothing through for."""

    verdict: Verdict


@dataclass(frozen=True)
class Verdict:
    """What the gate decided about one quantity and task.

    Parameters
    ----------
    stored : {"model", "baseline", "nothing"}
    name : str
        Baseline that answers in the model's place; "" where the model is stored or nothing is.
    skill : Lead
        Of the model over the best naive answer.
    lead : Lead
        Of the model over the best baseline that counts.
    rival : str
        That baseline.
    reason : str
        The decision as a sentence.
    """

    stored: Stored
    name: str
    skill: Lead
    lead: Lead
    rival: str
    reason: str

    @property
    def tier(self) -> Tier:
        """Tier of what is stored: a past value is a fallback, the linear model has learned the site."""
        if self.name == PRIOR:
            return "prior"
        return "fallback" if self.name in PAST else "full"

    def to_dict(self) -> dict[str, Any]:
        """Return what the model card says about it."""
        return {
            "stored": self.stored, "baseline": self.name, "rival": self.rival,
            "skill": [round(v, 4) for v in (self.skill.share, self.skill.lower, self.skill.upper)],
            "lead": [round(v, 4) for v in (self.lead.share, self.lead.lower, self.lead.upper)],
        }  # fmt: skip


def judge(
    truth: FloatArray, ours: FloatArray, others: Mapping[str, FloatArray], stamps: pd.Series, *, seed: int = 0
) -> Verdict:
    """Decide what is stored.

    Parameters
    ----------
    truth, ours : numpy.ndarray, shape (rows,)
        Measured and predicted values of held-out rows [unit of the quantity].
    others : mapping
        Baseline that counts -> its values, shape (rows,); see `rivals`. Holds `SITE_MEAN`.
    stamps : pandas.Series, shape (rows,)
        Moment of each row.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InsufficientDataError
        Code E-GATE-ROWS: no held-out row has both a measurement and an answer.
    """
    known = np.isfinite(truth) & np.isfinite(ours) & np.isfinite(others[SITE_MEAN])
    if not known.any():
        raise InsufficientDataError(
            "E-GATE-ROWS",
            say("no held-out row has both a measured and a predicted value"),
            "",
            say("export a longer stretch of time"),
        )

    block = time_blocks(stamps)

    def lead(answer: FloatArray, other: FloatArray) -> Lead:
        return lead_of(np.abs(truth - answer), np.abs(truth - other), block, seed)

    naive = _best(truth, {n: v for n, v in others.items() if n in NAIVE})
    serious = {n: v for n, v in others.items() if n not in NAIVE}
    rival = _best(truth, serious) or naive
    skill, over_rival = lead(ours, others[naive]), lead(ours, others[rival])
    if rival in NAIVE or not _loses(over_rival):
        if has_skill(skill):
            told = _passed(skill, naive, over_rival, rival)
            return Verdict("model", "", skill, over_rival, rival, told)
    elif has_skill(lead(others[rival], others[naive])):
        told = say(
            "the fitted model errs {loss:.1%} more than {rival} on held-out time and is not stored: "
            "{rival} answers",
            loss=-over_rival.share,
            rival=_called(rival),
        )
        return Verdict("baseline", rival, skill, over_rival, rival, told)
    told = say(
        "neither the fitted model nor a baseline errs less than {naive} on held-out time by {least:.0%} "
        "(the model: {skill:.1%}, 95 % interval {lower:.1%} to {upper:.1%}): nothing is stored",
        naive=_called(naive),
        least=LEAST_SKILL,
        skill=skill.share,
        lower=skill.lower,
        upper=skill.upper,
    )
    return Verdict("nothing", "", skill, over_rival, rival, told)


def admitted(done: Mapping[Job, Result | Refused], quotient: bool) -> tuple[dict[Job, Result], list[str]]:
    """Return what the gate let through, and why it refused the rest.

    Parameters
    ----------
    done : mapping
        (site, quantity, task) -> what is to be stored, or that nothing is.
    quotient : bool
        PUE was not measured but divided: where its power is refused, its skill is that of the divisor.
    """
    refused = {job: r.verdict.reason for job, r in done.items() if isinstance(r, Refused)}
    for site, quantity, task in done:
        power: Job = (site, "facility_power_kw", task)
        if quotient and quantity == "pue" and power in refused:
            refused[site, quantity, task] = say("its facility power was refused")
    notes: list[str] = [
        say(
            "{site}: no {task} of {quantity}: {what}", site=site, task=term(task), quantity=quantity, what=why
        )
        for (site, quantity, task), why in refused.items()
    ]
    return {j: r for j, r in done.items() if not isinstance(r, Refused) and j not in refused}, notes


def closed(notes: Sequence[str], where: str) -> InsufficientDataError:
    """Return the error of an export for which nothing may be stored."""
    return InsufficientDataError(
        "E-TRAIN-GATE",
        Message.joined("; ", notes),
        where,
        say(
            "nothing was written: check that the power and the inputs belong to the same plant and clock, or "
            "export more inputs (load, weather) over a longer time"
        ),
    )


def rivals(past: FeatureFrame, held_out: FeatureFrame, task: ForecastOrEstimate) -> dict[str, FloatArray]:
    """Return what the baselines that count say of held-out rows.

    Parameters
    ----------
    past : FeatureFrame
        Measured rows to learn from.
    held_out : FeatureFrame
        Later rows, with the same features.
    task : {"estimate", "forecast"}

    Returns
    -------
    dict
        Name -> values [unit of the quantity], shape (rows of `held_out`,).
    """
    answers = {SITE_MEAN: SiteMean().fit(past).predict(held_out)}
    if held_out.quantity == "pue" and task == "estimate" and "it_power_kw" in held_out.names:
        facility = past.target() * past.X["it_power_kw"].to_numpy()
        it = held_out.X["it_power_kw"].to_numpy()
        answers[RATIO] = np.divide(np.nanmedian(facility), it, where=it > 0, out=np.full(len(it), np.nan))
    stamps = past.keys["timestamp"]
    young = stamps.iloc[-1] - stamps.iloc[0] < PRIOR_COUNTS
    if task == "estimate" and young and ColdStart.serves(past.quantity, past.names):
        answers[PRIOR] = ColdStart().fit(past).predict(held_out)
    if task == "estimate":
        answers[LINEAR] = Linear().fit(past).predict(held_out)
    else:
        columns = dict(zip(PAST, (YESTERDAY, LAST_WEEK), strict=True))
        answers |= {n: PastValue(n, column).predict(held_out) for n, column in columns.items()}
    return answers


def _best(truth: FloatArray, answers: Mapping[str, FloatArray]) -> str:
    """Return the answer with the smallest error on at least half of the rows; "" without one."""
    enough = {n: v for n, v in answers.items() if np.isfinite(v[np.isfinite(truth)]).mean() >= 0.5}
    return min(enough, key=lambda n: float(np.nanmean(np.abs(truth - enough[n]))), default="")


def has_skill(lead: Lead) -> bool:
    """Return whether the lead is large enough and beyond chance."""
    return lead.share >= LEAST_SKILL and lead.lower > 0


def _loses(lead: Lead) -> bool:
    return lead.share < 0 and (lead.upper < 0 or lead.share < -TOLERANCE)


def lead_of(ours: FloatArray, other: FloatArray, block: IntArray, seed: int) -> Lead:
    """Return the lead of absolute errors over others, on the rows where both are known.

    Parameters
    ----------
    ours, other : numpy.ndarray, shape (rows,)
        Absolute errors [unit of the quantity].
    block : numpy.ndarray of int, shape (rows,)
        Rows of the same block are drawn together.
    seed : int
    """
    both = np.isfinite(ours) & np.isfinite(other)
    if not both.any() or not other[both].sum() > 0:
        return Lead(0.0, 0.0, 0.0)
    codes = np.unique(block[both], return_inverse=True)[1]
    sums = [np.bincount(codes, weights=e[both]) for e in (ours, other)]
    draws = np.random.default_rng(seed).integers(0, len(sums[0]), (DRAWS, len(sums[0])))
    drawn_ours, drawn_other = (s[draws].sum(axis=1) for s in sums)
    shares = 1 - drawn_ours / np.maximum(drawn_other, 1e-12 * other[both].sum())
    lower, upper = np.quantile(shares, [1 - CONFIDENCE, CONFIDENCE])
    return Lead(float(1 - sums[0].sum() / sums[1].sum()), float(lower), float(upper))


def time_blocks(stamps: pd.Series) -> IntArray:
    """Return the block number of every row: the longest of `BLOCKS` of which there are enough."""
    since = stamps - stamps.min()
    for length in BLOCKS:
        codes = pd.factorize(since // length)[0]
        if codes.max() + 1 >= LEAST_BLOCKS:
            break
    return np.asarray(codes, dtype=np.int64)


def _passed(skill: Lead, naive: str, lead: Lead, rival: str) -> Message:
    if rival == naive:
        return say("errs {skill:.0%} less than {naive}", skill=skill.share, naive=_called(naive))
    if lead.lower > 0:
        return say(
            "errs {skill:.0%} less than {naive} and {lead:.0%} less than {rival}",
            skill=skill.share, naive=_called(naive), lead=lead.share, rival=_called(rival),
        )  # fmt: skip
    return say(
        "errs {skill:.0%} less than {naive}; {rival} cannot be told from it",
        skill=skill.share,
        naive=_called(naive),
        rival=_called(rival),
    )


def _called(name: str) -> Message:
    """Return a baseline's name as a word that can be translated."""
    words = {
        SITE_MEAN: term("site mean"),
        RATIO: say("the mean facility power over the IT power"),
        LINEAR: say("the linear model"),
        PRIOR: say("the calibrated prior"),
        "same hour yesterday": term("same hour yesterday"),
        "same hour last week": term("same hour last week"),
    }
    return words[name]
