"""Terms of the levers that only some sites have, beside those of air and water."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from features.levers import AIRFLOW, APPROACH, CHANGEOVER, EVAPORATIVE, PLANT_LEVERS
from features.operation import Operation
from models.identifiability import lever_evidence
from models.inlet_guide import InletGuide
from models.lever_basis import LeverBasis
from models.site_scorer import tree_features

HOURS = 24 * 7 * 20
ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"


def operation(*names: str) -> Operation:
    rng = np.random.default_rng(4)
    stamps = pd.date_range("2025-01-01", periods=HOURS, freq="h", tz="UTC")
    dry = 14 + 9 * np.sin(np.arange(HOURS) / 500) + rng.normal(0, 3, HOURS)
    span = {
        ZONE: (19, 26),
        WATER: (6, 14),
        APPROACH: (2, 10),
        AIRFLOW: (60, 100),
        CHANGEOVER: (0, 24),
        EVAPORATIVE: (0, 1),
    }
    levers = {
        n: np.repeat(rng.uniform(*span[n], HOURS // 12), 12) if n != EVAPORATIVE
        else np.repeat(rng.integers(0, 2, HOURS // 12), 12).astype(float)
        for n in names
    }  # fmt: skip
    it = 600 + 60 * np.sin(np.arange(HOURS) * 2 * np.pi / 24)
    zone = levers.get(ZONE, np.full(HOURS, 22.0))
    lacks = np.maximum(70.0 - levers.get(AIRFLOW, np.full(HOURS, 90.0)), 0.0)
    return Operation(
        "x", stamps, levers, dry, dry - 4.0, it, it + 200.0, np.full(HOURS, 180.0), zone + 1.0 + 0.3 * lacks,
        (stamps.day_of_week * 24 + stamps.hour).to_numpy(), 1.0,
    )  # fmt: skip


def test_other_levers_leave_the_terms_of_air_and_water_as_they_were() -> None:
    plain, more = operation(ZONE, WATER), operation(ZONE, WATER, *PLANT_LEVERS)
    more = replace(more, levers={**more.levers, **plain.levers}, inlet_c=None)
    plain = replace(plain, inlet_c=None)
    bases = [LeverBasis.learn(x, x.usable) for x in (plain, more)]
    terms = [b.surface_terms(x, x.it_kw) for b, x in zip(bases, (plain, more), strict=True)]
    width = terms[0].shape[1]
    np.testing.assert_array_equal(terms[0], terms[1][:, :width])
    np.testing.assert_array_equal(
        bases[0].it_terms(plain), bases[1].it_terms(more)[:, : bases[0].it_terms(plain).shape[1]]
    )
    assert bases[0].plant is None
    trees = [tree_features(x, x.it_kw, steady=True) for x in (plain, more)]
    np.testing.assert_array_equal(trees[0], trees[1][:, : trees[0].shape[1]])
    assert terms[1].shape[1] - width < 100


@pytest.mark.parametrize("names", [PLANT_LEVERS, *((n,) for n in PLANT_LEVERS), (WATER, APPROACH)])
def test_any_lever_may_stand_alone(names: tuple[str, ...]) -> None:
    here = operation(*names)
    basis = LeverBasis.learn(here, here.usable)
    terms = basis.surface_terms(here, here.it_kw)
    assert np.isfinite(terms).all()
    assert terms.shape[1] == len(basis.surface_penalty(here))
    assert len(basis.it_terms(here)) == len(basis.transient_terms(here)) == len(here)
    again = LeverBasis.from_dict(json.loads(json.dumps(asdict(basis))))
    assert again == basis


def test_free_cooling_is_on_below_the_changeover_of_the_right_temperature() -> None:
    here = operation(CHANGEOVER)
    for outdoor, by_wet in ((here.dry_bulb_c, False), (here.wet_bulb_c, True)):
        on = (outdoor < here.levers[CHANGEOVER]).astype(float)
        told = replace(here, cooling_kw=180.0 - on * (60.0 - 2.0 * here.dry_bulb_c))
        plant = LeverBasis.learn(told, told.usable).plant
        assert plant is not None
        assert plant.by_wet_bulb is by_wet
        np.testing.assert_array_equal(plant.enabled(told), on)


def test_the_inlet_guide_sees_where_air_lacks() -> None:
    here = operation(ZONE, AIRFLOW)
    guide = InletGuide.learn(here)
    assert guide is not None
    at = [
        float(guide.inlet_c(here.with_levers({ZONE: np.full(HOURS, 22.0), AIRFLOW: np.full(HOURS, x)}))[0])
        for x in (62.0, 75.0, 95.0)
    ]
    assert at[0] - at[1] == pytest.approx(0.3 * 8, abs=0.4)
    assert at[1] - at[2] == pytest.approx(0.0, abs=0.3)
    alone = InletGuide.learn(operation(AIRFLOW))
    assert alone is not None
    assert alone.air == ""


def test_evidence_speaks_in_the_levers_own_unit() -> None:
    evidence = lever_evidence(operation(*PLANT_LEVERS))
    assert all(e.identified for e in evidence.values())
    assert " %, " in evidence[AIRFLOW].reason
    assert evidence[APPROACH].reason.count(" K") == 2
    assert "°C" in evidence[CHANGEOVER].reason
    assert "of the time" in evidence[EVAPORATIVE].reason


def test_a_small_wobble_of_the_fans_is_no_test() -> None:
    here = operation(AIRFLOW)
    calm = 80.0 + (here.levers[AIRFLOW] - 80.0) / 20.0  # half a per cent of the rated flow
    evidence = lever_evidence(here.with_levers({AIRFLOW: calm}))[AIRFLOW]
    assert not evidence.identified
