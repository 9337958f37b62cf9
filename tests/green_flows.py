"""Flows for the tests of the measures of green: any load, plants, contracts and a simple battery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from advisor.green.flows import Basis, GreenFlows, GridMix, Supply

STEPS = 6
ENERGY = st.floats(0.0, 1000.0).map(lambda v: round(v, 3))
SHARE = st.floats(0.0, 1.0).map(lambda v: round(v, 4))
MEASURED = Basis("measured", "meters")


def series(elements: st.SearchStrategy[float] = ENERGY) -> st.SearchStrategy[np.ndarray]:
    return arrays(float, STEPS, elements=elements)


def balanced(
    load: np.ndarray,
    roof: np.ndarray,
    line: np.ndarray,
    contract: np.ndarray,
    cfe: np.ndarray,
    *,
    stored: float = 0.0,
    exported: float = 0.0,
    from_grid: float = 0.0,
    sold: float = 0.0,
    site_id: str = "a",
    it: float | None = None,
) -> GreenFlows:
    """Return a site whose roof serves the load first, then its line, then the battery, then the grid.

    ``stored`` and ``exported`` are shares of the surplus [1], ``from_grid`` energy charged from the grid in
    the first step [kWh], ``sold`` the share of the roof's certificates that were sold [1].
    """
    roof_used = np.minimum(roof, load)
    line_used = np.minimum(line, load - roof_used)
    surplus = roof - roof_used
    charge = stored * surplus
    bought = np.zeros_like(load)
    bought[0] = from_grid
    level, discharge = 0.0, np.zeros_like(load)
    need = load - roof_used - line_used
    for h in range(len(load)):
        if charge[h] + bought[h] == 0.0:
            discharge[h] = min(0.9 * level, need[h])
        level += 0.9 * (charge[h] + bought[h]) - discharge[h] / 0.9
        level = max(level, 0.0)
    grid = need - discharge + bought
    fed = exported * (surplus - charge)
    made = float((roof_used + charge + fed).sum())
    return GreenFlows(
        site_id, 1.0, load, np.maximum(grid, 0.0),
        (
            Supply("roof", "self-built", roof_used + charge, exported_kwh=fed,
                   spilled_kwh=surplus - charge - fed, certified=True, certificates_sold_kwh=sold * made),
            Supply("line", "direct-line", line_used, spilled_kwh=line - line_used, certified=True),
            Supply("wind", "traded", contract, certified=True, carbon_g_per_kwh=12.0),
        ),
        GridMix(cfe_share=cfe, nuclear_share=0.3 * cfe, carbon_g_per_kwh=900.0 * (1 - cfe)),
        charge + bought, discharge, needed_kwh=float(load.sum()), it_kwh=it,
        basis={"load": MEASURED, "grid": Basis("modelled", "mix"), "supply": MEASURED},
    )  # fmt: skip


@st.composite
def sites(draw: st.DrawFn, site_id: str = "a", *, sold: bool = True) -> GreenFlows:
    load = draw(series(st.floats(1.0, 1000.0).map(lambda v: round(v, 3))))
    return balanced(
        load, draw(series()), draw(series()), draw(series()), draw(series(SHARE)),
        stored=draw(SHARE), exported=draw(SHARE), from_grid=draw(st.sampled_from([0.0, 50.0])),
        sold=draw(SHARE) if sold else 0.0, site_id=site_id, it=float(0.7 * load.sum()),
    )  # fmt: skip


def with_supply(flows: GreenFlows, name: str, **changes: object) -> GreenFlows:
    """Return the flows with one supply changed."""
    changed = tuple(replace(s, **changes) if s.name == name else s for s in flows.supplies)
    return replace(flows, supplies=changed)
