"""FeatureFrame: the ordered, hashed table that models are fitted on and score with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.schema import KEY_COLUMNS

FloatArray = npt.NDArray[np.float64]


def schema_hash(names: list[str], categories: dict[str, list[str]]) -> str:
    """Return a short hash of ordered feature names and their categories."""
    return hashlib.sha256(json.dumps([names, categories], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FeatureFrame:
    """Features of one quantity.

    Parameters
    ----------
    keys : pandas.DataFrame, shape (rows, 3)
        ``site_id``, ``unit_id``, ``timestamp`` (UTC) of every row.
    X : pandas.DataFrame, shape (rows, features)
        float64, in the order the model will see; text is coded by `categories`.
    quantity : str
        Canonical name of the target.
    y : pandas.Series or None, shape (rows,)
        Target; NaN where it was not measured.
    categories : dict
        Feature name -> ordered category labels (codes are positions; unknown is NaN).
    baselines : pandas.DataFrame or None, shape (rows, baselines)
        Columns that reference models need (for example ``last`` or ``same_hour_last_week``) and
        that no learned model may see.
    meters : pandas.DataFrame or None, shape (rows, meters)
        Power meters of parts of the quantity [kW]. They teach a model that predicts part by part and are
        never an input: a row to score has none.

    Invariants
    ----------
    All parts have the same length; X is float64 without infinities.
    """

    keys: pd.DataFrame
    X: pd.DataFrame
    quantity: str
    y: pd.Series | None = None
    categories: dict[str, list[str]] | None = None
    baselines: pd.DataFrame | None = None
    meters: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if list(self.keys.columns) != list(KEY_COLUMNS):
            raise ValueError(f"keys must have the columns {KEY_COLUMNS}")
        for part in (self.X, self.y, self.baselines, self.meters):
            if part is not None and len(part) != len(self.keys):
                raise ValueError("keys, X, y, baselines and meters must have the same length")
        if any(dtype != np.float64 for dtype in self.X.dtypes):
            raise ValueError("features must be float64")
        if np.isinf(self.X.to_numpy()).any():
            raise ValueError("features must not be infinite")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def names(self) -> list[str]:
        """Ordered feature names."""
        return list(self.X.columns)

    @property
    def hash(self) -> str:
        """Hash of names and categories; a model refuses another one."""
        return schema_hash(self.names, self.categories or {})

    def rows(self, mask: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> FeatureFrame:
        """Return the selected rows (boolean mask or positions)."""
        selected = np.asarray(mask)
        where = (np.flatnonzero(selected) if selected.dtype == bool else selected).astype(np.intp)
        return replace(
            self,
            keys=self.keys.iloc[where].reset_index(drop=True),
            X=self.X.iloc[where].reset_index(drop=True),
            y=None if self.y is None else self.y.iloc[where].reset_index(drop=True),
            baselines=None if self.baselines is None else self.baselines.iloc[where].reset_index(drop=True),
            meters=None if self.meters is None else self.meters.iloc[where].reset_index(drop=True),
        )

    def measured(self) -> FeatureFrame:
        """Return the rows whose target was measured."""
        if self.y is None:
            raise ValueError("the frame has no target")
        return self.rows(self.y.notna().to_numpy())

    def target(self) -> FloatArray:
        """Return the target as an array [unit of the quantity]."""
        if self.y is None:
            raise ValueError("the frame has no target")
        return self.y.to_numpy(dtype=np.float64)
