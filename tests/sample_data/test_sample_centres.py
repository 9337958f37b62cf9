"""The three centres: their weather, their headers, and that each has another right answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import psychrolib
import pytest

from features.reading import read_export
from sample_data.centres import CENTRES, COLD_CENTRE, TEMPERATE_CENTRE
from sample_data.data_centre import LEVERS, SUBTROPICAL, Centre, SampleYear, data_centre_year
from sample_data.generate import write_samples

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"


@pytest.fixture(scope="module")
def years() -> dict[str, SampleYear]:
    return {centre.folder: data_centre_year(7, centre=centre) for centre in CENTRES}


def mean_kw(year: SampleYear, zone: float, water: float) -> float:
    points = year.set_points.assign(**{ZONE: zone, WATER: water})
    return float(year.plant.simulate(points, year.weather, year.utilisation)["facility_power_kw"].mean())


@pytest.mark.parametrize(
    ("centre", "zone", "water"),
    [
        (SUBTROPICAL, (1.0, 3.0), (4.0, 8.0)),
        (TEMPERATE_CENTRE, (-6.0, -3.0), (-1.5, 1.5)),
        (COLD_CENTRE, (-1.5, 1.5), (5.0, 8.0)),
    ],
    ids=["warmer air and water", "colder air", "warmer water"],
)
def test_the_right_answer_differs(
    years: dict[str, SampleYear], centre: Centre, zone: tuple[float, float], water: tuple[float, float]
) -> None:
    """The pair of least energy lies in the given direction from the pair in force [K]."""
    year = years[centre.folder]
    zones, waters = np.arange(*LEVERS[ZONE], 0.5), np.arange(LEVERS[WATER][0], 15.1, 0.5)
    _, best_zone, best_water = min((mean_kw(year, z, w), z, w) for z in zones for w in waters[::2])
    assert zone[0] <= best_zone - centre.current[ZONE] <= zone[1]
    assert water[0] <= best_water - centre.current[WATER] <= water[1]
    assert 0.02 < 1 - mean_kw(year, best_zone, best_water) / mean_kw(year, *centre.current.values()) < 0.07


def test_the_economiser_takes_more_heat_with_warmer_water_and_in_the_cold(
    years: dict[str, SampleYear],
) -> None:
    plant = COLD_CENTRE.plant
    points = pd.DataFrame({ZONE: 22.0, WATER: [7.0, 14.0, 7.0, 7.0]})
    run = plant.simulate(points, pd.DataFrame({"outdoor_wet_bulb_c": [9.0, 9.0, -20.0, 25.0]}), [0.5] * 4)
    chiller = run["chiller_power_kw"]
    assert 0 < chiller[1] < chiller[0] < chiller[3]
    assert chiller[2] == 0.0  # all of it is free
    assert np.isfinite(years[COLD_CENTRE.folder].truth.to_numpy()).all()


def test_climates_differ_as_their_names_say(years: dict[str, SampleYear]) -> None:
    humid, temperate, cold = (years[c.folder].weather for c in CENTRES)
    means = [w["outdoor_dry_bulb_c"].mean() for w in (humid, temperate, cold)]
    assert means == pytest.approx([21.7, 14.3, 4.9], abs=0.2)
    assert cold["outdoor_rh_pct"].mean() < 55
    assert humid["outdoor_rh_pct"].mean() > 75
    psychrolib.SetUnitSystem(psychrolib.SI)
    part = cold[cold["outdoor_wet_bulb_c"] > 1].iloc[::211]  # a frozen wick is another matter
    wet = [
        psychrolib.GetTWetBulbFromRelHum(t, rh / 100, 87000.0)
        for t, rh in zip(part["outdoor_dry_bulb_c"], part["outdoor_rh_pct"], strict=True)
    ]
    np.testing.assert_allclose(part["outdoor_wet_bulb_c"], wet, atol=0.35)


def test_the_chinese_export_is_read_whole(tmp_path, years: dict[str, SampleYear]) -> None:
    path = write_samples(tmp_path)["data_centre_cold_telemetry"]
    with pytest.raises(UnicodeDecodeError):
        path.read_text(encoding="utf-8")
    text = path.read_text(encoding="gb18030")
    assert text.startswith("记录时间(北京时间),冷通道温度设定值(℃)")
    reading = read_export(path)
    assert reading.telemetry().zone.name == "Asia/Shanghai"
    assert {c.canonical for c in reading.mapping.file[0].column} == {
        ZONE, WATER, "outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "outdoor_rh_pct", "it_power_kw",
        "facility_power_kw", "cooling_power_kw", "ups_loss_kw", "server_inlet_temp_c", "supply_air_temp_c",
        "chilled_water_supply_temp_c", "water_m3", "pv_power_kw",
    }  # fmt: skip
    export = years["data_centre_cold"].export
    counts = reading.counts
    assert counts.rows_in == len(export) == counts.accepted + counts.quarantined + counts.rejected
    frame = reading.telemetry().frame
    it = export["it_power_kw"].where(export["it_power_kw"] > 0).to_numpy()
    same = np.isclose(frame["it_power_kw"], it) | frame["it_power_kw"].isna()
    assert same.all()


def test_the_same_faults_are_planted_and_found_everywhere(tmp_path) -> None:
    paths = write_samples(tmp_path)
    for centre in CENTRES:
        found = {i.code for i in read_export(paths[f"{centre.folder}_telemetry"]).issues}
        assert {"D-NEGATIVE-POWER", "D-OUT-OF-BOUNDS", "D-STUCK", "D-GAP", "D-SPIKE"} <= found
