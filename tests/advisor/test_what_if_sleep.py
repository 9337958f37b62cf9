"""The sleep threshold on a fleet whose law is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from advisor.base_station import advise_base_stations
from advisor.catalogue import load_measures
from advisor.site import Limits, Site
from advisor.what_if_sleep import THRESHOLD, SleepWhatIf, sleep_what_if
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from tests.base_station_fleet import EFFECT


@pytest.fixture(scope="module")
def data(sleepers: Telemetry) -> Telemetry:
    return sleepers


@pytest.fixture(scope="module")
def bundle(sleepers_bundle: BaseStationBundle) -> BaseStationBundle:
    return sleepers_bundle


@pytest.fixture(scope="module")
def model(data: Telemetry, bundle: BaseStationBundle) -> SleepWhatIf:
    return sleep_what_if(data, bundle, None, data.span)


def test_no_threshold_is_the_fleet_as_it_is(model: SleepWhatIf) -> None:
    result = model.evaluate({})
    assert result.verdict == "unchanged"
    figure = result.figure("energy_rel")
    assert figure.now == pytest.approx(model.case.fleet.total)
    assert figure.new.point == figure.now
    assert (result.series.now == result.series.point).all()
    assert result.figure("energy_kwh").now is None
    assert "energy_unit_kwh" in result.figure("energy_kwh").reason


def test_more_load_allowed_puts_more_to_sleep_by_the_law(model: SleepWhatIf) -> None:
    saved = [0.0]
    for threshold in np.arange(2.0, model.known_pct + 0.1, 0.5):
        result = model.evaluate({THRESHOLD: float(threshold)})
        assert result.in_domain
        saved.append(result.saving.energy_pct.point if result.saving and result.saving.energy_pct else 0.0)
        asleep = model._asleep(float(threshold))
        dosed = sum(i.point for i in asleep.saved.values())
        assert dosed == pytest.approx(float(np.nansum(result.series.now - result.series.point)), abs=1e-9)
    assert all(b >= a - 1e-9 for a, b in pairwise(saved))
    assert saved[-1] > 0
    assert model.proven[0].share.lower - 0.01 <= EFFECT <= model.proven[0].share.upper + 0.01


def test_the_last_known_threshold_is_what_advice_chooses(
    data: Telemetry, bundle: BaseStationBundle, model: SleepWhatIf
) -> None:
    """With every product at its own guard the slider's hours are those of the plan."""
    advice = advise_base_stations(data, bundle, load_measures())
    hours = len(advice.plan_table.drop_duplicates(["timestamp", "site_id", "unit_id"]))
    result = model.evaluate({THRESHOLD: model.known_pct})
    assert f"{hours} more cell hours" in result.notes[0]
    assert result.saving is not None
    assert result.saving.energy_pct is not None
    assert advice.saving.energy_pct is not None
    assert vars(result.saving.energy_pct) == pytest.approx(vars(advice.saving.energy_pct), rel=1e-9)


def test_beyond_what_was_seen_nothing_is_claimed(model: SleepWhatIf) -> None:
    result = model.evaluate({THRESHOLD: model.known_pct + 1.0})
    assert not result.in_domain
    assert result.saving is None
    assert result.figure("energy_rel").new is None
    assert "were seen asleep" in result.outside[0]


def test_the_sites_limit_binds(data: Telemetry, bundle: BaseStationBundle) -> None:
    site = Site(id="fleet", kind="base-station", limits=Limits(prb_utilisation_max=0.02), energy_unit_kwh=2.0)
    model = sleep_what_if(data, bundle, site, data.span)
    kept, broken = model.evaluate({THRESHOLD: 2.0}), model.evaluate({THRESHOLD: model.known_pct})
    assert kept.limits[0].state in ("binding", "kept")
    assert broken.limits[0].state == "broken"
    assert broken.saving is None
    assert kept.figure("energy_kwh").now == pytest.approx(2.0 * model.case.fleet.total)


def test_a_fleet_that_never_slept_has_no_slider(data: Telemetry, bundle: BaseStationBundle) -> None:
    frame = data.frame.copy()
    modes = [c for c in frame if c.startswith("sleep_mode_")]
    frame[modes] = 0.0 * frame[modes]
    awake = replace(data, frame=frame)
    model = sleep_what_if(awake, bundle, None, awake.span)
    assert model.levers[0].disabled
    assert model.evaluate({}).verdict == "unchanged"
    with pytest.raises(KeyError):
        model.evaluate({THRESHOLD: 2.0})


def test_the_window_bounds_what_sleeps(data: Telemetry, bundle: BaseStationBundle) -> None:
    last = (data.span[1] - pd.Timedelta(days=2), data.span[1])
    short, whole = (sleep_what_if(data, bundle, None, w) for w in (last, data.span))
    assert len(short.evaluate({}).series.stamps) == 48
    some = {THRESHOLD: short.known_pct}
    assert short._asleep(some[THRESHOLD]).cell_hours < whole._asleep(some[THRESHOLD]).cell_hours
