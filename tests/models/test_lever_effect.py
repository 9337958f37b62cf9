"""Effects of levers: a known one, a confounded one, a consequence, and the real plants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.lever_effect import Conditions, Lever, lever_effect

SHARED = Path(__file__).parents[3] / "shared" / "data"
WEEKS = 24


class Plant:
    """Hours of a plant with known law: +2.5 % per K of condenser water."""

    def __init__(self, seed: int = 0) -> None:
        n = WEEKS * 168
        rng = np.random.default_rng(seed)
        hour = np.arange(n)
        self.rng = rng
        self.wet = 18 + 6 * np.sin(2 * np.pi * hour / n) + 3 * np.sin(2 * np.pi * hour / 24) + self.slow(1.0)
        self.heat = 800 * np.exp(
            0.15 * np.sin(2 * np.pi * (hour - 9) / 24) + 0.01 * self.wet + self.slow(0.03)
        )
        self.noise = 0.02 * rng.standard_normal(n)
        self.conditions = Conditions(
            self.heat, self.wet, self.wet + 4.0, (hour % 168).astype(np.int64),
            (hour // 168).astype(np.int64), {}, 1,
        )  # fmt: skip

    def slow(self, spread: float) -> np.ndarray:
        """Return a walk that comes back within about a day."""
        out = np.zeros(WEEKS * 168)
        for i in range(1, len(out)):
            out[i] = 0.96 * out[i - 1] + spread * 0.28 * self.rng.standard_normal()
        return out

    def power(self, water: np.ndarray) -> np.ndarray:
        curve = 0.2 * (self.heat / 800) ** 1.1 * 800
        return curve * np.exp(0.01 * self.wet + 0.025 * (water - 28) + self.noise)


def water_lever(values: np.ndarray) -> Lever:
    return Lever("condenser water", values, "K", 1.0, 0.4)


def test_a_known_effect_is_found() -> None:
    plant = Plant()
    water = plant.wet + 7 + plant.heat / 400 + plant.slow(1.5)
    found = lever_effect(plant.power(water), water_lever(water), plant.conditions, 0)
    assert found.told, found.reason
    true = 100 * np.expm1(0.025)
    assert found.effect.lower - 0.1 <= true <= found.effect.upper + 0.1
    assert found.effect.point == pytest.approx(true, rel=0.1)
    assert found.effect.upper - found.effect.lower < 1.0


def test_water_that_follows_the_weather_tells_nothing() -> None:
    plant = Plant()
    water = plant.wet + 7 + plant.heat / 400 + 0.05 * plant.rng.standard_normal(len(plant.wet))
    found = lever_effect(plant.power(water), water_lever(water), plant.conditions, 0)
    assert not found.told
    assert found.effect is None
    assert found.reason.startswith("it followed heat, weather and calendar")


def test_a_consequence_is_no_lever() -> None:
    """Power that rises by chance warms the water of the same hour; an hour later nothing is left of it."""
    plant = Plant()
    plant.noise = 0.06 * plant.rng.standard_normal(len(plant.wet))
    flat = plant.power(np.full(len(plant.wet), 28.0))
    water = 28.0 + 15.0 * plant.noise + 0.3 * plant.rng.standard_normal(len(plant.wet))
    found = lever_effect(flat, water_lever(water), plant.conditions, 0)
    assert found.ridge.lower > 0
    assert not found.told
    assert "consequence" in found.reason


def test_nothing_is_claimed_where_there_is_no_effect() -> None:
    plant = Plant()
    other = 20.0 + plant.slow(1.5)
    found = lever_effect(plant.power(np.full(len(plant.wet), 28.0)), water_lever(other), plant.conditions, 0)
    assert found.effect is None or found.effect.lower <= 0 <= found.effect.upper


@pytest.mark.parametrize(("weeks", "why"), [(4, "settled steps"), (WEEKS, "changed only 1 times")])
def test_too_little_is_said(weeks: int, why: str) -> None:
    plant = Plant()
    water = np.where(np.arange(len(plant.wet)) < weeks * 84, 28.0, 30.0)
    water[weeks * 168 :] = np.nan
    found = lever_effect(plant.power(water), water_lever(water), plant.conditions, 0)
    assert not found.told
    assert why in found.reason


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not on this machine")
def test_real_plants() -> None:
    """Warmer condenser water costs the chillers of Hsinchu power; in Singapore nothing can be told of it."""
    from tests.benchmarks.lever_effects import hsinchu, singapore

    _, lever, power, conditions = next(iter(hsinchu()))
    found = lever_effect(power, lever, conditions, 0)
    assert found.told, found.reason
    assert 1.0 < found.effect.lower < found.effect.upper < 4.0
    for _, lever, power, conditions in singapore():
        assert not lever_effect(power, lever, conditions, 0).told
