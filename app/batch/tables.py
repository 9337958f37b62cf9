"""The tables of the store: one Arrow schema each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

STAMP = pa.timestamp("us", "UTC")
_KEY = [("as_of", pa.date32()), ("run_id", pa.string()), ("site_id", pa.string())]
_ROW = [("unit_id", pa.string()), ("timestamp", STAMP)]
_BAND = [
    ("quantity", pa.string()), ("unit", pa.string()), ("point", pa.float64()), ("lower", pa.float64()),
    ("upper", pa.float64()), ("coverage", pa.float64()),
]  # fmt: skip
_ORIGIN = [("model_id", pa.string()), ("data_hash", pa.string()), ("version", pa.string())]

PREDICTIONS = pa.schema([*_KEY, *_ROW, *_BAND, ("in_domain", pa.bool_()), ("tier", pa.string()), *_ORIGIN])
"""Tomorrow, one row per site, unit, interval and quantity. Stamps of a site whose zone is ``unknown``
are wall-clock time."""

ANOMALIES = pa.schema(
    [*_KEY, *_ROW, *_BAND, ("measured", pa.float64()), ("excess", pa.float64()), ("basis", pa.string()),
     *_ORIGIN]
)  # fmt: skip
"""Values of today outside their interval; ``excess`` [1] is the distance from the nearer bound over the
interval's width, ``basis`` which task the interval is of."""

PLANS = pa.schema(
    [*_KEY, *_ROW, ("lever", pa.string()), ("current", pa.float64()), ("recommended", pa.float64()),
     ("unit", pa.string()), ("basis", pa.string()), *_ORIGIN]
)  # fmt: skip
"""Commands for tomorrow that the verifier supports; sites that hold have none."""

SITES = pa.schema(
    [
        *_KEY,
        ("name", pa.string()), ("kind", pa.string()), ("status", pa.string()), ("tier", pa.string()),
        ("code", pa.string()), ("reason", pa.string()), ("remedy", pa.string()),
        ("energy_quantity", pa.string()), ("measured_share", pa.float64()),
        ("energy_kwh", pa.float64()), ("energy_next_kwh", pa.float64()),
        ("energy_next_lower_kwh", pa.float64()), ("energy_next_upper_kwh", pa.float64()),
        ("pue", pa.float64()), ("pue_next", pa.float64()),
        ("plan", pa.string()), ("plan_code", pa.string()), ("plan_reason", pa.string()),
        ("saving_kwh", pa.float64()), ("saving_lower_kwh", pa.float64()), ("saving_upper_kwh", pa.float64()),
        ("saving_pct", pa.float64()), ("saving_cost", pa.float64()), ("currency", pa.string()),
        ("rank", pa.int64()),
        ("drift", pa.bool_()), ("drift_quantity", pa.string()), ("drift_share", pa.float64()),
        ("drift_p", pa.float64()), ("drift_basis", pa.string()),
        ("anomalies", pa.int64()), ("anomalies_expected", pa.float64()), ("judged", pa.int64()),
        ("data_start", pa.string()), ("data_end", pa.string()), ("data_age_h", pa.float64()),
        ("zone", pa.string()), ("zone_assumed", pa.bool_()), ("interval_s", pa.float64()),
        ("units", pa.int64()), ("rows_in", pa.int64()), ("rows_accepted", pa.int64()),
        ("rows_quarantined", pa.int64()), ("rows_rejected", pa.int64()),
        ("findings", pa.int64()), ("input_digest", pa.string()),
        *_ORIGIN,
    ]
)  # fmt: skip
"""One row per site of the folder, quarantined ones included (``status``, ``code``, ``reason``)."""

RUNS = pa.schema(
    [
        ("sequence", pa.int64()), ("as_of", pa.date32()), ("run_id", pa.string()), ("sites", pa.int64()),
        ("scored", pa.int64()), ("quarantined", pa.int64()), ("inputs", pa.string()), ("models", pa.string()),
        ("version", pa.string()),
        ("predictions_version", pa.int64()), ("anomalies_version", pa.int64()),
        ("plans_version", pa.int64()), ("sites_version", pa.int64()),
    ]
)  # fmt: skip
"""Complete runs. A row is the last thing that a run writes; it names the version of each table."""

STAGED: Mapping[str, pa.Schema] = {
    "predictions": PREDICTIONS, "anomalies": ANOMALIES, "plans": PLANS, "sites": SITES,
}  # fmt: skip
"""Tables that chunks of sites give, in the order in which they are committed."""

ORDER: Mapping[str, Sequence[str]] = {
    "predictions": ("site_id", "unit_id", "quantity", "timestamp"),
    "anomalies": ("site_id", "unit_id", "quantity", "timestamp"),
    "plans": ("site_id", "unit_id", "lever", "timestamp"),
    "sites": ("site_id",),
}
"""Columns that identify a row within a run."""

Row = dict[str, object]
Tables = dict[str, pa.Table]
"""Table name -> rows, without the columns that only the run knows (``as_of``, ``run_id``, ``rank``)."""


def chunk_schema(name: str) -> pa.Schema:
    """Return the schema of a chunk's rows: those of the table without ``as_of``, ``run_id`` and ``rank``."""
    return pa.schema([f for f in STAGED[name] if f.name not in ("as_of", "run_id", "rank")])


def table_of(name: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Return rows as a chunk's table; what a row does not name is null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=chunk_schema(name))


def empty_tables() -> Tables:
    """Return every table without rows."""
    return {name: chunk_schema(name).empty_table() for name in STAGED}


def concatenated(parts: Sequence[Tables]) -> Tables:
    """Return the rows of several chunks or sites one after another."""
    return {name: pa.concat_tables([empty_tables()[name], *(p[name] for p in parts)]) for name in STAGED}
