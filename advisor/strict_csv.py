"""Tables of facts as CSV, read strictly: the columns are the fields of a row's model, in their order."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from advisor.assets import Strict
from features.errors import CatalogueError
from features.message import say

Row = TypeVar("Row", bound=Strict)


def read_rows(path: Path, model: type[Row], what: str) -> tuple[Row, ...]:
    """Return the rows of a table.

    Parameters
    ----------
    path : pathlib.Path
        UTF-8, with a header.
    model : type
        One row; an empty cell is None.
    what : str
        Middle of the codes, such as ``HW``.

    Raises
    ------
    features.errors.CatalogueError
        ``E-<what>-FILE``: missing or unreadable; ``E-<what>-COLUMN``: other columns; ``E-<what>-VALUE``: a
        cell breaks its type or its row. File, row and column are told.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header, lines = next(reader, []), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogueError(
            f"E-{what}-FILE",
            say("not readable as CSV: {error}", error=error),
            str(path),
            say("correct the file"),
        ) from None
    if header != list(model.model_fields):
        raise CatalogueError(
            f"E-{what}-COLUMN",
            say("the columns are {found}", found=", ".join(header) or "-"),
            str(path),
            say("they must be {wanted}", wanted=", ".join(model.model_fields)),
        )
    return tuple(_row(path, number, cells, model, what) for number, cells in enumerate(lines, start=2))


def _row(path: Path, number: int, cells: list[str], model: type[Row], what: str) -> Row:
    names = list(model.model_fields)
    if len(cells) != len(names):
        raise CatalogueError(
            f"E-{what}-VALUE",
            say("{width} cells instead of {wanted}", width=len(cells), wanted=len(names)),
            f"{path}, row {number}",
            say("correct the file"),
        )
    try:
        return model.model_validate(
            {name: None if text == "" else text for name, text in zip(names, cells, strict=True)}
        )
    except ValidationError as error:
        first = error.errors()[0]
        column = ".".join(map(str, first["loc"])) or "all columns"
        raise CatalogueError(
            f"E-{what}-VALUE", first["msg"], f"{path}, row {number}, column {column}", say("correct the file")
        ) from None
