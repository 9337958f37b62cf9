"""Columns of numbers that live in files: a DataFrame of more rows than memory holds as numbers.

Such a column is read whole when it is asked for (`to_numpy`) and gone from memory when nobody holds it any
more. The file has no name: it disappears with the last column that refers to it, however the process ends.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, register_extension_dtype

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_WIDTH = 8


class NumberFile:
    """A nameless file of float64; rows may be written in any order and from several threads."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="advisor-", buffering=0)  # noqa: SIM115 - closed with self
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def write(self, start: int, values: FloatArray) -> None:
        """Write values from row `start` on."""
        view = np.ascontiguousarray(values, dtype=np.float64).data.cast("B")
        done = 0
        with self._lock:
            self._file.seek(start * _WIDTH)
            while done < len(view):
                done += self._file.write(view[done:]) or 0

    def read(self, start: int, stop: int) -> FloatArray:
        """Return the rows ``start <= row < stop``.

        Raises
        ------
        EOFError
            They were never written.
        """
        values = np.empty(max(stop - start, 0), dtype=np.float64)
        view = values.data.cast("B")
        done = 0
        with self._lock:
            self._file.seek(start * _WIDTH)
            while done < len(view):
                got = self._file.readinto(view[done:]) or 0
                if not got:
                    raise EOFError(f"row {start + done // _WIDTH} was never written")
                done += got
        return values


@register_extension_dtype
class FiledDtype(ExtensionDtype):
    """Numbers of a file."""

    name = "filed-float64"
    type = float
    kind = "f"
    na_value = np.nan

    @classmethod
    def construct_array_type(cls) -> Any:
        """Return the class of such columns."""
        return FiledArray


class FiledArray(ExtensionArray):
    """A column whose numbers live in a file.

    Parameters
    ----------
    file : NumberFile
    start, count : int
        The rows of the file that are this column's.
    complete : bool
        Whether it is known that no number is missing.
    """

    def __init__(self, file: NumberFile, start: int, count: int, *, complete: bool = False) -> None:
        self._held, self._start, self._count = file, start, count
        self.complete = complete

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Return numbers as a column in a file of its own."""
        file = NumberFile()
        file.write(0, values)
        return cls(file, 0, len(values), complete=not np.isnan(values).any())

    @classmethod
    def _from_sequence(cls, scalars: Sequence[float], *, dtype: Any = None, copy: bool = False) -> Self:  # noqa: ARG003
        return cls.of(np.asarray(scalars, dtype=np.float64))

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[FiledArray]) -> Self:
        file, start = NumberFile(), 0
        for part in to_concat:
            file.write(start, part.numbers())
            start += len(part)
        return cls(file, 0, start, complete=all(part.complete for part in to_concat))

    @property
    def dtype(self) -> FiledDtype:
        """The type."""
        return FiledDtype()

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self._count * _WIDTH

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, (int, np.integer)):
            row = int(item) + (self._count if item < 0 else 0)
            if not 0 <= row < self._count:
                raise IndexError(f"row {item} of {self._count}")
            return float(self._held.read(self._start + row, self._start + row + 1)[0])
        if isinstance(item, slice):
            start, stop, step = item.indices(self._count)
            if step == 1:
                count = max(stop - start, 0)
                return type(self)(self._held, self._start + start, count, complete=self.complete)
        return type(self).of(self.numbers()[item])

    def __eq__(self, other: object) -> Any:
        return self.numbers() == np.asarray(other, dtype=np.float64)

    def __hash__(self) -> int:
        raise TypeError("a column is not hashable")

    def numbers(self) -> FloatArray:
        """Return the numbers; NaN where missing."""
        return self._held.read(self._start, self._start + self._count)

    def to_numpy(
        self,
        dtype: Any = None,
        copy: bool = False,  # noqa: ARG002
        na_value: Any = np.nan,  # noqa: ARG002
    ) -> npt.NDArray[Any]:
        """Return the numbers."""
        return self.numbers().astype(np.float64 if dtype is None else dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.to_numpy(dtype)

    def isna(self) -> npt.NDArray[np.bool_]:
        """Return where numbers are missing."""
        return np.zeros(self._count, dtype=bool) if self.complete else np.isnan(self.numbers())

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> Self:  # noqa: ARG002
        """Return the rows at these positions as a new column; -1 is missing where `allow_fill`."""
        positions = np.asarray(indices, dtype=np.int64)
        values = self.numbers()[positions]
        if allow_fill:
            values[positions == -1] = np.nan
        return type(self).of(values)

    def copy(self) -> Self:
        """Return the column; its file never changes."""
        return type(self)(self._held, self._start, self._count, complete=self.complete)


def is_filed(column: pd.Series) -> bool:
    """Whether the column's numbers live in a file."""
    return isinstance(column.dtype, FiledDtype)


def kept_as(column: pd.Series, values: FloatArray) -> FloatArray | FiledArray:
    """Return new numbers of a column in a file where the old ones live in one."""
    return FiledArray.of(values) if is_filed(column) else values


def loaded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame all in memory: numbers of files as float64, keys by number as text."""
    changed: dict[str, Any] = {
        str(name): frame[name].to_numpy() for name in frame.columns if is_filed(frame[name])
    }
    changed |= {
        str(name): frame[name].astype("str")
        for name in frame.columns
        if isinstance(frame[name].dtype, pd.CategoricalDtype)
    }
    return frame.assign(**changed) if changed else frame


def numbered(column: pd.Series) -> npt.NDArray[np.integer[Any]]:
    """Return a number per row that tells names apart; -1 where missing.

    Parameters
    ----------
    column : pandas.Series of str or category
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    return pd.factorize(column)[0]


def ranks(column: pd.Series) -> IntArray:
    """Return a number per row in the sorted order of the names; -1 where missing.

    Parameters
    ----------
    column : pandas.Series of str or category
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        order = np.argsort(np.asarray(column.cat.categories, dtype=object))
        rank = np.empty(len(order) + 1, dtype=np.int64)
        rank[order] = np.arange(len(order))
        rank[-1] = -1
        return rank[column.cat.codes.to_numpy()]
    codes, _ = pd.factorize(column, sort=True)
    return codes.astype(np.int64)
