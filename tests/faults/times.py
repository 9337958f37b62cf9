"""C: zones, daylight saving, duplicates, order, jumps, gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from features.reading import Answer, Mapping
from tests.faults.cases import READ, fault, plant, put, text


def local(zone: str, start: str, hours: int, *, marked: bool = False) -> pd.DataFrame:
    """Return an export stamped in local time, with or without offsets."""
    moments = pd.date_range(start, periods=hours, freq="h", tz="UTC").tz_convert(zone)
    form = "%Y-%m-%d %H:%M%z" if marked else "%Y-%m-%d %H:%M"
    return plant(hours).assign(timestamp=moments.strftime(form))


def stamped(moments: pd.DatetimeIndex) -> pd.DataFrame:
    return plant(len(moments)).assign(timestamp=moments.strftime("%Y-%m-%d %H:%M:%S"))


@fault("C1", "D-ZONE-ASSUMED")
def no_zone(folder: Path) -> Path:
    return put(folder, text(plant()))


@fault("C1", "D-NO-OFFSET")
def some_stamps_with_an_offset(folder: Path) -> Path:
    table = plant()
    table.loc[::2, "timestamp"] += "+08:00"
    return put(folder, text(table))


@fault("C2", "D-DUPLICATE")
def hour_twice_in_autumn_without_a_zone(folder: Path) -> Path:
    return put(folder, text(local("Europe/Berlin", "2025-10-24", 96)))


@fault("C2", READ)
def hour_twice_in_autumn_with_offsets(folder: Path) -> Path:
    return put(folder, text(local("Europe/Berlin", "2025-10-24", 96, marked=True)))


@fault("C2", "D-ZONE-DST", mapping=Mapping(answer=(Answer(zone="Europe/Berlin"),)))
def hour_that_the_clocks_skip(folder: Path) -> Path:
    return put(folder, text(plant(96, "2025-03-29")))


@fault("C2", READ, mapping=Mapping(answer=(Answer(zone="Australia/Lord_Howe"),)))
def clocks_that_move_by_half_an_hour(folder: Path) -> Path:
    return put(folder, text(local("Australia/Lord_Howe", "2025-04-08", 96)))


@fault("C3", "D-DUPLICATE")
def equal_rows_twice(folder: Path) -> Path:
    return put(folder, text(pd.concat([plant(), plant()[10:12]])))


@fault("C3", "D-DUPLICATE")
def other_values_at_the_same_time(folder: Path) -> Path:
    return put(folder, text(pd.concat([plant(), plant()[10:12].assign(it_power_kw=77.0)])))


@fault("C4", READ)
def newest_first(folder: Path) -> Path:
    return put(folder, text(plant()[::-1]))


@fault("C4", "D-DISORDER")
def rows_in_any_order(folder: Path) -> Path:
    return put(folder, text(plant().sample(frac=1.0, random_state=1)))


@fault("C5", "D-CLOCK-JUMP")
def clock_jump(folder: Path) -> Path:
    moments = pd.date_range("2025-03-01", periods=480, freq="h")
    ahead = pd.to_timedelta(np.where(np.arange(480) >= 470, 20, 0), unit="min")
    return put(folder, text(stamped(moments + ahead)))


@fault("C5", "E-TIME-DRIFT")
def clock_that_drifts(folder: Path) -> Path:
    moments = pd.date_range("2025-03-01", periods=480, freq="3603s")
    return put(folder, text(stamped(moments + pd.to_timedelta(np.arange(480) % 7, unit="s"))))


@fault("C5", "D-INTERVAL-ODD")
def clock_that_is_slow_by_three_seconds_an_hour(folder: Path) -> Path:
    return put(folder, text(stamped(pd.date_range("2025-03-01", periods=480, freq="3603s"))))


@fault("C5", "D-GAP")
def stamps_of_1970(folder: Path) -> Path:
    table = plant()
    table.loc[40, "timestamp"] = "1970-01-01 00:00"
    return put(folder, text(table))


@fault("C6", "D-GAP")
def a_day_is_missing(folder: Path) -> Path:
    return put(folder, text(plant(240).drop(index=range(100, 130))))


@fault("C6", "E-TIME-DRIFT")
def five_fifteen_and_sixty_minutes_mixed(folder: Path) -> Path:
    moments = pd.date_range("2025-03-01", periods=96, freq="h").union(
        pd.date_range("2025-03-02", periods=48, freq="5min")
    )
    return put(folder, text(stamped(moments)))


@fault("C7", "D-DUPLICATE")
def clock_set_back_by_a_day(folder: Path) -> Path:
    moments = pd.date_range("2025-03-01", periods=96, freq="h").to_series()
    moments.iloc[60:] -= pd.Timedelta("1D")
    return put(folder, text(stamped(pd.DatetimeIndex(moments))))


@fault("C7", "D-GAP")
def clock_set_forward_by_two_days(folder: Path) -> Path:
    moments = pd.date_range("2025-03-01", periods=96, freq="h").to_series()
    moments.iloc[60:] += pd.Timedelta("2D")
    return put(folder, text(stamped(pd.DatetimeIndex(moments))))
