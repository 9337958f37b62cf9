"""Long tables (time, point, value) and files of one point -> one raw table per point.

Rows stay the rows of the file, so the account of rows stays exact; the joining by time is the same as for
files that belong together.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import UnreadableFileError
from features.message import say
from features.reading.headers import words_of
from features.reading.raw import HeaderScore, RawTable, unique_names

POINT = re.compile(
    r"^((data ?|measuring )?points?|tag|signal|sensor|variable|parameter|metric|measurement|quantity|channel"
    r"|series|attribute|object|counter|kpi)( (name|id|code))?$|^key$"
    r"|^(点|点位|点名|测点|变量|参数|指标|信号|属性|采集点|监测点)(名|名称|编码|编号)?$"
)
"""Header of the column that names the point."""
BESIDE_UNIT = re.compile(r"^(type|item|description|名称|类型|项目)$")
"""Header that names the point only where another column says the unit of each value."""
VALUE = re.compile(
    r"^(values?|val|readings?|data|(data|present|measured|measurement|reading|numeric) value|pv)$"
    r"|^(值|数值|数据|读数|(测量|采集|数据|当前|实时|监测|指标|参数)值)$"
)
"""Header of the column that holds the numbers."""
UNIT = re.compile(r"^(units?|uom|eu|engineering units?|单位|计量单位)$")
"""Header of the column that says the unit."""
MAX_POINTS = 2_000
_OF_ONE_POINT = 5
"""Most columns of a file of one point: time, name, value, unit, quality."""


def split(table: RawTable, score: HeaderScore) -> list[RawTable]:
    """Return one table per point of a long table, or the table itself where it is none.

    Parameters
    ----------
    table : RawTable
    score : callable
        How well headers are recognised: a table whose headers say what was measured is no long table.

    Raises
    ------
    UnreadableFileError
        ``E-POINTS``: more points than any site has.
    """
    words = {words_of(h): h for h in reversed(table.headers)}
    value = next((h for w, h in words.items() if VALUE.match(w)), "")
    if not value or score([value]):
        return [table]
    point = next((h for w, h in words.items() if POINT.match(w)), "")
    unit = next((h for w, h in words.items() if UNIT.match(w)), "")
    if not point and unit:
        point = next((h for w, h in words.items() if BESIDE_UNIT.match(w)), "")
    if not point:
        bare = len(table.headers) <= _OF_ONE_POINT and score(table.headers) < 1.4
        return [_named(table, value, unit)] if bare else [table]
    return _by_point(table, point, value, unit)


def _named(table: RawTable, value: str, unit: str) -> RawTable:
    """Return a file of one point under the name of its file or sheet."""
    name = table.part or table.file.stem
    return _renamed(table, value, name, unit)


def _renamed(table: RawTable, value: str, name: str, unit: str) -> RawTable:
    """Return the table with its value column named after the point; a column of one unit says the unit."""
    units = pc.unique(table.data[unit].cast(pa.string())).drop_null().to_pylist() if unit else []
    said = str(units[0]).strip() if len(units) == 1 else ""
    kept = [(h, u) for h, u in zip(table.headers, table.unit_cells, strict=True) if not said or h != unit]
    names = unique_names([name if h == value else h for h, _ in kept])
    cells = tuple(said or u if h == value else u for h, u in kept)
    data = table.data.select([h for h, _ in kept]).rename_columns(list(names))
    return replace(table, headers=names, unit_cells=cells, data=data, of_point=True)


def _by_point(table: RawTable, point: str, value: str, unit: str) -> list[RawTable]:
    names = pc.utf8_trim_whitespace(table.data[point].cast(pa.string()))
    names = pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names)
    coded = names.combine_chunks().dictionary_encode()
    labels = coded.dictionary.to_pylist()
    if len(labels) > MAX_POINTS:
        raise UnreadableFileError(
            "E-POINTS",
            say(
                "the column {column!r} names {count:,} points, more than {most:,}",
                column=point,
                count=len(labels),
                most=MAX_POINTS,
            ),
            table.file.where,
            say("export fewer points at a time"),
        )
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(labels)), side="right")
    starts = np.searchsorted(codes[order], np.arange(len(labels)), side="left")
    rest = table.data.drop_columns([point])
    headers = [(h, u) for h, u in zip(table.headers, table.unit_cells, strict=True) if h != point]
    bare = replace(
        table, headers=tuple(h for h, _ in headers), unit_cells=tuple(u for _, u in headers), data=rest
    )
    parts = []
    for label, start, end in zip(labels, starts, ends, strict=True):
        rows = order[start:end]
        part = replace(
            bare,
            data=rest.take(pa.array(rows)),
            lines=table.lines[rows],
            broken=(),
            notes=(),
            layout=replace(table.layout, point=label),
            part=label,
        )
        parts.append(_renamed(part, value, label, unit))
    nameless = order[: int((codes < 0).sum())]
    cells = rest.take(pa.array(nameless)).to_pylist()
    lost = tuple(
        (int(line), " | ".join(str(v) for v in row.values() if v is not None))
        for line, row in zip(table.lines[nameless], cells, strict=True)
    )
    if parts:
        parts[0] = replace(parts[0], broken=tuple(sorted((*table.broken, *lost))), notes=table.notes)
    return parts or [table]
