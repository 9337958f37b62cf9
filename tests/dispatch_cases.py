"""Small dispatch problems for the tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from advisor.assets import Battery
from advisor.dispatch import DispatchSite, Exchange


def battery(energy: float = 10.0, **changes: float | bool) -> Battery:
    """A battery with simple efficiencies."""
    values = {
        "energy_kwh": energy, "power_kw": energy, "charge_efficiency": 0.8, "discharge_efficiency": 0.5,
    }  # fmt: skip
    return Battery.model_validate({**values, **changes, "source": "test"})


def site(
    load: list[float], own: list[float], dirty: list[float] | float = 1.0, **changes: object
) -> DispatchSite:
    """A site from plain lists."""
    values = {
        "site_id": "a",
        "load_kw": np.array(load, dtype=float),
        "own_kw": np.array(own, dtype=float),
        "grid_non_green": np.broadcast_to(np.asarray(dirty, dtype=float), len(load)).copy(),
    }
    return DispatchSite(**(values | changes))  # type: ignore[arg-type]


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[DispatchSite], np.ndarray, dict[str, object]]:
    """Up to three sites over two to three days of four steps, with everything a site may have."""
    n, count = 4 * draw(st.integers(2, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sites = []
    for k in range(count):
        it = rng.uniform(20, 100, n)
        store = None
        if draw(st.booleans()):
            size = float(rng.uniform(5, 200))
            store = Battery(
                energy_kwh=size, power_kw=float(rng.uniform(5, 100)),
                charge_efficiency=float(rng.uniform(0.7, 1)), discharge_efficiency=float(rng.uniform(0.7, 1)),
                reserve_kwh=size * float(rng.uniform(0, 0.9)), grid_charging=draw(st.booleans()),
                source="test",
            )  # fmt: skip
        sites.append(
            DispatchSite(
                f"s{k}", it * 1.4 + 5, rng.uniform(0, 250, n) * (rng.random(n) < 0.6), rng.uniform(0, 1, n),
                it_kw=it, marginal=rng.uniform(1.0, 1.6, n),
                flexible_share=draw(st.sampled_from([0.0, 0.2, 1.0])),
                it_capacity_kw=float(it.max() * rng.uniform(1, 1.5)), battery=store,
                price_per_kwh=rng.uniform(-0.2, 1, n), carbon_g_per_kwh=rng.uniform(0, 900, n),
                frozen=rng.random(n) < 0.1,
            )
        )  # fmt: skip
    options: dict[str, object] = {
        "battery_start": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "battery_end": draw(st.sampled_from(["as-started", "free"])),
        "between_sites": draw(st.booleans()),
    }
    if options["between_sites"] and draw(st.booleans()):
        names = tuple(s.site_id for s in sites)
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        options["exchanges"] = [Exchange(p, 0.05, 0.01) for p in pairs] or [Exchange(names, 0.05, 0.01)]
    return sites, np.arange(n) // 4, options
