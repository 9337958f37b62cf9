"""The second model of a site: it scores what the first one proposes.

Other weeks, another form: boosted trees for the overhead, a broken line on first differences for
the IT response. Where the two disagree, the interval says so.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.levers import AIR_LEVERS, AIRFLOW, CHANGEOVER, PLANT_LEVERS
from features.message import say
from features.operation import BoolArray, Operation
from models.block_ridge import BlockRidge, fit_block_ridge
from models.chain_loss import ChainLoss, fit_chain
from models.inlet_guide import InletGuide
from models.site_response import DRAWS, least_rows

MEMBERS = 8
"""Trees are fitted on this many draws of weeks; their spread is the scorer's uncertainty."""
WORKERS = 2
"""Members that answer side by side."""
DOUBT = 1.5
"""Errors of the scored saving over what the draws of weeks alone say of them [1]: 1.6 in root mean square,
measured by an independent simulated plant in six years of other work."""
FORM = 0.03
"""What weeks cannot tell: the error of the form, as a share of the saving [1]. Where ample tests leave next
to no other error, generated plants save 2 to 4 % more or less than scored."""
_ROUNDS = 160
_PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.07,
    "num_leaves": 31,
    "min_data_in_leaf": 15,
    "lambda_l2": 1.0,
    "feature_fraction": 0.9,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Scored:
    """Energy of two scenarios and their difference with its uncertainty.

    Parameters
    ----------
    baseline_kw, planned_kw : numpy.ndarray, shape (n,)
        Facility power [kW]; NaN where the operation was not measured.
    baseline_it_kw, planned_it_kw : numpy.ndarray, shape (n,)
        IT power [kW].
    saving_kw_draws : numpy.ndarray, shape (draws,)
        Mean saving of every draw [kW].
    parts_kw : dict
        Mean saving by part, ``it``, ``cooling``, ``power_chain`` [kW].
    """

    baseline_kw: FloatArray
    planned_kw: FloatArray
    baseline_it_kw: FloatArray
    planned_it_kw: FloatArray
    saving_kw_draws: FloatArray
    parts_kw: dict[str, float]

    @property
    def measured(self) -> BoolArray:
        """Steps that count."""
        return np.isfinite(self.baseline_kw) & np.isfinite(self.planned_kw)

    @property
    def saving_kw(self) -> float:
        """Mean saving over the measured steps [kW]."""
        return float((self.baseline_kw - self.planned_kw)[self.measured].mean())

    @property
    def saving_sd_kw(self) -> float:
        """Standard deviation of the mean saving between draws [kW]."""
        return float(self.saving_kw_draws.std(ddof=1))


@dataclass(frozen=True)
class BrokenLine:
    """IT response as a broken line of the inlet, from first differences of the logarithm of IT power.

    Without a ``guide`` to the inlet the line is one of the air lever.
    """

    levers: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    fit: BlockRidge
    guide: InletGuide | None = None

    def terms(self, operation: Operation) -> FloatArray:
        """Return the line's terms, shape (n, terms); zero without an air lever."""
        if self.guide is not None:
            return _line(self.guide.scaled(operation), self.knots[0])
        if not self.levers:
            return np.zeros((len(operation), 1))
        return np.column_stack(
            [_line(operation.levers[n], k) for n, k in zip(self.levers, self.knots, strict=True)]
        )

    def log_effect(self, operation: Operation) -> FloatArray:
        """Return the logarithm of the response of the point and of every draw, shape (n, 1 + draws)."""
        coefficients = np.vstack([self.fit.point, self.fit.draws])
        effect: FloatArray = self.terms(operation) / self.fit.scale @ coefficients.T
        return effect


@dataclass(frozen=True)
class Anchor:
    """What the scorer says of an operation as measured; its residuals are carried into every scenario.

    ``log_effect`` [1], shape (n, 1 + draws); ``overhead_kw`` [kW], shape (n, members).
    """

    operation: Operation
    log_effect: FloatArray
    overhead_kw: FloatArray


@dataclass(frozen=True)
class Held:
    """Power of one scenario, the point and every draw.

    ``it_kw`` and ``chain_kw`` [kW], shape (n, 1 + draws), the point first; ``cooling_kw`` [kW], shape
    (n, members), is the change of the overhead against the operation as measured.
    """

    it_kw: FloatArray
    cooling_kw: FloatArray
    chain_kw: FloatArray


@dataclass(frozen=True)
class SiteScorer:
    """The scoring model of one site; ``levers`` are those that it was fitted on."""

    it: BrokenLine
    trees: tuple[lgb.Booster, ...]
    chain: ChainLoss
    levers: tuple[str, ...]

    def overhead(self, operation: Operation, it_kw: FloatArray) -> FloatArray:
        """Return the overhead of a steady scenario by every member [kW], shape (n, members)."""
        rows = tree_features(operation, it_kw, steady=True)
        known = np.isfinite(rows).all(axis=1)
        predicted = np.full((len(rows), len(self.trees)), np.nan)
        if known.any():
            asked = rows[known]
            with ThreadPoolExecutor(WORKERS) as pool:  # LightGBM lets go of the interpreter
                told = list(pool.map(lambda t: t.predict(asked, num_threads=1), self.trees))
            predicted[known] = np.column_stack(told)
        return predicted

    def score(
        self,
        operation: Operation,
        baseline: dict[str, FloatArray],
        planned: dict[str, FloatArray],
        *,
        it_factor: float | FloatArray = 1.0,
    ) -> Scored:
        """Compare two settings of the levers under the measured weather.

        Parameters
        ----------
        operation : Operation
            As measured; its residuals are carried over into both scenarios.
        baseline, planned : dict
            Lever -> set-points [degC], shape (n,).
        it_factor : float or numpy.ndarray, shape (n,)
            IT power that the planned scenario's work needs, over that of the measured work, at equal
            inlet temperature [1]; the baseline's is 1. Less work is no saving: it is one only where
            something else, such as a leaner server, does the same work.

        Returns
        -------
        Scored
        """
        anchor = self.anchor(operation)
        return self.compare(
            anchor, self.hold(anchor, baseline), self.hold(anchor, planned, it_factor=it_factor)
        )

    def anchor(self, operation: Operation) -> Anchor:
        """Return what every scenario of an operation starts from."""
        operation = operation.only_levers(self.levers)
        return Anchor(operation, self.it.log_effect(operation), self.overhead(operation, operation.it_kw))

    def hold(
        self, anchor: Anchor, levers: dict[str, FloatArray], *, it_factor: float | FloatArray = 1.0
    ) -> Held:
        """Return the power with the levers held at some set-points [degC]; see `score`."""
        here = anchor.operation
        moved = here.with_levers(levers)
        work_kw = here.it_kw * it_factor
        it_kw = work_kw[:, None] * np.exp(self.it.log_effect(moved) - anchor.log_effect)
        rest = here.facility_kw - here.it_kw - here.overhead_kw
        chain = rest[:, None] + self.chain.predict(it_kw) - self.chain.predict(here.it_kw)[:, None]
        return Held(it_kw, self.overhead(moved, it_kw[:, 0]) - anchor.overhead_kw, chain)

    def compare(self, anchor: Anchor, before: Held, after: Held) -> Scored:
        """Return two scenarios of one operation and their difference."""
        here = anchor.operation
        cooling = [here.overhead_kw + held.cooling_kw.mean(axis=1) for held in (before, after)]
        facility = [
            held.it_kw[:, 0] + c + held.chain_kw[:, 0]
            for held, c in zip((before, after), cooling, strict=True)
        ]
        known = np.isfinite(facility[0]) & np.isfinite(facility[1])
        with_losses = [held.it_kw[known, 1:] + held.chain_kw[known, 1:] for held in (before, after)]
        it_draws = (with_losses[0] - with_losses[1]).mean(axis=0)
        cool_draws = (before.cooling_kw - after.cooling_kw)[known].mean(axis=0)
        parts = {
            "it": float((before.it_kw - after.it_kw)[known, 0].mean()),
            "cooling": float((cooling[0] - cooling[1])[known].mean()),
            "power_chain": float((before.chain_kw - after.chain_kw)[known, 0].mean()),
        }
        draws = (it_draws[:, None] + cool_draws[None, :]).ravel()
        middle, sd = float(draws.mean()), float(draws.std())
        if sd > 0:
            draws = middle + (draws - middle) * float(np.hypot(DOUBT * sd, FORM * middle)) / sd
        return Scored(facility[0], facility[1], before.it_kw[:, 0], after.it_kw[:, 0], draws, parts)

    def to_files(self, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (JSON part, file name -> LightGBM text)."""
        about = {
            "levers": list(self.levers),
            "air_levers": list(self.it.levers),
            "knots": [list(k) for k in self.it.knots],
            "fit": self.it.fit.to_dict(),
            "guide": self.it.guide and asdict(self.it.guide),
            "chain": [self.chain.a, self.chain.b, self.chain.c],
            "members": len(self.trees),
        }
        texts = {f"{prefix}{i}.txt": t.model_to_string() for i, t in enumerate(self.trees)}
        return about, texts

    @classmethod
    def from_files(cls, about: dict[str, Any], files: dict[str, str], prefix: str) -> SiteScorer:
        """Rebuild from `to_files`."""
        line = BrokenLine(
            tuple(about["air_levers"]),
            tuple(tuple(k) for k in about["knots"]),
            BlockRidge.from_dict(about["fit"]),
            about["guide"] and InletGuide.from_dict(about["guide"]),
        )
        trees = tuple(lgb.Booster(model_str=files[f"{prefix}{i}.txt"]) for i in range(about["members"]))
        return cls(line, trees, ChainLoss(*about["chain"]), tuple(about["levers"]))


def fit_site_scorer(operation: Operation, rows: BoolArray, seed: int) -> SiteScorer:
    """Fit the scoring model on its own weeks.

    Raises
    ------
    InsufficientDataError
        Too few rows.
    """
    rows = rows & operation.usable
    if not rows.any():
        raise InsufficientDataError(
            "E-SCORER-ROWS",
            say("no step of the second model's weeks is fully measured"),
            operation.site_id,
            say("export at least {least} steps without gaps", least=2 * least_rows(operation)),
        )
    return SiteScorer(
        fit_broken_line(operation, rows, seed),
        fit_trees(operation, rows, seed),
        fit_chain(operation, rows),
        tuple(operation.levers),
    )


def fit_broken_line(operation: Operation, rows: BoolArray, seed: int) -> BrokenLine:
    """Fit the IT response on the given rows.

    Raises
    ------
    InsufficientDataError
        Too few neighbouring steps.
    """
    names = tuple(n for n in operation.levers if n in (*AIR_LEVERS, AIRFLOW))
    guide = InletGuide.learn(operation)
    knots = (
        ((0.0,),)  # the middle of the inlet's range: a bend is seen there best
        if guide is not None
        else tuple(tuple(np.unique(np.quantile(operation.levers[n][rows], (0.25, 0.5, 0.75)))) for n in names)
    )
    line = BrokenLine(names, knots, BlockRidge(*(np.zeros(0),) * 2, 0.0, *(np.zeros(0),) * 2), guide)
    terms = line.terms(operation)
    n_levers = terms.shape[1]
    moves = np.diff(terms, axis=0, prepend=terms[:1])
    later = [
        np.vstack([np.zeros((k, n_levers)), moves[: len(moves) - k]])
        for k in range(1, operation.transient_steps + 1)
    ]
    # full effect = effect at once + what follows in the next steps, so the later moves carry the
    # remainder: d log IT = b0 * move + b1 * move one step ago + ...; the sum of b is the response
    hour = np.eye(168)[operation.hour_of_week]
    log_it = np.log(np.where(operation.it_kw > 0, operation.it_kw, np.nan))
    change = np.diff(log_it, prepend=np.nan)
    valid = rows & np.concatenate([[False], rows[:-1]]) & np.isfinite(change)
    X = np.column_stack([moves, *later, hour])
    valid &= np.isfinite(X).all(axis=1)
    least = least_rows(operation)
    if valid.sum() < least:
        raise InsufficientDataError(
            "E-SCORER-ROWS",
            say("{count} neighbouring steps are too few for the second model", count=int(valid.sum())),
            operation.site_id,
            say("export at least {least} steps without gaps", least=2 * least),
        )
    moved = np.abs(change[valid] - np.median(change[valid]))
    # a meter that repeats its value in most steps has a median of zero
    spread = 1.4826 * np.median(moved) or max(float(moved.std()), 1e-12)
    weights = np.minimum(1.0, 3.0 * spread / np.maximum(np.abs(change[valid]), 1e-12))
    fit = fit_block_ridge(
        X[valid], change[valid], operation.week[valid], alpha=1e-5, draws=DRAWS, seed=seed, weights=weights
    )
    return replace(line, fit=_summed(fit, n_levers, operation.transient_steps + 1))


def _summed(fit: BlockRidge, width: int, copies: int) -> BlockRidge:
    """Add the coefficients of a move's delayed effects, in raw units of the terms."""
    inverse = np.where(np.isinf(fit.scale), 0.0, 1.0 / fit.scale)
    point = (fit.point * inverse)[: width * copies].reshape(copies, width).sum(axis=0)
    draws = (fit.draws * inverse)[:, : width * copies].reshape(len(fit.draws), copies, width).sum(axis=1)
    return BlockRidge(np.zeros(width), np.ones(width), 0.0, point, draws)


def fit_trees(
    operation: Operation, rows: BoolArray, seed: int, members: int = MEMBERS
) -> tuple[lgb.Booster, ...]:
    """Fit the overhead by trees, each on its own draw of the weeks of the given rows."""
    X, y = tree_features(operation, operation.it_kw, steady=False), operation.overhead_kw
    valid = rows & np.isfinite(X).all(axis=1) & np.isfinite(y)
    X, y, weeks = X[valid], y[valid], operation.week[valid]
    blocks = np.unique(weeks)
    rng = np.random.default_rng(seed)
    trees = []
    for member in range(members):
        drawn = rng.dirichlet(np.ones(len(blocks))) * len(blocks)  # as in `models.block_ridge`
        data = lgb.Dataset(X, label=y, weight=drawn[np.searchsorted(blocks, weeks)])
        trees.append(lgb.train({**_PARAMETERS, "seed": seed + member}, data, num_boost_round=_ROUNDS))
    return tuple(trees)


def tree_features(operation: Operation, it_kw: FloatArray, *, steady: bool) -> FloatArray:
    """Return levers, weather, approaches and load; the last move of each lever, zero when steady."""
    columns, steps = [operation.dry_bulb_c, operation.wet_bulb_c, it_kw], operation.transient_steps
    for name, values in operation.levers.items():
        move = (
            np.zeros(len(values))
            if steady
            else values - np.concatenate([[values[0]] * steps, values[:-steps]])[: len(values)]
        )
        apart = [operation.dry_bulb_c - values, operation.wet_bulb_c - values]
        # what is no temperature has no distance from the weather
        columns += [values, *(apart if name not in PLANT_LEVERS or name == CHANGEOVER else ()), move]
    return np.column_stack(columns)


def _line(x: FloatArray, knots: tuple[float, ...]) -> FloatArray:
    return np.column_stack([x, *(np.maximum(x - k, 0.0) for k in knots)])
