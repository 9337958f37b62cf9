"""Losses of the power chain as a function of IT power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.frame import FloatArray
from features.operation import BoolArray, Operation

_OUTLIER_SD = 8.0


@dataclass(frozen=True)
class ChainLoss:
    """Losses of UPS and distribution and the rest of the site: a + b x + c x^2 of IT power x [kW]."""

    a: float
    b: float
    c: float

    def predict(self, it_kw: FloatArray) -> FloatArray:
        """Return the loss [kW]."""
        return self.a + self.b * it_kw + self.c * it_kw**2

    def slope(self, it_kw: FloatArray) -> FloatArray:
        """Return d loss / d IT [1]."""
        return self.b + 2 * self.c * it_kw


def fit_chain(operation: Operation, rows: BoolArray) -> ChainLoss:
    """Fit the power chain; zero where cooling is not metered (then it is inside the overhead)."""
    if operation.cooling_kw is None:
        return ChainLoss(0.0, 0.0, 0.0)
    rest = (operation.facility_kw - operation.it_kw - operation.cooling_kw)[rows]
    it = operation.it_kw[rows]
    # one spike of the facility meter is larger than the whole chain: it must not bend the line
    away = np.abs(rest - np.median(rest))
    kept = away <= max(_OUTLIER_SD * 1.4826 * float(np.median(away)), 1e-9)
    rest, it = rest[kept], it[kept]
    centre, spread = it.mean(), float(it.std())
    if spread <= 1e-6 * centre:  # a load that never changes says nothing about the slope
        return ChainLoss(float(rest.mean()), 0.0, 0.0)
    c, b, a = np.polyfit((it - centre) / spread, rest, 2)
    return ChainLoss(
        float(a - b * centre / spread + c * (centre / spread) ** 2),
        float(b / spread - 2 * c * centre / spread**2),
        float(c / spread**2),
    )
