"""Reading: export files as they are -> telemetry, findings, and a mapping that can be followed again."""

from features.reading.export import Reading, concatenated, read_export, read_paths
from features.reading.isolated import read_isolated
from features.reading.ledger import RowCounts
from features.reading.mapping import (
    Answer,
    ColumnMapping,
    FileMapping,
    Mapping,
    TimeMapping,
)

__all__ = [
    "Answer",
    "ColumnMapping",
    "FileMapping",
    "Mapping",
    "Reading",
    "RowCounts",
    "TimeMapping",
    "concatenated",
    "read_export",
    "read_isolated",
    "read_paths",
]
