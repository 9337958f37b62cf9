"""Small imitations of exports that real plants and laboratories publish; all values are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError, MappingFileError, QuestionError, UnrecognisedError
from features.psychrometrics import dew_point, wet_bulb
from features.reading import Answer, Mapping, Reading, RowCounts, read_export
from features.reading.drift import round_interval
from features.reading.moist_air import unit_of
from features.reading.phases import phase_sets
from features.reading.undated import ASSUMED, date_in

Writer = Callable[..., Path]
HOURS = 240


def codes(reading: Reading) -> dict[str, str]:
    return {i.code: i.severity for i in reading.issues}


def evidence(reading: Reading, code: str) -> str:
    return " ".join(i.evidence for i in reading.issues if i.code == code)


def meaning(reading: Reading) -> dict[str, str]:
    return {c.source: c.canonical for f in reading.mapping.file for c in f.column}


# -- a plant with its weather station ---------------------------------------------------------------
@pytest.fixture
def weather() -> pd.DataFrame:
    """Ten days of a weather station: hours 1..24 name their end, '...' is a missing cell."""
    rng = np.random.default_rng(3)
    hour = np.arange(HOURS)
    dry = 18 + 6 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 0.4, HOURS)
    rh = np.clip(75 - 15 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 3, HOURS), 30, 98)
    stamps = pd.date_range("2024-11-01", periods=HOURS, freq="h")
    sun: list[object] = [
        f"{max(0.0, np.sin(h / 24 * 2 * np.pi)):.1f}" if h % 24 < 12 else "..." for h in hour
    ]
    return pd.DataFrame(
        {
            "Date": stamps.strftime("%Y/%-m/%-d"), "ObsTime": stamps.hour + 1,
            "StnPres": 1009.0 + rng.normal(0, 2, HOURS).round(1), "Temperature": dry.round(1),
            "Td dew point": dew_point(dry, rh).round(1), "RH": rh.round(0), "SunShine": sun,
        }
    )  # fmt: skip


@pytest.fixture
def plant_log(weather: pd.DataFrame) -> pd.DataFrame:
    """The plant beside it: measured columns, and columns that its owner computed from them."""
    rng = np.random.default_rng(4)
    tons = 200 + 60 * np.sin(np.arange(HOURS) / 24 * 2 * np.pi - 1) + rng.normal(0, 8, HOURS)
    chillers = 0.62 * tons + rng.normal(0, 3, HOURS)
    system = chillers + 50 + rng.normal(0, 1, HOURS)
    table = pd.DataFrame(
        {
            "DateTime": pd.date_range("2024-11-01", periods=HOURS, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
            "RT_cal": tons, "KW": chillers, "sysKW": system, "TCWS_max": 27 + rng.normal(0, 1, HOURS),
            "KWRT_cal": chillers / tons, "sysKWRT_cal": system / tons,
            "sysKW_pred": system + rng.normal(0, 9, HOURS), "strange": system / tons * 3.0,
            "Weekday": np.arange(HOURS) // 24 % 7,
        }
    )  # fmt: skip
    return table.assign(
        RT_cal_lag3=table["RT_cal"].shift(3), effort=system / tons, blend=system / chillers
    ).iloc[24:]


@pytest.fixture
def plant_folder(tmp_path: Path, weather: pd.DataFrame, plant_log: pd.DataFrame) -> Path:
    folder = tmp_path / "plant"
    folder.mkdir()
    weather.to_csv(folder / "station.csv", index=False)
    plant_log.to_csv(folder / "log.csv", index=False)
    return folder


def test_weather_joins_on_the_wall_clock_and_hours_1_to_24_name_their_end(
    plant_folder: Path, weather: pd.DataFrame, plant_log: pd.DataFrame
) -> None:
    reading = read_export(plant_folder)
    assert reading.counts == RowCounts(2 * HOURS - 24, 2 * HOURS - 24, 0, 0)
    frame = reading.telemetry().frame
    assert len(frame) == HOURS
    assert frame["timestamp"].iloc[0] == pd.Timestamp("2024-11-01 00:00", tz="UTC")  # hour 1 ends at 01:00
    assert frame["outdoor_dry_bulb_c"].tolist() == weather["Temperature"].tolist()
    assert frame["air_pressure_kpa"].to_numpy() == pytest.approx(weather["StnPres"] / 10)
    assert frame["cooling_power_kw"].iloc[24:].to_numpy() == pytest.approx(plant_log["sysKW"])
    assert frame["cooling_power_kw"].iloc[:24].isna().all()  # missing is not 0
    assert frame["thermal_load_kw"].iloc[24:].to_numpy() == pytest.approx(plant_log["RT_cal"] * 3.516853)
    assert codes(reading)["D-ZONE-ASSUMED"] == "warning"
    assert not reading.telemetry().zone.known


def test_computed_columns_are_proved_and_left_out(plant_folder: Path) -> None:
    reading = read_export(plant_folder)
    used = {c for c in meaning(reading).values() if c != "ignore"}
    assert used == {
        "outdoor_dry_bulb_c", "outdoor_dew_point_c", "outdoor_rh_pct", "air_pressure_kpa", "cooling_power_kw",
        "thermal_load_kw", "condenser_water_temp_c",
    }  # fmt: skip
    said = evidence(reading, "D-COLUMN-DERIVED")
    assert "'sysKWRT_cal': 'sysKW' / 'RT_cal' in 100% of" in said
    assert "'KWRT_cal': 'KW' / 'RT_cal' in 100% of" in said
    assert "'RT_cal_lag3': 'RT_cal' of 3 rows before in 100% of" in said
    assert "'sysKW_pred': by its name" in said
    assert "'effort': 'sysKW' / 'RT_cal' in 100% of" in said  # no name gives it away, the numbers do
    assert "'strange'" not in said  # three times a ratio is not the ratio
    for name in ("'KW':", "'blend':"):  # each is the other's ratio: nobody knows which was measured
        assert name not in said
    assert "'strange'" in evidence(reading, "D-COLUMN-IGNORED")


def test_the_unit_is_told_by_the_humidity_and_asked_for_without_it(
    write: Writer, weather: pd.DataFrame
) -> None:
    alone = weather.assign(timestamp=weather["Date"] + " " + (weather["ObsTime"] - 1).astype(str) + ":00")
    kept = alone.drop(columns=["Date", "ObsTime"])
    reading = read_export(write(kept.to_csv(index=False)))
    told = [
        c.evidence for f in reading.mapping.file for c in f.column if c.canonical == "outdoor_dew_point_c"
    ]
    assert "agrees with the file's humidity" in told[0]
    assert "degF only to" in told[0]
    with pytest.raises(QuestionError) as asked:
        read_export(write(kept.drop(columns="RH").to_csv(index=False), "b.csv"))
    assert asked.value.code == "E-QUESTION-UNIT"
    fahrenheit = kept.assign(**{c: (kept[c] * 1.8 + 32).round(1) for c in ("Temperature", "Td dew point")})
    read = read_export(write(fahrenheit.to_csv(index=False), "c.csv")).telemetry().frame
    assert read["outdoor_dry_bulb_c"].to_numpy() == pytest.approx(weather["Temperature"], abs=0.04)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["degC", "degF", "K", "0.1 degC"]),
    st.sampled_from(["outdoor_dew_point_c", "outdoor_wet_bulb_c"]),
    st.integers(0, 1000),
)
def test_humidity_never_tells_a_wrong_unit(symbol: str, canonical: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dry = rng.uniform(-5, 30) + rng.normal(0, 5, 300)
    rh = np.clip(rng.normal(60, 20, 300), 5, 100)
    other = dew_point(dry, rh) if canonical.endswith("dew_point_c") else wet_bulb(dry, rh)
    to = {
        "degC": lambda x: x,
        "degF": lambda x: 1.8 * x + 32,
        "K": lambda x: x + 273.15,
        "0.1 degC": lambda x: 10 * x,
    }
    told = unit_of(to[symbol](dry), rh + rng.normal(0, 1, 300), to[symbol](other), canonical)
    assert told is None or told[0].symbol == symbol


def test_humidity_that_fits_no_unit_decides_nothing() -> None:
    rng = np.random.default_rng(0)
    dry = rng.normal(20, 4, 200)
    assert unit_of(dry, rng.uniform(20, 90, 200), dry - rng.uniform(1, 9, 200), "outdoor_dew_point_c") is None
    assert (
        unit_of(dry[:5], np.full(5, 60.0), dew_point(dry[:5], np.full(5, 60.0)), "outdoor_dew_point_c")
        is None
    )


# -- a laboratory's sheet: times without a date, drifting steps, phases --------------------------------
@pytest.fixture
def sheet() -> pd.DataFrame:
    """One day of a logger whose step is a little over five minutes, with three missing samples."""
    rng = np.random.default_rng(5)
    seconds = np.cumsum(np.r_[7, rng.integers(302, 306, 278)])
    keep = ~np.isin(np.arange(279), (50, 51, 120))
    clock = [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in seconds]
    table = pd.DataFrame(
        {
            "Sample": np.arange(1, 280), "TIME": clock, "TIME step (sec)": 304,
            "temperature out (ºC)": (20 + rng.normal(0, 2, 279)).round(1),
            "L1 (kW)": rng.uniform(0.2, 0.4, 279).round(2), "L2 (kW)": rng.uniform(0.5, 0.7, 279).round(2),
            "L3 (kW)": rng.uniform(0.2, 0.9, 279).round(2), "Fan1 (kW)": 0.25, "Fan2 (kW)": 0.24,
            "Fan3 (kW)": 0.23, "Cluster (kW)": (24 + rng.normal(0, 0.5, 279)).round(2),
        }
    )  # fmt: skip
    return table[keep].reset_index(drop=True)


def test_a_day_without_date_is_averaged_and_every_row_accounted_for(
    write: Writer, sheet: pd.DataFrame
) -> None:
    reading = read_export(write(sheet.to_csv(index=False)))
    assert reading.counts == RowCounts(276, 276, 0, 0)
    telemetry = reading.telemetry()
    frame = telemetry.frame
    assert telemetry.interval == pd.Timedelta("15min")
    assert frame["timestamp"].iloc[0] == pd.Timestamp(f"{ASSUMED} 00:00", tz="UTC")
    assert {"D-DATE-ASSUMED", "D-TIME-DRIFT", "D-PHASES", "D-ZONE-ASSUMED", "D-COMBINED"} <= set(
        codes(reading)
    )
    seconds = pd.to_timedelta(sheet["TIME"]).dt.total_seconds()
    by_hand = sheet["Cluster (kW)"].groupby((seconds // 900).to_numpy()).mean()
    assert frame["it_power_kw"].to_numpy() == pytest.approx(by_hand.to_numpy())
    assert frame["fan_power_kw"].to_numpy() == pytest.approx(0.72)


def test_a_wrong_value_in_an_average_quarantines_its_own_rows(write: Writer, sheet: pd.DataFrame) -> None:
    sheet["temperature out (ºC)"] = sheet["temperature out (ºC)"].astype(object)
    sheet.loc[100, "temperature out (ºC)"] = "n/a?"
    sheet.loc[sheet.index[:3], "Cluster (kW)"] = -5.0  # one average of three samples
    reading = read_export(write(sheet.to_csv(index=False)))
    assert reading.counts.rows_in == 276
    assert reading.counts.quarantined == 4
    assert reading.counts.rejected == 0
    out = reading.quarantined_rows.to_pandas()
    assert sorted(out.loc[out["code"] == "D-NEGATIVE-POWER", "row"]) == [2, 3, 4]


def test_the_date_comes_from_the_answer_the_mapping_or_the_name(write: Writer, sheet: pd.DataFrame) -> None:
    path = write(sheet.to_csv(index=False))
    answered = read_export(path, mapping=Mapping(answer=(Answer(date="2019-05-13"),)))
    assert answered.telemetry().span[0] == pd.Timestamp("2019-05-13", tz="UTC")
    assert "D-DATE-ASSUMED" not in codes(answered)
    again = read_export(path, mapping=Mapping.from_toml(answered.mapping.to_toml()))
    assert again.table.equals(answered.table)
    named = read_export(write(sheet.to_csv(index=False), "room_2019-05-14.csv"))
    assert named.telemetry().span[0] == pd.Timestamp("2019-05-14", tz="UTC")
    assert codes(named)["D-DATE-ASSUMED"] == "info"
    with pytest.raises(MappingFileError, match="E-MAPPING-DATE"):
        Mapping.from_toml('version = 1\n[[answer]]\ndate = "13.5.2019"\n')


def test_midnight_is_a_new_day_and_disorder_is_refused(write: Writer, sheet: pd.DataFrame) -> None:
    turned = pd.concat([sheet.iloc[140:], sheet.iloc[:140]])
    reading = read_export(write(turned.to_csv(index=False)))
    start, end = reading.telemetry().span
    assert pd.Timedelta("23h") < end - start <= pd.Timedelta("24h15min")
    with pytest.raises(UnrecognisedError) as refused:
        read_export(write(sheet.iloc[::-1].to_csv(index=False), "b.csv"))
    assert refused.value.code == "E-TIME-NO-DATE"
    assert "date =" in refused.value.remedy


def test_an_assumed_date_joins_nothing(tmp_path: Path, write: Writer, sheet: pd.DataFrame) -> None:
    write(sheet.to_csv(index=False), "room/day.csv")
    write("timestamp,outdoor_rh_pct\n2024-05-01 00:00,50\n2024-05-01 00:15,51\n", "room/weather.csv")
    with pytest.raises(UnrecognisedError) as refused:
        read_export(tmp_path / "room")
    assert refused.value.code == "E-TIME-NO-DATE"


def test_phases_are_summed_only_where_the_name_says_whose(write: Writer, sheet: pd.DataFrame) -> None:
    ours = {"L1 (kW)": "UPS output L1 (kW)", "L2 (kW)": "UPS output L2 (kW)", "L3 (kW)": "UPS output L3 (kW)"}
    plain = sheet.drop(columns="Cluster (kW)").rename(columns=ours)
    reading = read_export(write(plain.to_csv(index=False)))
    total = reading.telemetry().frame["it_power_kw"]
    assert total.between(0.9, 2.0).all()
    assert "the three phases are summed" in str([c.evidence for c in reading.mapping.file[0].column])
    # a meter that shows the total is not added to its own phases
    both = plain.assign(**{"UPS output (kW)": 1.5})
    assert (
        read_export(write(both.to_csv(index=False), "b.csv")).telemetry().frame["it_power_kw"] == 1.5
    ).all()
    # without the third phase a sum would be too low
    two = plain.drop(columns="UPS output L3 (kW)")
    short = read_export(write(two.to_csv(index=False), "c.csv"))
    assert "it_power_kw" not in short.telemetry().frame
    assert "a phase is missing" in evidence(short, "D-PHASES")


def test_a_proposed_sum_can_be_accepted_in_the_mapping(write: Writer, sheet: pd.DataFrame) -> None:
    path = write(sheet.to_csv(index=False))
    first = read_export(path)
    assert {meaning(first)[f"L{i} (kW)"] for i in (1, 2, 3)} == {"ignore"}
    text = first.mapping.to_toml()
    for name in ("L1 (kW)", "L2 (kW)", "L3 (kW)"):
        text = text.replace(
            f'source = "{name}"\ncanonical = "ignore"', f'source = "{name}"\ncanonical = "cooling_power_kw"'
        )
    accepted = read_export(path, mapping=Mapping.from_toml(text)).telemetry().frame
    assert accepted["cooling_power_kw"].mean() == pytest.approx(
        sheet[["L1 (kW)", "L2 (kW)", "L3 (kW)"]].sum(axis=1).mean(), rel=0.01
    )


@pytest.mark.parametrize(
    ("headers", "meters"),
    [
        (("IT负载A相功率(kW)", "IT负载B相功率(kW)", "IT负载C相功率(kW)"), [("IT负载功率", True)]),
        (("pump_L1_kW", "pump_L2_kW"), [("pump", False)]),
        (("L1 (V)", "L2 (V)", "L3 (V)"), []),
        (("Level 1 (kW)", "Hall 2 (kW)"), []),
        (("Phase A power kW", "Phase B power kW", "Phase C power kW"), [("power", True)]),
    ],
)
def test_what_counts_as_phases(headers: tuple[str, ...], meters: list[tuple[str, bool]]) -> None:
    assert [(p.meter, p.complete) for p in phase_sets(headers)] == meters


def test_amounts_of_a_drifting_logger_are_refused(write: Writer, sheet: pd.DataFrame) -> None:
    energy = sheet.rename(columns={"Cluster (kW)": "Cluster (kWh)"})
    with pytest.raises(DataError) as refused:
        read_export(write(energy.to_csv(index=False)))
    assert refused.value.code == "E-TIME-DRIFT"


def test_which_steps_are_averaged() -> None:
    second = 1_000_000
    codes_, drifting = np.zeros(100, dtype=np.int64), np.arange(100) * 304 * second
    assert round_interval(codes_, drifting, 304 * second) == 900 * second
    assert round_interval(codes_, np.arange(100) * 61 * second, 61 * second) == 300 * second
    assert round_interval(codes_, np.arange(100) * 3603 * second, 3603 * second) == 0  # too coarse to average
    wild = np.cumsum(np.random.default_rng(0).integers(60, 900, 100)) * second
    assert round_interval(codes_, wild, 304 * second) == 0


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("room_2019-05-14", "2019-05-14"), ("20190514_log", "2019-05-14"), ("log_2019-13-14", ""),
        ("2019-04-31", ""),
        ("a_2019-05-14_2019-05-20", ""), ("14.05.2019", ""), ("meter 120190514", ""),
    ],
)  # fmt: skip
def test_dates_in_names(name: str, found: str) -> None:
    assert date_in(name) == found
