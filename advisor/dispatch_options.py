"""What could be bought or built beside a dispatch: sized inside the linear programme, with a proven gap."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

OptionKind = Literal["supply", "battery", "retrofit", "certificate"]


@dataclass(frozen=True)
class Option:
    """One thing that may be bought, in any amount up to ``most`` (retrofits: all or nothing).

    Parameters
    ----------
    name : str
    kind : {"supply", "battery", "retrofit", "certificate"}
        "supply": own or contracted generation, unit kW; "battery": more of the site's battery, unit kWh;
        "retrofit": 0 or 1; "certificate": guarantees of origin, unit kWh: they count in ``green_share``
        targets only and in no hour.
    site_id : str or None
        Where it stands; None: certificates of the whole portfolio.
    cost_per_unit : float
        What a unit costs within the window, investment shared out over its life [currency/unit].
    most : float
    profile : numpy.ndarray or None, shape (n,)
        "supply": production per kW [kW/kW]; "retrofit": facility power saved [kW].
    power_per_energy : float
        "battery": kW per kWh.

    Raises
    ------
    features.errors.UsageError
        ``E-OPTION``: a value is wrong.
    """

    name: str
    kind: OptionKind
    site_id: str | None
    cost_per_unit: float
    most: float
    profile: FloatArray | None = None
    power_per_energy: float = 1.0

    def __post_init__(self) -> None:
        needs = self.kind in ("supply", "retrofit")
        profile = np.zeros(1) if self.profile is None else np.asarray(self.profile)
        wrong = {
            say("it needs a profile"): needs and self.profile is None,
            say("its profile is missing or negative"): not (np.isfinite(profile) & (profile >= 0)).all(),
            say("it needs a site"): self.site_id is None and self.kind != "certificate",
            say("its cost or its most is wrong"): not (
                np.isfinite(self.cost_per_unit) and 0 <= self.most < inf and self.power_per_energy > 0
            ),
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise UsageError("E-OPTION", what, self.name, say("correct the option"))

    @property
    def series(self) -> FloatArray:
        """The profile; empty where there is none."""
        return np.zeros(0) if self.profile is None else self.profile

    @property
    def whole(self) -> bool:
        """Whether it is bought wholly or not at all."""
        return self.kind == "retrofit"
