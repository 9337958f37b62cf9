"""A plant predicted part by part: one model per sub-meter, added up.

Fans, pumps and compressors switch at limits of their own. Trees that see only the sum must find all these
limits in one number; each part alone is plain. Sub-meters teach only: nothing of them is needed to predict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd

from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import check_hash
from models.conditional_mean import ConditionalMean
from models.gbm import Gbm, GbmParameters
from models.grey_box import IT, inner_of, outer_of

REST = "rest"
LOSSES = "ups_loss_kw"
LEAST_ROWS = 48
STILL_KW = 0.05
"""A meter that moves less never ran, or always in the same way."""


class MeterSum:
    """LightGBM per sub-meter, a parabola for the losses, and LightGBM for what no sub-meter shows.

    Parameters
    ----------
    name : str
    parameters : GbmParameters or None
        Of the trees.
    """

    def __init__(self, name: str = "sum of sub-meters", parameters: GbmParameters | None = None) -> None:
        self.name = name
        self.parameters = parameters or GbmParameters()
        self.hash = ""
        self.inputs: ConditionalMean | None = None
        self.parts: dict[str, Gbm] = {}
        self.losses: tuple[float, ...] = ()

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit every part on the rows in which all meters have a value.

        Raises
        ------
        features.errors.ModelError
            There are too few such rows.
        """
        known = frame.measured()
        self.inputs, self.hash = ConditionalMean.learn(known.X), frame.hash
        whole = self._filled(known)
        meters = pd.DataFrame(index=whole.X.index) if known.meters is None else known.meters
        rest = inner_of(whole, known.target()) - meters.sum(axis=1, skipna=False).to_numpy()
        usable = np.isfinite(rest)
        if usable.sum() < LEAST_ROWS:
            raise ModelError(
                "E-MODEL-ROWS",
                say("{name}: too few rows in which all sub-meters have a value", name=self.name),
            )
        whole, meters, rest = whole.rows(usable), meters[usable], rest[usable]
        if LOSSES in meters and IT in whole.X:
            # losses of the power chain: a + b x + c x^2 of the load
            found = np.polynomial.Polynomial.fit(whole.X[IT], meters[LOSSES], 2).convert().coef
            self.losses = tuple(float(c) for c in np.resize(found, 3) * (np.arange(3) < len(found)))
            meters = meters.drop(columns=LOSSES)
        still = [name for name in meters if float(np.ptp(meters[name])) < STILL_KW]
        rest = rest + meters[still].sum(axis=1).to_numpy()  # what never moves is no part of its own
        moving = {str(name): meters[name].to_numpy() for name in meters if name not in still}
        self.parts = {
            name: Gbm(name, self.parameters).fit(replace(whole, y=pd.Series(values)))
            for name, values in {**moving, REST: rest}.items()
        }
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the prediction [unit of the quantity] per row; NaN for a PUE without IT power."""
        if not self.parts:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        check_hash(self.hash, frame)
        whole = self._filled(frame)
        total = self.parts[REST].predict(whole)
        for name, part in self.parts.items():
            if name != REST:
                total = total + np.maximum(part.predict(whole), 0.0)  # a meter counts no negative power
        if self.losses:
            total = total + np.polynomial.polynomial.polyval(whole.X[IT].to_numpy(), self.losses)
        return outer_of(whole, total)

    def _filled(self, frame: FeatureFrame) -> FeatureFrame:
        if self.inputs is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        return self.inputs.filled(frame)

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the trees' texts into `texts`, one file per sub-meter."""
        if self.inputs is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        parts = {name: part.to_parts(f"{name}-{file}", texts) for name, part in self.parts.items()}
        return {
            "name": self.name, "hash": self.hash, "inputs": self.inputs.to_dict(),
            "losses": list(self.losses), "parts": parts,
        }  # fmt: skip

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> MeterSum:
        """Rebuild from `to_parts`."""
        model = cls(about["name"])
        model.hash, model.losses = about["hash"], tuple(about["losses"])
        model.inputs = ConditionalMean.from_dict(about["inputs"])
        model.parts = {
            name: Gbm.from_parts(part, f"{name}-{file}", texts) for name, part in about["parts"].items()
        }
        return model
