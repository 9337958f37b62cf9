from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from advisor.catalogue import load_measures
from advisor.plan import Totals
from advisor.site import Carbon, Site
from app.service.standing import standing
from features.telemetry import Telemetry

ON = date(2026, 11, 20)


def figures(
    telemetry: Telemetry, site: Site | None, baseline: Totals | None = None
) -> dict[str, tuple[object, str]]:
    stands = standing(telemetry, site, baseline or Totals(), load_measures(), ON)
    return {f.name: (f.value, f.label) for f in stands.figures}


def test_figures_by_hand(telemetry: Telemetry, site: Site) -> None:
    # 336 h of 100 kW IT; a sine of whole days around 140 kW: 336 * 140 = 47,040 kWh; PUE 1.4;
    # 0.1 m3 per 100 kWh = 1 L/kWh; share as declared; no carbon factor declared
    found = figures(telemetry, site)
    assert found["Energy"] == (pytest.approx(47040.0), "measured")
    assert found["PUE"] == (pytest.approx(1.4), "measured")
    assert found["WUE"] == (pytest.approx(1.0), "measured")
    assert found["Green share"] == (pytest.approx(0.25), "published")
    assert found["Carbon"][0] is None


def test_own_solar_power_is_green_and_carbon_free(telemetry: Telemetry, site: Site) -> None:
    # 35 of 140 kW solar: a quarter; the rest is a quarter green: 0.25 + 0.75 * 0.25 = 0.4375.
    # bought: 105 kW * 336 h = 35,280 kWh at 0.5 kg = 17,640 kg
    sunny = replace(telemetry, frame=telemetry.frame.assign(facility_power_kw=140.0, pv_power_kw=35.0))
    declared = site.model_copy(update={"carbon": Carbon(factor_kg_per_kwh=0.5, source="test")})
    found = figures(sunny, declared)
    assert found["Green share"][0] == pytest.approx(0.4375)
    assert found["Carbon"] == (pytest.approx(17640.0), "modelled")


def test_unknown_is_none_and_never_zero(telemetry: Telemetry) -> None:
    bare = replace(telemetry, frame=telemetry.frame.drop(columns=["facility_power_kw", "water_m3"]))
    assert all(value is None for value, _ in figures(bare, None).values())


def test_the_modelled_figure_stands_where_nothing_was_measured(telemetry: Telemetry) -> None:
    bare = replace(telemetry, frame=telemetry.frame.drop(columns=["facility_power_kw"]))
    found = figures(bare, None, Totals(energy_kwh=5000.0, pue=1.5))
    assert found["Energy"] == (5000.0, "modelled")
    assert found["PUE"] == (1.5, "modelled")


def test_pue_uses_only_hours_where_both_meters_ran(telemetry: Telemetry) -> None:
    # the IT meter is silent in the first half: its hours count on neither side
    half = telemetry.frame["it_power_kw"].where(np.arange(len(telemetry.frame)) >= 168)
    gappy = replace(telemetry, frame=telemetry.frame.assign(it_power_kw=half))
    assert figures(gappy, None)["PUE"][0] == pytest.approx(1.4)


def test_measures_are_judged_by_these_figures(telemetry: Telemetry, site: Site) -> None:
    stands = standing(telemetry, site, Totals(), load_measures(), ON)
    verdicts = {m.id: j.verdict for m, j in stands.judgements}
    assert verdicts["cn-p03-retrofit-trigger"] == "met"  # an existing site with PUE 1.4 <= 1.5
    assert verdicts["cn-p01-new-large-dc-pue"] == "does not apply"  # it is no new build
    assert verdicts["cn-p02-hub-node-pue"] == "cannot be judged"  # hub or not: nobody said
