"""Intervals of stations: locally scaled, calibrated on stations and hours that the models had not seen.

How a row was answered makes its group: with or without measured hours of the station (how many), with hours
on both sides or only before, with the load known or expected, for a station that was in the training data or
``elsewhere``. Within a group `models.station_scale` says how far below and above an energy may lie, from
everything that the second stage sees (nearness and number of the measured hours, their spread, load,
product), and one pair of quantiles in units of these distances makes the interval. All is done on the
logarithm, so that an interval never reaches below zero.

Errors of one station's hours are alike, so that the number of stations, not of hours, limits how well a
quantile is known: levels are raised by one station's share. A radio-unit product that was never measured is
another matter: products left out in turn are its only likes, each counts once, and the quantiles are
stretched by what a draw more adds to the spread of so few.

References
----------
Romano, Patterson, Candes (2019), Conformalized quantile regression; Vovk et al. (2005), Algorithmic learning
in a random world, section 4.5 (Mondrian groups);
Lee, Barber, Willett (2023), Distribution-free inference with hierarchical data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.metrics import coverage_interval
from models.station_fingerprint import BoolArray
from models.station_scale import SideScale, followed

MIN_GROUP = 60
"""Held-out rows that a group needs for its own interval."""
MIN_SCALED = 800
"""Held-out rows from which the likely size of an error is learned row by row."""
FOLDS = 5
"""In which distances are learned from other rows than their own: with half of the stations they are learned
so much worse that intervals get too wide."""
NEW_PRODUCT = "new product"
"""Group of a radio-unit product that was not in the training data and has no measured hour."""
ELSEWHERE = " elsewhere"
"""Suffix of the groups of stations that were not in the training data."""
MORE_IS_KNOWN = {"prior": 0.95, "blind": 0.95, ELSEWHERE: 0.87}
"""A new station is answered by the mean of all folds and by a second stage that all stations taught; the
held-out ones are answered by one fold and by a second stage that a part of the stations and of their hours
taught. By so much nearer do energies lie, without (``prior``, ``blind``) and with measured hours; measured
once, on stations in folds of one fleet, where nothing else moves the coverage."""
SIZES = (1, 2, 4, 8, 16, 36)
"""Measured hours from which on a station belongs to the next class; from the last on it has no suffix."""


Sizes = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class HeldOutHours:
    """Rows of one group that the models did not see.

    Parameters
    ----------
    table : FeatureFrame
        What the second stage sees of them.
    truth, point : numpy.ndarray, shape (rows,)
        Measured and predicted energy [unit of the quantity].
    group : numpy.ndarray of str, shape (rows,)
        See `interval_group`; all begin with the same word.
    """

    table: FeatureFrame
    truth: FloatArray
    point: FloatArray
    group: npt.NDArray[np.str_]

    @property
    def station(self) -> npt.NDArray[np.str_]:
        """Station of every row."""
        return self.table.keys["site_id"].to_numpy(dtype=str)

    @property
    def kind(self) -> str:
        """`ELSEWHERE` for stations outside the training data, else how the rows were answered."""
        first = str(self.group[0])
        return ELSEWHERE if ELSEWHERE in first else first.split(maxsplit=1)[0]

    @property
    def strangers(self) -> bool:
        """Whether the group's stations were not in the training data (or had no measured hour)."""
        return self.kind not in ("around", "past", "forecast")

    @property
    def residual(self) -> FloatArray:
        """Logarithm of measured over predicted energy, shape (rows,)."""
        return np.asarray(np.log(self.truth / self.point))

    def rows(self, mask: BoolArray | npt.NDArray[np.intp]) -> HeldOutHours:
        """Return the selected rows."""
        return HeldOutHours(self.table.rows(mask), self.truth[mask], self.point[mask], self.group[mask])


@dataclass(frozen=True)
class Band:
    """Quantiles of the scaled residual of one group: ``low <= 0 <= high``, resting on `n` rows."""

    low: float
    high: float
    n: int


@dataclass(frozen=True)
class StationIntervals:
    """Intervals of all groups.

    Parameters
    ----------
    coverage : float
        Nominal coverage (0..1).
    bands : dict
        Group -> quantiles.
    scales : dict
        First word of a group, with `ELSEWHERE` where it applies -> likely distances of the energy.
    """

    coverage: float
    bands: dict[str, Band] = field(default_factory=dict)
    scales: dict[str, SideScale] = field(default_factory=dict)

    def bounds(
        self, table: FeatureFrame, point: FloatArray, group: npt.NDArray[np.str_], widen: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper [unit of the quantity] per row.

        Parameters
        ----------
        table : FeatureFrame
            What the second stage sees.
        point : numpy.ndarray, shape (rows,)
            Prediction [unit of the quantity].
        group : numpy.ndarray of str, shape (rows,)
        widen : numpy.ndarray, shape (rows,)
            Factor of the logarithmic offsets.
        """
        low, high = np.zeros(len(point)), np.zeros(len(point))
        for name in np.unique(group):
            rows = np.flatnonzero(group == name)
            known = self.known_group(str(name))
            band = self.bands[known]
            scale = self.scales.get(scale_of(known), SideScale(1.0, 1.0))
            below, above = scale.of(table.rows(rows), np.log(point[rows]))
            low[rows], high[rows] = band.low * below, band.high * above
        return point * np.exp(low * widen), point * np.exp(high * widen)

    def known_group(self, group: str) -> str:
        """Return the group, else the next wider one that was calibrated.

        Raises
        ------
        ModelError
            There is none.
        """
        for name in wider_groups(group):
            if name in self.bands:
                return name
        raise ModelError(
            "E-MODEL-INTERVAL",
            say("there is no interval for {group!r}", group=group),
            "",
            say("train again"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for the model store."""
        return {
            "coverage": self.coverage, "bands": {k: asdict(v) for k, v in self.bands.items()},
            "scales": {k: asdict(v) for k, v in self.scales.items()},
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> StationIntervals:
        """Rebuild from `to_dict`."""
        scales = {
            k: SideScale(v["below"], v["above"], v["power"], tuple(v["texts"]), tuple(v["names"]))
            for k, v in raw["scales"].items()
        }
        return cls(raw["coverage"], {k: Band(**v) for k, v in raw["bands"].items()}, scales)


def interval_group(
    mode: npt.NDArray[np.str_], count: FloatArray, filled: BoolArray, elsewhere: BoolArray | bool = False
) -> npt.NDArray[np.str_]:
    """Return the group of every row.

    Parameters
    ----------
    mode : numpy.ndarray of str, shape (rows,)
        Which second stage answers: ``around``, ``past`` or ``forecast``.
    count : numpy.ndarray, shape (rows,)
        Measured hours of the station that it may use; none: the group is ``prior``, or ``blind`` where the
        load is unknown as well.
    filled : numpy.ndarray of bool, shape (rows,)
        Whether the load was stood in for.
    elsewhere : numpy.ndarray of bool, shape (rows,)
        Whether the station was not in the training data.
    """
    base = np.where(count > 0, mode, np.where(mode == "forecast", "blind", "prior"))
    base = np.where(np.asarray(elsewhere) & (count > 0), np.strings.add(base, ELSEWHERE), base)
    classes = np.array(["", *(size_suffix(n) for n in SIZES[:-1]), ""])
    base = np.strings.add(base, classes[np.searchsorted(SIZES, count, side="right")])
    return np.where(filled, np.strings.add(base, " filled"), base)


def size_suffix(least: int) -> str:
    """Return the suffix of the groups of stations with at least so many measured hours, one of `SIZES`."""
    return f" n{least}"


def without_size(group: str) -> str:
    """Return the group without what it says of measured hours and of loads that were stood in for."""
    return " ".join(w for w in group.split() if w != "filled" and not _is_size(w))


def _is_size(word: str) -> bool:
    return any(word == size_suffix(n).strip() for n in SIZES)


def wider_groups(group: str) -> list[str]:
    """Return the group and those that stand in for it, nearest first; the last is ``prior``."""
    first = group.split(maxsplit=1)[0]
    place = ELSEWHERE if ELSEWHERE in group else ""
    few = next((f" {word}" for word in group.split() if _is_size(word)), "")
    names = [group, first + place + few, first + place]
    names += [first + other + size for other in ("", ELSEWHERE) for size in (few, "")]
    names.append("prior")
    return list(dict.fromkeys(names))


def scale_of(group: str) -> str:
    """Return the name of the scale of a group."""
    if group == NEW_PRODUCT:
        return group
    return group.split(maxsplit=1)[0] + (ELSEWHERE if ELSEWHERE in group else "")


def quantiles(residual: FloatArray, coverage: float, blocks: int) -> tuple[float, float]:
    """Return lower and upper quantile; the coverage is raised by the share of one of `blocks` stations."""
    level = (1 + min(coverage * (1 + 1 / blocks), 1.0)) / 2
    low, high = np.quantile(residual, [1 - level, level], method="inverted_cdf")
    return min(float(low), 0.0), max(float(high), 0.0)


def calibrate_hours(
    held: HeldOutHours, coverage: float, seed: int
) -> tuple[dict[str, Band], SideScale, dict[str, dict[str, float]]]:
    """Calibrate one mode: a scale, and a band per group with enough rows.

    The distances of a station's errors are learned from other folds of the stations, the final scale is
    the mean of those of all folds; what is measured of a band comes from the half of the stations that it
    was not calibrated on.

    Returns
    -------
    tuple
        Group -> band; scale; group -> figures on held-out stations.
    """
    first = half_of_stations(held.station, seed)
    scale, sizes = _scaled(held, coverage, seed)
    scaled = _in_units(held.residual, sizes)
    bands: dict[str, Band] = {}
    evidence: dict[str, dict[str, float]] = {}
    whole = without_size(str(held.group[0]))
    for name in sorted({whole, *(str(g) for g in np.unique(held.group))}):
        rows = held.group == name
        if name == whole and not _enough(rows, held.station, first):
            rows = np.ones(len(scaled), dtype=bool)  # better than nothing for the thinner groups
        if not _enough(rows, held.station, first):
            continue
        low, high = quantiles(scaled[rows], coverage, len(np.unique(held.station[rows])))
        nearer = MORE_IS_KNOWN.get(held.kind, 1.0)
        bands[name] = Band(low * nearer, high * nearer, int(rows.sum()))
        evidence[name] = _measured(held.rows(rows), (sizes[0][rows], sizes[1][rows]), first[rows], coverage)
    return bands, scale, evidence


def half_of_stations(station: npt.NDArray[np.str_], seed: int) -> BoolArray:
    """Return which rows belong to a random half of the stations, shape (rows,)."""
    names = np.unique(station)
    drawn = np.random.default_rng(seed).permutation(names)[: (len(names) + 1) // 2]
    return np.isin(station, drawn)


def _enough(rows: BoolArray, station: npt.NDArray[np.str_], first: BoolArray) -> bool:
    halves = min((rows & first).sum(), (rows & ~first).sum())
    return bool(halves >= MIN_GROUP / 2 and len(np.unique(station[rows])) >= 2)


def _in_units(residual: FloatArray, sizes: Sizes) -> FloatArray:
    return np.where(residual < 0, residual / sizes[0], residual / sizes[1])


def _scaled(held: HeldOutHours, coverage: float, seed: int) -> tuple[SideScale, Sizes]:
    """Return the scale, and the distances of every row by a scale that did not see its station."""
    log_point, residual = np.log(held.point), held.residual
    names, code = np.unique(held.station, return_inverse=True)
    if len(residual) < MIN_SCALED or len(names) < 2 * FOLDS:
        scale = SideScale.flat(residual, coverage)
        return scale, scale.of(held.table, log_point)
    below, above = np.ones(len(residual)), np.ones(len(residual))
    rng = np.random.default_rng(seed)
    known = not held.strangers
    # hours of a known station will be asked of a scale that knows the station, those of a stranger not
    fold = rng.integers(0, FOLDS, len(residual)) if known else rng.permutation(len(names))[code] % FOLDS
    learned: list[SideScale] = []
    for k in range(FOLDS):
        mine = fold == k
        learned.append(SideScale.learn(held.table.rows(~mine), log_point[~mine], residual[~mine], coverage))
        below[mine], above[mine] = learned[-1].of(held.table.rows(mine), log_point[mine])
    whole = SideScale.together(learned, residual, coverage)
    return followed(whole, (below, above), residual, coverage)


def _measured(held: HeldOutHours, sizes: Sizes, first: BoolArray, coverage: float) -> dict[str, float]:
    """Return figures of a band that was calibrated on one half of the stations and applied to the other."""
    lower, upper = swapped(held, sizes, first, coverage)
    low, high = coverage_interval(held.truth, lower, upper, held.station, draws=300)
    return {
        "coverage": float(((held.truth >= lower) & (held.truth <= upper)).mean()),
        "coverage_low": low,
        "coverage_high": high,
        "width_pct": float(100 * (upper - lower).mean() / held.truth.mean()),
        "wmape": float(100 * np.abs(held.truth - held.point).sum() / held.truth.sum()),
        "rows": float(len(held.truth)),
        "stations": float(len(np.unique(held.station))),
    }


def swapped(
    held: HeldOutHours, sizes: Sizes, first: BoolArray, coverage: float
) -> tuple[FloatArray, FloatArray]:
    """Return bounds calibrated on one half of the stations and applied to the other, both ways round."""
    lower, upper = np.empty(len(first)), np.empty(len(first))
    scaled = _in_units(held.residual, sizes)
    for half in (first, ~first):
        stations = len(np.unique(held.station[~half]))
        low, high = quantiles(scaled[~half], coverage, max(stations, 1))
        lower[half] = held.point[half] * np.exp(low * sizes[0][half])
        upper[half] = held.point[half] * np.exp(high * sizes[1][half])
    return lower, upper


def swapped_bounds(held: HeldOutHours, coverage: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return bounds for any model's answers from the same conformal layer, shape (rows,).

    The layer is learned on other scored stations than the row's: baselines get
    intervals that know the very hours they are scored on, which flatters them.
    """
    first = half_of_stations(held.station, seed)
    if first.all() or not first.any():
        nothing = np.full(len(held.truth), np.nan)
        return nothing, nothing
    _, sizes = _scaled(held, coverage, seed)
    return swapped(held, sizes, first, coverage)


def product_band(residual: FloatArray, product: npt.NDArray[Any], coverage: float) -> Band | None:
    """Return the band of a product never measured; None with fewer than two products left out.

    Parameters
    ----------
    residual : numpy.ndarray, shape (rows,)
        Logarithm of measured over predicted energy by models that did not see the row's product.
    product : numpy.ndarray, shape (rows,)
    coverage : float
    """
    names, code, rows = np.unique(product, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return None
    order = np.argsort(residual)
    share = np.cumsum((1.0 / rows[code])[order]) / len(names)  # every product counts once
    level = (1 + coverage) / 2
    low, high = residual[order][np.minimum(np.searchsorted(share, [1 - level, level]), len(order) - 1)]
    # the next product is one draw more, around a mean that few products tell
    stretch = float(np.sqrt(1 + 1 / len(names)))
    return Band(min(float(low), 0.0) * stretch, max(float(high), 0.0) * stretch, len(residual))


def need_prior(bands: dict[str, Band]) -> None:
    """Refuse intervals that lack the group which all others fall back to.

    Raises
    ------
    InsufficientDataError
    """
    if "prior" not in bands:
        raise InsufficientDataError(
            "E-STATION-CALIBRATION",
            say("too few measured stations to calibrate an interval"),
            "",
            say("give at least {min_group} measured hours of at least 2 stations", min_group=MIN_GROUP),
        )
