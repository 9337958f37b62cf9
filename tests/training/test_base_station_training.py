from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.base_station import build
from features.errors import InsufficientDataError, UsageError
from features.station_clock import find_clock_offset
from models import metrics
from models.gbm import GbmParameters
from models.station_config import measured
from models.station_power import CORRECTION
from tests.base_station_fleet import fleet, telemetry, with_energy
from training.base_station import backtest, fit, targets
from training.result import BACKTEST_COLUMNS, Backtest, provenance
from training.station_backtest import backtest_quantity
from training.station_curve import FIRST
from training.station_products import product_hits
from training.station_rows import OURS, StationLinear, table_of
from training.station_stage import first_hours, first_stage, fit_correction, hold_out, taught_labels, thin

Q = "station_energy_rel"
SMALL = GbmParameters(rounds=60, objective="regression_l1")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "itu5g"


@pytest.fixture(scope="module")
def result() -> Backtest:
    data = fleet(stations=30, days=4)
    clock = find_clock_offset(data, Q)
    rows, domain, notes = backtest_quantity(
        build(data, Q), clock, 0, lambda _what, _share: None, (SMALL, SMALL.with_(num_leaves=15))
    )
    return Backtest(table_of(rows), tuple(notes), provenance(data, 0), pd.DataFrame(domain))


def error(result: Backtest, problem: str, model: str, split: str | None = None) -> float:
    rows = result.table[(result.table["problem"] == problem) & (result.table["model"] == model)]
    if split is not None:
        rows = rows[rows["split"] == split]
    return float(rows["wmape"].iloc[0])


def test_every_problem_is_scored_beside_its_baselines(result: Backtest) -> None:
    assert tuple(result.table.columns) == BACKTEST_COLUMNS
    models = result.table.groupby("problem")["model"].agg(set)
    known = {
        OURS,
        "site mean",
        "persistence",
        "same hour yesterday",
        "linear per station",
        "linear",
        "LightGBM",
    }
    assert models["gap filling"] == known
    assert models["nowcast"] == known
    assert models["new station"] == {OURS, "site mean", "linear per station", "linear", "LightGBM"}
    assert models["new product"] == {OURS, "site mean", "linear", "LightGBM"}
    assert models["new product, 24 h at 5 stations"] == {OURS, "site mean", "linear", "LightGBM"}
    assert models["day ahead"] == {OURS, "site mean", "persistence", "same hour yesterday"}
    assert (result.table.groupby("problem")["n"].min() > 0).all()


@pytest.mark.parametrize("problem", ["gap filling", "nowcast"])
def test_ours_beats_mean_and_plain_models_where_the_station_is_known(result: Backtest, problem: str) -> None:
    ours = error(result, problem, OURS)
    for other in ("site mean", "LightGBM", "linear", "persistence"):
        assert ours < error(result, problem, other), other
    assert ours < 3.0  # the law's own noise is 1 %


def test_intervals_cover_what_they_promise(result: Backtest) -> None:
    ours = result.table[result.table["ours"]]
    for problem in ("gap filling", "nowcast", "day ahead"):
        row = ours[ours["problem"] == problem].iloc[0]
        assert 0.8 <= row["coverage"] <= 1.0, problem
        assert row["coverage_low"] <= row["coverage"] <= row["coverage_high"]
        assert row["width"] > 0
    everyone = result.table[result.table["problem"] == "gap filling"]
    assert everyone["coverage"].notna().all()  # baselines have intervals of the same layer
    best = everyone.loc[~everyone["ours"], "interval_score"].min()
    assert everyone.loc[everyone["ours"], "interval_score"].iloc[0] < best


def test_each_measured_hour_makes_a_new_station_better_known(result: Backtest) -> None:
    ours = result.table[(result.table["problem"] == "new station") & result.table["ours"]]
    curve = ours.set_index("split")["wmape"]
    names = [f"{k} measured hour" + ("" if k == 1 else "s") for k in FIRST]
    assert set(names) < set(curve.index)
    assert curve["24 measured hours"] < 0.75 * curve["0 measured hours"]
    assert curve["1 measured hour"] < curve["0 measured hours"]


def test_left_out_products_are_told_and_held_out_hours_are_not(result: Backtest) -> None:
    assert result.domain is not None
    rates = result.domain.set_index("problem")["rate"]
    assert rates["new product"] == 1.0
    assert rates["known station"] <= 0.02


def test_a_product_with_loads_but_no_energies_is_not_known() -> None:
    data = fleet(stations=9, days=3)
    silent = data.frame["site_id"].isin(["S02", "S05", "S08"])
    frame = build(with_energy(data, silent, np.nan), Q)
    assert frame.categories is not None
    assert frame.categories["ru_type"] == ["P", "Q", "R"]
    coded = taught_labels(frame)
    assert coded.categories == {"ru_type": ["P", "Q"], "radio_mode": ["M"]}
    unknown = coded.X["ru_type"].isna().to_numpy()
    assert set(coded.keys["site_id"][unknown]) == {"S02", "S05", "S08"}


def test_hits_are_counted_over_products_left_out_in_turn() -> None:
    frame = build(fleet(stations=9, days=2), Q)
    assert product_hits(frame) == (int(measured(frame).sum()),) * 2


def test_first_hours_are_the_first() -> None:
    stage = first_stage(build(fleet(stations=6, days=5), Q))
    begin = first_hours(stage, stage.usable, np.random.default_rng(0))
    site, stamp = stage.frame.keys["site_id"], stage.frame.keys["timestamp"]
    counts = site[begin].value_counts()
    assert len(counts) == 6
    assert counts.max() <= 60
    for name in counts.index:
        mine = (site == name).to_numpy() & stage.usable
        assert stamp[mine & begin].max() < stamp[mine & ~begin].min()


def test_station_lines_by_hand() -> None:
    frame = build(fleet(stations=3, days=4, noise=0.0, measured=1.0), Q)
    awake = frame.rows((frame.X["sleep_total"] == 0).to_numpy())
    fitted = StationLinear().fit(awake)
    # the law is a line per station; a few hours' worth of the fleet's slope is mixed in
    assert metrics.wmape(awake.target(), fitted.predict(awake)) < 1.0


def test_held_out_hours_do_not_overlap_and_stay_measured() -> None:
    frame = build(fleet(stations=6, days=5), Q)
    usable = measured(frame)
    scattered, tail = hold_out(frame, usable, np.random.default_rng(0))
    assert not (scattered & tail).any()
    assert usable[scattered | tail].all()
    stamps = frame.keys["timestamp"]
    for site in frame.keys["site_id"].unique():
        mine = (frame.keys["site_id"] == site).to_numpy()
        assert stamps[tail & mine].min() > stamps[usable & mine & ~tail].max()


def test_thinning_leaves_every_station_something() -> None:
    stage = first_stage(build(fleet(stations=6, days=5), Q))
    kept = thin(stage, stage.usable, np.random.default_rng(0), 7)
    counts = stage.frame.keys["site_id"][kept].value_counts()
    assert len(counts) == 6
    assert counts.max() <= 7
    assert not (kept & ~stage.usable).any()


def test_targets_are_checked() -> None:
    data = fleet(stations=2, days=1)
    assert targets(data, None) == [Q]
    with pytest.raises(UsageError) as wrong:
        targets(data, "it_power_kw")
    assert wrong.value.code == "E-TARGET"
    with pytest.raises(InsufficientDataError) as absent:
        targets(data, "station_power_w")
    assert absent.value.code == "E-STATION-ENERGY"
    with pytest.raises(InsufficientDataError):
        fit(telemetry(data.frame.assign(**{Q: np.nan})))


def test_too_little_data_cannot_be_backtested() -> None:
    with pytest.raises(InsufficientDataError) as caught:
        backtest(fleet(stations=3, days=2))
    assert caught.value.code == "E-BACKTEST-ROWS"


def test_the_card_tells_coverage_errors_and_clock() -> None:
    calls: list[tuple[str, float]] = []
    data = fleet(stations=9, days=5, load_clock_ahead=1)
    bundle = fit(data, progress=lambda what, share: calls.append((what, share)))
    entry = bundle.card.quantities[Q]
    assert entry["load_clock_offset_intervals"] == 1
    assert entry["nominal_coverage"] == 0.9
    assert set(entry["measured_coverage"]) >= {"around", "past", "prior"}  # type: ignore[call-overload]
    assert bundle.card.model_id.startswith("base-station-")
    assert bundle.card.sites == tuple(f"S{i:02d}" for i in range(9))
    shares = [share for _, share in calls]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def itu(stations: int) -> pd.DataFrame:
    info, load, energy = (pd.read_csv(SHARED / f"{n}.csv") for n in ("BSinfo", "CLdata", "ECdata"))
    chosen = sorted(energy["BS"].unique())[:: max(1, energy["BS"].nunique() // stations)]
    cells = load[load["BS"].isin(chosen)].merge(info, on=["BS", "CellName"])
    names = {
        "BS": "site_id", "CellName": "unit_id", "Time": "timestamp", "load": "prb_utilisation",
        "RUType": "ru_type", "Mode": "radio_mode", "Frequency": "frequency_rel", "Bandwidth": "bandwidth_mhz",
        "Antennas": "antennas", "TXpower": "tx_power_rel", "Energy": Q,
        **{f"ESMode{i}": f"sleep_mode_{i}" for i in range(1, 7)},
    }  # fmt: skip
    table = pd.concat([cells, energy[energy["BS"].isin(chosen)].assign(CellName="")]).rename(columns=names)
    table["timestamp"] = pd.to_datetime(table["timestamp"], format="%m/%d/%Y %H:%M").dt.tz_localize("UTC")
    numbers = [c for c in table if c not in ("site_id", "unit_id", "timestamp", "ru_type", "radio_mode")]
    return table.astype(dict.fromkeys(numbers, np.float64))


@pytest.mark.study
@pytest.mark.skipif(not SHARED.exists(), reason="needs the measured base stations in ../shared/data/itu5g")
def test_errors_on_measured_stations_stay_small() -> None:
    """What a fit proves on held-out hours; `tests/benchmarks/backtests.py itu5g` shows every problem."""
    bundle = fit(telemetry(itu(60)))
    held_out = bundle.card.quantities[Q]["held_out"]
    assert held_out["around"]["wmape"] < 3.0  # type: ignore[index]
    assert held_out["past"]["wmape"] < 4.5  # type: ignore[index]
    assert held_out["prior"]["wmape"] < 12.0  # type: ignore[index]
    for group in ("around", "past"):
        assert 0.84 <= held_out[group]["coverage"] <= 0.97  # type: ignore[index]


def test_a_spike_of_one_meter_bends_nothing_elsewhere() -> None:
    data = fleet(stations=12, days=4)
    energy = data.frame[Q].to_numpy(dtype=np.float64, copy=True)
    rows = np.flatnonzero((data.frame["site_id"] == "S04") & np.isfinite(energy))
    energy[rows[-4]] *= 12.0
    spiked = with_energy(data, np.arange(len(energy)) == rows[-4], energy[rows[-4]])
    error = []
    for one in (data, spiked):
        stage = first_stage(build(one, Q))
        model = fit_correction(stage, stage.usable, "past", np.random.default_rng(0), CORRECTION)
        asked = stage.usable & (stage.frame.keys["site_id"] != "S04").to_numpy()
        table = stage.table(np.flatnonzero(asked), stage.hours(stage.usable), "past")
        point = np.exp(table.X["log_config"].to_numpy() + model.predict(table))
        error.append(metrics.wmape(stage.frame.target()[asked], point))
    assert error[1] < error[0] + 0.1
