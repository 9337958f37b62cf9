from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from advisor.plan import Advice
from app import text
from app.service.accuracy import accuracies
from app.service.advise import AdviseOutcome, in_zone
from app.service.backtest import BacktestOutcome
from app.service.check import Rows
from app.service.predict import PredictOutcome
from app.service.train import TrainOutcome
from features.issues import DataIssue
from features.telemetry import Telemetry, TimeZone
from models.store import ModelCard
from training.result import BACKTEST_COLUMNS, DOMAIN_COLUMNS, Backtest

SCORES = {"wmape": 2.0, "cv_rmse": 3.0}


def card_with(card: ModelCard, task: str) -> ModelCard:
    about: dict[str, object] = {
        "quantity": "facility_power_kw", "task": task, "model": "LightGBM", "coverage_nominal": 0.9,
        "coverage_measured": 0.87,
        "held_out": {
            "start": "2025-11-01", "end": "2026-01-01", "ours": SCORES, "persistence": {"wmape": 1.0},
            "same hour yesterday": {"wmape": 4.0}, "linear": {"wmape": 4.5},
            "site mean": {"wmape": float("nan")},
        },
    }  # fmt: skip
    return replace(card, quantities={f"facility_power_kw-{task}": about})


def test_the_best_baseline_knows_no_more_than_the_task(card: ModelCard) -> None:
    (estimate,) = accuracies(card_with(card, "estimate"))
    (forecast,) = accuracies(card_with(card, "forecast"))
    assert (estimate.baseline, estimate.baseline_wmape) == ("linear", 4.5)
    assert (forecast.baseline, forecast.baseline_wmape) == ("same hour yesterday", 4.0)
    assert (forecast.wmape, forecast.nominal, forecast.measured) == (2.0, 0.9, 0.87)


def test_a_card_without_errors_claims_none(card: ModelCard) -> None:
    (line,) = accuracies(replace(card, quantities={"pue": {}}))
    assert (line.quantity, line.wmape, line.baseline, line.measured) == ("pue", None, "", None)


def test_base_station_cards_are_read_too(card: ModelCard) -> None:
    about: dict[str, object] = {
        "held_out": {"forecast": {"wmape": 4.5, "coverage": 0.89}, "prior": {"wmape": 7.8, "coverage": 0.9}},
        "baselines_wmape_pct": {"persistence": 1.0, "same hour yesterday": 5.8}, "nominal_coverage": 0.9,
        "model": "m",
    }  # fmt: skip
    stations = replace(card, kind="base-station", quantities={"station_energy_rel": about})
    forecast, unmetered = accuracies(stations)
    assert (forecast.wmape, forecast.baseline, forecast.baseline_wmape) == (4.5, "same hour yesterday", 5.8)
    assert (unmetered.wmape, unmetered.baseline, unmetered.measured) == (7.8, "", 0.9)
    assert "station never metered" in unmetered.task


def test_train_prints_error_baseline_and_coverage(card: ModelCard, telemetry: Telemetry) -> None:
    shown = text.train(TrainOutcome(Path("m"), card_with(card, "estimate"), telemetry.issues))
    for said in ("data-centre-abc", "2.00 %", "4.50 % linear", "90 % → 87 %", "1 warning", "wrote m"):
        assert said in shown


def test_backtest_prints_ours_beside_the_baselines() -> None:
    rows = [
        ["estimate", "newest 30%", "pue", "advisor", True, 100, 0.01, 1.0, 1.1, 1.2, -0.1,
         0.89, 0.81, 0.95, 0.9, 5.0, 0.04],
        ["estimate", "newest 30%", "pue", "persistence", False, 100, 0.02, 2.0, 2.1, 2.2, 0.1, *[np.nan] * 6],
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(BACKTEST_COLUMNS))
    domain = pd.DataFrame(
        [["estimate", "pue", "hit: beyond the range", 0.995, 1200]], columns=[*DOMAIN_COLUMNS]
    )
    judged = Backtest(table, ("a note",), {}, domain, {"wall": 12.0, "cpu": 20.0})
    shown = text.backtest(BacktestOutcome(judged, ()))
    assert "estimate: pue, newest 30%, 100 rows, intervals promise 90 %" in shown
    ours, other = (line for line in shown.splitlines() if "advisor " in line or "persistence" in line)
    assert ours.startswith(" * ")
    assert "89 % (81-95)" in ours
    assert "hit: beyond the range" in shown
    assert "took 12 s (20 s of CPU)" in shown
    assert other.rstrip().endswith("—")


def test_predict_prints_how_far_it_may_be_trusted() -> None:
    quantities = pd.DataFrame(
        [
            {
                "quantity": "pue",
                "unit": "1",
                "rows": 10,
                "predicted": 8,
                "in_domain": 0.5,
                "coverage": 0.9,
                "mean": 1.4,
            }
        ]
    )
    said = (DataIssue("D-NEW", "warning", "here", "seen", "mend"),)
    shown = text.predict(PredictOutcome(Path("p.csv"), "forecast", "m-1", quantities, said, said))
    for words in ("forecast with m-1", "8 of 10", "50 %", "D-NEW", "wrote p.csv"):
        assert words in shown


def test_advise_starts_with_the_headline(advice: Advice, telemetry: Telemetry) -> None:
    outcome = AdviseOutcome(advice, telemetry, Rows(336, 336, 0, 0), (), (Path("o/report.html"),))
    shown = text.advise(outcome)
    assert shown.startswith("1 action would save 1,230 kWh")
    assert "server inlet 26.4 °C of 27.0 °C" in shown
    assert outcome.report == Path("o/report.html")


def test_cells_are_never_markup() -> None:
    assert "[bold]x[/bold]" in text.table(["a"], [["[bold]x[/bold]"]])


def test_long_lists_of_findings_say_how_many_are_left() -> None:
    issues = tuple(DataIssue(f"D-{i}", "info", "p", "e", "r") for i in range(30))
    assert "... and 5 more" in text.issues_text(issues)
    assert text.issues_text(()) == "No findings."


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "+08:00"])
def test_the_site_declares_the_zone_of_wall_clock_stamps(telemetry: Telemetry, zone: str) -> None:
    wall = replace(telemetry, zone=TimeZone())
    moved = in_zone(wall, zone)
    assert moved.span[0] == telemetry.span[0] - pd.Timedelta(hours=8)
    assert moved.zone == TimeZone(zone, assumed=False)


def test_true_utc_stays_what_it_is(telemetry: Telemetry) -> None:
    shown = in_zone(replace(telemetry, zone=TimeZone("UTC", assumed=False)), "Asia/Shanghai")
    assert shown.span == telemetry.span
    assert shown.zone.name == "Asia/Shanghai"
