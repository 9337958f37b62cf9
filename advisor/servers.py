"""The servers that a site declares."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from advisor.assets import NotNegative, Positive, Share, Strict


class ServerGroup(Strict):
    """Servers of one kind that do one pool of work.

    ``model`` is an id of the hardware catalogue, ``count`` how many stand, ``mean_utilisation`` and
    ``peak_utilisation`` [1] of one machine's capacity. Measured ``idle_w`` and ``full_w`` [W] override
    the catalogue. Groups of the same ``pool`` may take over each other's work.
    """

    name: str = Field(min_length=1)
    model: str = Field(min_length=1)
    count: Annotated[int, Field(ge=1)]
    mean_utilisation: Share
    peak_utilisation: Share
    pool: str = "general"
    memory_gb: Positive | None = None
    idle_w: NotNegative | None = None
    full_w: Positive | None = None
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _peak_above_mean(self) -> Self:
        if self.peak_utilisation < self.mean_utilisation:
            raise ValueError("peak_utilisation is below mean_utilisation")
        if (self.idle_w is None) != (self.full_w is None):
            raise ValueError("give idle_w and full_w together, or neither")
        return self
