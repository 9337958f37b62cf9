"""EnergyPlus weather (EPW) -> a raw table.

Eight header lines, then one line per hour with 35 columns; column meanings and the codes of missing values
are those of the EnergyPlus Auxiliary Programs manual, "EnergyPlus Weather File (EPW) Data Dictionary".
"""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from features.errors import UnreadableFileError
from features.message import say
from features.reading.files import InputFile
from features.reading.raw import RawTable, layout_of

HEADER_LINES = 8
TIME = "timestamp"
_COLUMNS: dict[int, tuple[str, float]] = {
    6: ("Dry Bulb Temperature (degC)", 99.9),
    7: ("Dew Point Temperature (degC)", 99.9),
    8: ("Relative Humidity (%)", 999.0),
    9: ("Atmospheric Station Pressure (Pa)", 999_999.0),
    13: ("Global Horizontal Radiation (Wh/m2)", 9_999.0),
    14: ("Direct Normal Radiation (Wh/m2)", 9_999.0),
    15: ("Diffuse Horizontal Radiation (Wh/m2)", 9_999.0),
    20: ("Wind Direction (deg)", 999.0),
    21: ("Wind Speed (m/s)", 999.0),
}
"""Position -> header, and the number from which on the value is missing."""
_WIDTH = 35


def read_epw(file: InputFile) -> RawTable:
    """Read one weather file; a line's hour, 1 to 24, ends its interval in local standard time.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-DAMAGED``: the header or a line is not that of an EPW file.
    """
    with file.path.open("rb") as stream:
        first = stream.readline(4096).decode("latin-1")
    location = next(csv.reader([first]))
    try:
        offset = round(float(location[8]) * 60)
        names = [f"f{i}" for i in range(_WIDTH)]
        table = pa_csv.read_csv(
            file.path,
            pa_csv.ReadOptions(skip_rows=HEADER_LINES, column_names=names, encoding="latin-1"),
            pa_csv.ParseOptions(invalid_row_handler=lambda _row: "error"),
            pa_csv.ConvertOptions(
                column_types={n: pa.string() if i == 5 else pa.float64() for i, n in enumerate(names)}
            ),
        )
        stamps = _stamps(table)
    except (IndexError, ValueError, pa.ArrowException) as error:
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the EPW file is damaged: {error}", error=str(error)[:200]),
            file.where,
            say("download the weather file again"),
        ) from None
    sign, rest = "-" if offset < 0 else "+", abs(offset)
    zone = f"{sign}{rest // 60:02d}:{rest % 60:02d}"
    utc = stamps - np.timedelta64(offset, "m")
    columns: dict[str, pa.Array] = {TIME: pa.array(utc, pa.timestamp("us", zone))}
    for position, (header, missing) in _COLUMNS.items():
        values = table.column(position)
        columns[header] = pc.if_else(pc.less(values, missing), values, pa.scalar(None, pa.float64()))
    years = np.unique(stamps.astype("datetime64[Y]"))
    notes = () if len(years) == 1 else (_typical(years),)
    return RawTable(
        file,
        layout_of(file, header_row=HEADER_LINES),
        tuple(columns),
        ("",) * len(columns),
        pa.table(columns),
        np.arange(1, table.num_rows + 1, dtype=np.int64) + HEADER_LINES,
        notes=notes,
        interval_us=3_600_000_000,
    )


def _stamps(table: pa.Table) -> np.ndarray:
    """Return the start of each line's hour, local standard time."""
    year, month, day, hour = (
        table.column(i).to_numpy(zero_copy_only=False).astype(np.int64) for i in range(4)
    )
    good = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (hour >= 1) & (hour <= 24)
    if not good.all():
        line = int(np.flatnonzero(~good)[0]) + HEADER_LINES + 1
        raise ValueError(f"line {line}: no such month, day or hour")
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    return np.asarray(
        (months.astype("datetime64[D]") + (day - 1)).astype("datetime64[us]") + (hour - 1) * 3_600_000_000
    )


def _typical(years: np.ndarray) -> str:
    return say(
        "its months come from {count} different years ({first} to {last}): a typical year, not a "
        "measured one",
        count=len(years),
        first=str(years[0]),
        last=str(years[-1]),
    )
