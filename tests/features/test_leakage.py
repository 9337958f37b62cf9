"""No input of a model may know what it should predict.

Every public function that turns telemetry into model inputs is listed in `COVERED` (with its test) or in
`EXEMPT` (with the reason); a new one fails the first test until somebody says which it is. The law is the
same everywhere: change what a row may not know, and its inputs must not move by a bit.

- estimate: the target at no time, and nothing after the row;
- forecast: nothing younger than a day before the row;
- base stations: the energy of the row itself never; without measured hours after it, nothing after it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import base_station, data_centre
from features.data_centre import QUANTITIES, recipe_for
from features.frame import FeatureFrame, FloatArray
from features.operation import Operation, operation_of
from features.schema import KEY_COLUMNS, SCHEMA
from features.telemetry import Telemetry, TimeZone
from models import metrics
from models.base_station import BaseStationBundle
from models.baselines import Linear
from models.data_centre import DataCentreBundle
from models.day_ahead import DayGrid, day_ahead
from models.load_gap import LoadGap
from models.seasonal import seasonal_forecast
from models.station_config import measured, trend_frame
from models.station_fingerprint import StationHours, fingerprint
from models.station_power import KnownHours, correction_frame, merge_history, signatures, station_hours
from tests.base_station_fleet import fleet
from training.fit import fit_bundle

ROOT = Path(__file__).parents[2]
INPUTS = frozenset(
    ("FeatureFrame", "Operation", "StationHours", "KnownHours", "Seen", "SeasonalForecast", "DayAhead")
)
"""Types that models learn from or answer with: a function that returns one is a builder of inputs."""
COVERED = {
    "features.data_centre.build": "test_estimate_never_sees_its_target",
    "features.base_station.build": "test_station_features_know_neither_energy_nor_future",
    "features.base_station.with_expected_work": "test_expected_work_is_known_a_day_before",
    "features.operation.operation_of": "test_operation_is_what_was_measured_in_its_own_hour",
    "models.station_config.trend_frame": "test_station_features_know_neither_energy_nor_future",
    "models.station_power.correction_frame": "test_a_fingerprint_never_counts_its_own_hour",
    "models.station_power.station_hours": "test_a_fingerprint_never_counts_its_own_hour",
    "models.station_power.merge_history": "test_merged_history_is_that_of_the_station",
    "models.station_power.StationModel.look_at": "test_predictions_of_stations_do_not_know_the_future",
    "models.station_power.StationModel.with_energies": "test_other_energies_do_not_answer_for_their_own_hour",
    "models.base_station.BaseStationBundle.features": "test_predictions_of_stations_do_not_know_the_future",
    "models.load_gap.LoadGap.reduced": "test_the_model_without_load_sees_no_load",
    "models.day_ahead.day_ahead": "test_a_day_ahead_knows_earlier_days_only",
    "models.seasonal.seasonal_forecast": "test_seasonal_forecast_of_a_day_knows_earlier_days_only",
}
EXEMPT = {
    "features.base_station.recode": "renumbers the labels of a frame that was built",
    "features.frame.FeatureFrame.measured": "selects rows",
    "features.frame.FeatureFrame.rows": "selects rows",
    "features.operation.Operation.between": "selects rows",
    "features.operation.Operation.only_levers": "selects columns",
    "features.operation.Operation.rows": "selects rows",
    "features.operation.Operation.with_levers": "replaces levers by given ones",
    "models.day_ahead.DayAhead.known": "is told to be known in advance",
    "models.conditional_mean.ConditionalMean.filled": "fills gaps of inputs from the other inputs of the row",
    "models.station_fingerprint.StationHours.rows": "selects rows",
    "models.station_power.KnownHours.from_text": "reads back what was stored",
}
CUTS = (0.45, 0.6, 0.77, 0.93)
"""Moments of the change, as shares of the span."""


# -- nobody is forgotten -----------------------------------------------------------------------------
def test_every_builder_is_covered_or_exempt_with_a_reason() -> None:
    found = builders()
    listed = set(COVERED) | set(EXEMPT)
    assert found - listed == set(), "say in COVERED how these are tested, or in EXEMPT why they need not be"
    assert listed - found == set(), "these do not exist any more"
    assert not set(COVERED) & set(EXEMPT)
    assert set(COVERED.values()) <= set(globals())


def builders() -> set[str]:
    """Return every public function of features and models that returns inputs."""
    found = set()
    for package in ("features", "models"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found |= {f"{module}.{name}" for name in _public(ast.parse(path.read_text("utf-8")).body)}
    return found


def _public(body: list[ast.stmt]) -> set[str]:
    names = set()
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            names |= {f"{node.name}.{name}" for name in _public(node.body)}
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.returns:
            returned = {n.id for n in ast.walk(node.returns) if isinstance(n, ast.Name)}
            if returned & INPUTS and node.name != "of":
                names.add(node.name)
    return names


def test_the_scan_finds_a_new_builder() -> None:
    code = "class A:\n def b(self) -> tuple[FeatureFrame, int]: ...\n def _c(self) -> FeatureFrame: ...\n"
    assert _public(ast.parse(code + "def d() -> Operation | None: ...\ndef e() -> int: ...").body) == {
        "A.b", "d",
    }  # fmt: skip


# -- data centres ------------------------------------------------------------------------------------
@cache
def centre() -> Telemetry:
    """Every column of a data centre, each drawn by itself: whatever goes together leaks."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2026-02-01", periods=24 * 45, freq="h", tz="UTC", unit="us")
    frame = pd.DataFrame({"site_id": "a", "unit_id": "", "timestamp": hours})
    names = [n for n, c in SCHEMA.items() if c.kind != "base-station" and not c.text and n != "pue"]
    frame = frame.assign(**{n: drawn(rng, n, len(hours)) for n in names})
    chillers = [
        pd.DataFrame(
            {"site_id": "a", "unit_id": unit, "timestamp": hours,
             "thermal_load_kw": drawn(rng, "thermal_load_kw", len(hours))}
        )
        for unit in ("ch1", "ch2")
    ]  # fmt: skip
    whole = pd.concat([frame, *chillers]).sort_values(list(KEY_COLUMNS), ignore_index=True)
    return Telemetry(whole, pd.Timedelta(hours=1), "data-centre", TimeZone("+08:00", assumed=False))


def drawn(rng: np.random.Generator, name: str, rows: int) -> FloatArray:
    """Return plausible values of a column with some gaps."""
    low, high = max(SCHEMA[name].lower, -60.0), min(SCHEMA[name].upper, 1000.0)
    values = rng.uniform(low + 0.2 * (high - low), low + 0.8 * (high - low), rows)
    return np.where(rng.random(rows) < 0.03, np.nan, values)


def other_values(telemetry: Telemetry, columns: list[str], since: pd.Timestamp) -> Telemetry:
    """Return the telemetry with `columns` drawn anew from `since` on, gaps elsewhere."""
    rng = np.random.default_rng(1)
    frame = telemetry.frame.copy()
    late = (frame["timestamp"] >= since).to_numpy()
    for name in columns:
        there = late & frame[name].notna().to_numpy()
        new = drawn(rng, name, len(frame))
        frame.loc[there, name] = np.where(rng.random(len(frame)) < 0.2, np.nan, new)[there]
    return replace(telemetry, frame=frame)


def moment(telemetry: Telemetry, share: float) -> pd.Timestamp:
    start, end = telemetry.span
    return (start + share * (end - start)).floor("h")


def same_inputs(first: FeatureFrame, second: FeatureFrame, rows: np.ndarray) -> None:
    assert first.names == second.names
    assert rows.any()
    pd.testing.assert_frame_equal(first.keys, second.keys)
    pd.testing.assert_frame_equal(first.X[rows], second.X[rows], check_exact=True)


METERS = [
    n for n, c in SCHEMA.items()
    if c.kind == "data-centre" and n != "pv_power_kw"
    and (n.endswith("power_kw") or n in ("ups_loss_kw", "water_m3"))
]  # fmt: skip
"""Everything that is a part of, or a sum with, a power that is predicted."""


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_estimate_never_sees_its_target(quantity: str) -> None:
    """Nor any other power meter than the load that an estimate may know."""
    data = centre()
    recipe = recipe_for(data, quantity, "estimate")
    known = {"it_power_kw"} - {quantity}
    hidden = [n for n in METERS if n in data.frame and n not in known]
    assert quantity in hidden or quantity == "pue"
    changed = other_values(data, hidden, data.span[0])
    first, second = data_centre.build(data, recipe), data_centre.build(changed, recipe)
    assert not np.array_equal(first.target(), second.target(), equal_nan=True)
    same_inputs(first, second, np.ones(len(first), dtype=bool))


@pytest.mark.parametrize("share", CUTS)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_estimate_knows_nothing_after_its_row(quantity: str, share: float) -> None:
    data = centre()
    cut = moment(data, share)
    changed = other_values(data, data.value_columns, cut)
    recipe = recipe_for(data, quantity, "estimate")
    first, second = data_centre.build(data, recipe), data_centre.build(changed, recipe)
    before = (first.keys["timestamp"] < cut).to_numpy()
    same_inputs(first, second, before)
    assert not first.X[~before].equals(second.X[~before])  # so the change could have been seen


@pytest.mark.parametrize("share", CUTS)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_forecast_knows_nothing_younger_than_a_day(quantity: str, share: float) -> None:
    data = centre()
    cut = moment(data, share)
    changed = other_values(data, data.value_columns, cut)
    recipe = recipe_for(data, quantity, "forecast")
    first, second = data_centre.build(data, recipe), data_centre.build(changed, recipe)
    before = (first.keys["timestamp"] < cut + data_centre.HORIZON).to_numpy()
    same_inputs(first, second, before)
    assert not first.X[~before].equals(second.X[~before])


@pytest.mark.parametrize("task", data_centre.TASKS)
@pytest.mark.parametrize("share", CUTS[1:])
def test_a_row_looks_the_same_once_its_future_has_come(
    task: data_centre.ForecastOrEstimate, share: float
) -> None:
    """Features as they were computed at the time equal those computed with the whole export."""
    data = centre()
    cut = moment(data, share)
    recipe = recipe_for(data, "facility_power_kw", task)
    then, now = data_centre.build(data.as_of(cut), recipe), data_centre.build(data, recipe)
    upto = now.rows((now.keys["timestamp"] <= then.keys["timestamp"].max()).to_numpy())
    pd.testing.assert_frame_equal(then.keys, upto.keys)
    pd.testing.assert_frame_equal(then.X, upto.X, check_exact=True)


@pytest.mark.parametrize("task", data_centre.TASKS)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_no_feature_goes_with_the_target_of_independent_columns(
    quantity: str, task: data_centre.ForecastOrEstimate
) -> None:
    frame = data_centre.build(centre(), recipe_for(centre(), quantity, task)).measured()
    related = frame.X.corrwith(pd.Series(frame.target()), method="spearman").abs()
    # PUE is a quotient: its divisor, a load that is known, goes with it, but never perfectly
    limit = 0.95 if quantity == "pue" else 0.2
    assert related.max() < limit, related.nlargest(3)
    past = frame.baselines
    assert past is not None
    assert past.corrwith(pd.Series(frame.target())).abs().max() < 0.2


@pytest.mark.parametrize("share", CUTS)
def test_baselines_know_earlier_steps_only(share: float) -> None:
    data = centre()
    cut = moment(data, share)
    recipe = recipe_for(data, "facility_power_kw", "estimate")
    changed = other_values(data, ["facility_power_kw"], cut)
    first, second = (data_centre.build(one, recipe) for one in (data, changed))
    assert first.baselines is not None
    assert second.baselines is not None
    for column, back in (("last", 1), ("same_hour_yesterday", 24), ("same_hour_last_week", 168)):
        known = (first.keys["timestamp"] < cut + back * data.interval).to_numpy()
        assert first.baselines[column][known].equals(second.baselines[column][known])


def test_the_model_without_load_sees_no_load() -> None:
    data = centre()
    recipe = recipe_for(data, "facility_power_kw", "estimate")
    loads = [n for n in (*data_centre.LOADS, *data_centre.PLANT) if n in data.frame]
    changed = other_values(data, loads, data.span[0])
    gap = LoadGap(Linear(), ("it_power_kw",))
    first, second = (gap.reduced(data_centre.build(one, recipe)) for one in (data, changed))
    same_inputs(first, second, np.ones(len(first), dtype=bool))


@pytest.mark.parametrize("share", CUTS)
def test_operation_is_what_was_measured_in_its_own_hour(share: float) -> None:
    """No field of an hour moves with another hour, and no lever or weather with a meter of any hour."""
    data = centre()
    cut = moment(data, share)
    first = operation_of(data, "a")
    second = operation_of(other_values(data, data.value_columns, cut), "a")
    early = np.asarray(first.stamps < cut)
    for name, values in fields(first).items():
        np.testing.assert_array_equal(values[early], fields(second)[name][early], err_msg=name)
    third = fields(operation_of(other_values(data, METERS, data.span[0]), "a"))
    outcomes = ("it_kw", "facility_kw", "cooling_kw")
    for name, values in fields(first).items():
        same = np.array_equal(values, third[name], equal_nan=True)
        assert same is (name not in outcomes), name


def fields(operation: Operation) -> dict[str, FloatArray]:
    whole = {n: v for n, v in vars(operation).items() if isinstance(v, np.ndarray)}
    return whole | operation.levers


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(8, 39))
def test_seasonal_forecast_of_a_day_knows_earlier_days_only(seed: int, day: int) -> None:
    rng = np.random.default_rng(seed)
    series = rng.uniform(1, 100, 24 * 40)
    changed = np.where(np.arange(len(series)) >= 24 * day, rng.uniform(1, 100, len(series)), series)
    first, second = (seasonal_forecast(s, 24, recent_days=40) for s in (series, changed))
    for part in ("point", "lower", "upper"):
        upto = slice(0, 24 * (day + 1))  # the day of the change itself was predicted before it came
        np.testing.assert_array_equal(getattr(first.recent, part)[upto], getattr(second.recent, part)[upto])
    ahead = seasonal_forecast(series[: 24 * day], 24, recent_days=1).ahead if day >= 14 else None
    if ahead is not None and day < 40:
        np.testing.assert_array_equal(ahead.point, first.recent.point[24 * day : 24 * (day + 1)])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(9, 39))
def test_a_day_ahead_knows_earlier_days_only(seed: int, day: int) -> None:
    rng = np.random.default_rng(seed)
    series, driver = rng.uniform(0, 100, (2, 24 * 40))
    late = np.arange(len(series)) >= 24 * day
    grid = DayGrid.of(np.repeat(np.arange(40), 24), 1.0)
    first = day_ahead(series, (series, driver), grid)
    other = [np.where(late, rng.uniform(0, 200, len(series)), s) for s in (series, driver)]
    second = day_ahead(other[0], other, grid)
    for part in ("point", "persistence", "last_week", "lower", "upper"):
        upto = slice(0, day + 1)  # the day of the change itself was predicted before it came
        np.testing.assert_array_equal(getattr(first, part)[upto], getattr(second, part)[upto])
    if day < 39:
        assert not np.array_equal(first.point[day + 1 :], second.point[day + 1 :])


# -- base stations -----------------------------------------------------------------------------------
ENERGY = "station_energy_rel"


@cache
def stations() -> Telemetry:
    return fleet(stations=9, days=6, noise=0.05)


def other_hours(telemetry: Telemetry, since: pd.Timestamp, columns: tuple[str, ...]) -> Telemetry:
    """Return the fleet with `columns` drawn anew from `since` on."""
    rng = np.random.default_rng(3)
    frame = telemetry.frame.copy()
    late = (frame["timestamp"] >= since).to_numpy()
    for name in columns:
        there = late & frame[name].notna().to_numpy()
        frame.loc[there, name] = rng.uniform(0.0, 1.0, len(frame))[there] * (40 if name == ENERGY else 1)
    return replace(telemetry, frame=frame)


WORK = ("prb_utilisation", "sleep_mode_1", "sleep_mode_2")


@pytest.mark.parametrize("offset", [-1, 0, 1, 2])
@pytest.mark.parametrize("share", CUTS)
def test_station_features_know_neither_energy_nor_future(share: float, offset: int) -> None:
    data = stations()
    build: Callable[[Telemetry], FeatureFrame] = lambda one: base_station.build(one, ENERGY, offset)  # noqa: E731
    first = build(data)
    everywhere = np.ones(len(first), dtype=bool)
    other = build(other_hours(data, data.span[0], (ENERGY,)))
    same_inputs(first, other, everywhere)
    same_inputs(trend_frame(first), trend_frame(other), everywhere)
    cut = moment(data, share)
    later = build(other_hours(data, cut, (ENERGY, *WORK)))
    # a load whose clock runs ahead carries a later stamp: at most `offset` intervals later
    before = (first.keys["timestamp"] < cut - max(offset, 0) * data.interval).to_numpy()
    same_inputs(first, later, before)
    same_inputs(trend_frame(first), trend_frame(later), before)
    assert not first.X[~before].equals(later.X[~before])


@pytest.mark.parametrize("share", CUTS)
def test_expected_work_is_known_a_day_before(share: float) -> None:
    """Work of the same hour yesterday, or the mean of earlier hours: of this hour and later ones nothing."""
    data = stations()
    cut = moment(data, share)
    first, second = (
        base_station.with_expected_work(base_station.build(one, ENERGY))
        for one in (data, other_hours(data, cut, (ENERGY, *WORK)))
    )
    rows = (first.keys["timestamp"] <= cut).to_numpy()
    names = [*base_station.WORK, base_station.FILLED]
    pd.testing.assert_frame_equal(first.X.loc[rows, names], second.X.loc[rows, names], check_exact=True)


@pytest.mark.parametrize("mode", ["around", "past", "forecast"])
@pytest.mark.parametrize("share", CUTS)
def test_a_fingerprint_never_counts_its_own_hour(share: float, mode: str) -> None:
    frame = base_station.build(stations(), ENERGY)
    rng = np.random.default_rng(5)
    residual = rng.standard_normal(len(frame))
    names = sorted(frame.keys["site_id"].unique())
    usable = measured(frame)
    cut = moment(stations(), share)
    stamps = frame.keys["timestamp"]

    def told(values: FloatArray) -> pd.DataFrame:
        hours = station_hours(frame, names, values).rows(usable)
        history = KnownHours(names, hours, signatures(frame))
        return correction_frame(frame, np.zeros(len(frame)), history, mode).X  # type: ignore[arg-type]

    first = told(residual)
    own = (stamps == cut).to_numpy()
    assert (own & usable).any()
    changed = told(np.where(own, 9.0, residual))
    pd.testing.assert_frame_equal(first[own], changed[own], check_exact=True)
    assert not first[~own].equals(changed[~own])
    if mode != "around":
        later = told(np.where((stamps >= cut).to_numpy(), rng.standard_normal(len(frame)), residual))
        upto = (stamps <= cut).to_numpy()
        pd.testing.assert_frame_equal(first[upto], later[upto], check_exact=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.booleans(), st.sampled_from([0, 60, 600]))
def test_a_fingerprint_of_any_history_leaves_the_hidden_hours_out(
    seed: int, past_only: bool, hidden: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = 60
    minute = np.sort(rng.choice(400, rows, replace=False)).astype(np.int64) * 60
    station = np.sort(rng.integers(0, 3, rows)).astype(np.int64)
    order = np.lexsort((minute, station))
    hours = StationHours(station[order], minute[order], rng.random(rows), rng.standard_normal(rows))
    one = int(rng.integers(rows))
    query = hours.rows(np.array([one]))
    same = hours.station == hours.station[one]
    gap = np.abs(hours.minute - hours.minute[one])
    secret = same & ((gap < hidden) | (gap == 0))
    if past_only:
        secret |= same & (hours.minute >= hours.minute[one])
    secret |= ~same
    other = replace(
        hours,
        residual=np.where(secret, rng.standard_normal(rows), hours.residual),
        load=np.where(secret & (np.arange(rows) != one), rng.random(rows), hours.load),
    )
    first, second = (fingerprint(query, h, past_only=past_only, hidden=hidden) for h in (hours, other))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_merged_history_is_that_of_the_station() -> None:
    """Stored hours come in at the station of the same name and configuration only; present ones win."""
    frame = base_station.build(stations(), ENERGY)
    names = sorted(frame.keys["site_id"].unique())
    usable = measured(frame)
    whole = station_hours(frame, names, np.arange(len(frame), dtype=np.float64)).rows(usable)
    now = signatures(frame)
    late = whole.minute >= np.median(whole.minute)
    present = KnownHours(names, whole.rows(late), now)
    stored = KnownHours(names, replace(whole, residual=-whole.residual), now | {names[0]: "another"})
    merged = merge_history(stored, present).hours
    assert (np.diff(merged.key) > 0).all()
    own = np.isin(merged.key, present.hours.key)
    assert (merged.residual[own] >= 0).all()
    assert (merged.residual[~own] <= 0).all()
    assert own[merged.station == 0].all()
    assert len(merged) == late.sum() + (~late & (whole.station != 0)).sum()


# -- from end to end ---------------------------------------------------------------------------------
@pytest.mark.parametrize("share", CUTS[1:3])
def test_predictions_of_stations_do_not_know_the_future(
    small_fleet_bundle: BaseStationBundle, share: float
) -> None:
    """A forecast moves with nothing of its own hour or later; an estimate not with its own energy."""
    data = fleet(stations=12, days=8, seed=4)
    start = data.span[0] + pd.Timedelta(days=6)  # after the hours that the model keeps
    data = data.between(start - pd.Timedelta(days=1), data.span[1])
    cut = moment(data, share)
    changed = other_hours(data, cut, (ENERGY, *WORK))
    first, second = (small_fleet_bundle.predict(one, "forecast")[0][0].to_frame() for one in (data, changed))
    upto = (first["timestamp"] <= cut).to_numpy()
    pd.testing.assert_frame_equal(first[upto], second[upto], check_exact=True)
    frame = data.frame.copy()
    own = (frame["timestamp"] == cut) & frame[ENERGY].notna()
    assert own.any()
    frame.loc[own, ENERGY] *= 3
    first, second = (
        small_fleet_bundle.predict(one, "estimate")[0][0].to_frame()
        for one in (data, replace(data, frame=frame))
    )
    here = (first["timestamp"] == cut).to_numpy()
    pd.testing.assert_frame_equal(first[here], second[here], check_exact=True)
    assert not first[~here]["point"].equals(second[~here]["point"])  # its neighbours may use it


def test_other_energies_do_not_answer_for_their_own_hour(small_fleet_bundle: BaseStationBundle) -> None:
    model = small_fleet_bundle.models[ENERGY]
    data = fleet(stations=12, days=3, seed=4)
    seen = model.look_at(base_station.build(data, ENERGY))
    own = (seen.frame.keys["timestamp"] == moment(data, 0.6)).to_numpy()
    energy = np.where(own, 3 * seen.frame.target(), seen.frame.target())
    first, second = (model.answer(one).point for one in (seen, model.with_energies(seen, energy)))
    np.testing.assert_array_equal(first[own], second[own])
    assert not np.array_equal(first[~own], second[~own])


@pytest.fixture(scope="module")
def centre_bundle() -> tuple[DataCentreBundle, Telemetry]:
    data = made_centre()
    bundle = fit_bundle(data, target="facility_power_kw")
    assert isinstance(bundle, DataCentreBundle)
    return bundle, data


def made_centre() -> Telemetry:
    """Six weeks of a small centre whose power follows its load, weather and set-point."""
    rng = np.random.default_rng(6)
    hours = pd.date_range("2026-02-01", periods=24 * 42, freq="h", tz="UTC", unit="us")
    day = 2 * np.pi * np.arange(len(hours)) / 24
    it = 300 + 60 * np.sin(day) + 10 * rng.standard_normal(len(hours))
    outdoor = 12 + 8 * np.sin(day - 1) + rng.standard_normal(len(hours)).cumsum() * 0.2
    set_point = np.repeat(rng.choice([22.0, 24.0, 26.0], len(hours) // 12), 12)
    cooling = 0.2 * it + 2.0 * outdoor - 3 * (set_point - 24) + rng.standard_normal(len(hours))
    frame = pd.DataFrame(
        {
            "site_id": "a", "unit_id": "", "timestamp": hours, "it_power_kw": it,
            "facility_power_kw": it + cooling + 20, "cooling_power_kw": cooling,
            "outdoor_dry_bulb_c": outdoor, "zone_set_point_c": set_point,
        }
    )  # fmt: skip
    return Telemetry(frame, pd.Timedelta(hours=1), "data-centre", TimeZone("UTC", assumed=False))


@pytest.mark.parametrize("share", CUTS[1:3])
def test_predictions_of_a_centre_do_not_know_the_future(
    centre_bundle: tuple[DataCentreBundle, Telemetry], share: float
) -> None:
    bundle, data = centre_bundle
    cut = moment(data, share)
    forecast, later = (
        bundle.predict(one, "forecast")[0][0].to_frame()
        for one in (data, other_values(data, data.value_columns, cut))
    )
    upto = (forecast["timestamp"] < cut + data_centre.HORIZON).to_numpy()
    pd.testing.assert_frame_equal(forecast[upto], later[upto], check_exact=True)
    estimate, later = (
        bundle.predict(one, "estimate")[0][0].to_frame()
        for one in (data, other_values(data, data.value_columns, cut))
    )
    upto = (estimate["timestamp"] < cut).to_numpy()
    pd.testing.assert_series_equal(estimate["point"][upto], later["point"][upto], check_exact=True)


def test_points_of_estimates_never_move_with_their_target(
    centre_bundle: tuple[DataCentreBundle, Telemetry],
) -> None:
    bundle, data = centre_bundle
    blind = replace(data, frame=data.frame.assign(facility_power_kw=np.nan, cooling_power_kw=np.nan))
    first, second = (bundle.predict(one, "estimate")[0][0].point for one in (data, blind))
    np.testing.assert_array_equal(first, second)
    assert metrics.wmape(data.frame["facility_power_kw"].to_numpy(), first) > 0.01  # and is not the target


# -- the tests can fail ------------------------------------------------------------------------------
def test_a_builder_that_looks_ahead_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = data_centre._trailing_mean

    def ahead(series: pd.Series, index: pd.Index, hours: int = 24) -> FloatArray:
        return original(series.shift(-1), index, hours)

    monkeypatch.setattr(data_centre, "_trailing_mean", ahead)
    with pytest.raises(AssertionError):
        test_estimate_knows_nothing_after_its_row("facility_power_kw", 0.6)


def test_a_recipe_with_another_meter_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_centre, "PLANT", (*data_centre.PLANT, "chiller_power_kw"))
    with pytest.raises(AssertionError):
        test_estimate_never_sees_its_target("facility_power_kw")
