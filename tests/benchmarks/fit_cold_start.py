"""Learn the prior of `models.cold_start` from simulated sites and print `models/cold_start_prior.py`.

    python tests/benchmarks/fit_cold_start.py > models/cold_start_prior.py

Forty sites of our own generator (`sample_data`), each with a climate, a plant and habits of its own drawn
from wide ranges; half of them have a water economiser. Sites with odd numbers are not used: they judge.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sample_data.data_centre import SUBTROPICAL, data_centre_year
from sample_data.plant import DataCentrePlant, Plant, Room
from sample_data.weather import Climate

TERMS = ("level", "wet_bulb", "wet_bulb_above_15", "dry_bulb", "dry_bulb_above_18", "load", "zone", "water")
SITES = 40
WIDER = {"chilled water": 2.0, "any": 4.0}
"""Real sites differ more than those of one generator: factor on the covariance of sites."""
FloatArray = npt.NDArray[np.float64]


def simulated_site(number: int) -> pd.DataFrame:
    """Return a year of a site: even numbers teach, odd ones judge."""
    rng = np.random.default_rng([17, number])
    mean_c = rng.uniform(0.0, 28.0)
    climate = Climate(
        mean_c=mean_c, season_k=rng.uniform(2, 16) * (1 - 0.4 * mean_c / 28), daily_k=rng.uniform(3, 7),
        depression_k=rng.uniform(3, 13),
    )  # fmt: skip
    size = float(np.exp(rng.uniform(np.log(0.1), np.log(3.0))))
    plant = Plant(
        chiller_kw_th=1250.0 * size, carnot_share=rng.uniform(0.30, 0.55),
        pump_kw=64 * size * rng.uniform(0.5, 1.8), condenser_pump_kw=14 * size * rng.uniform(0.5, 2),
        tower_fan_kw=22 * size * rng.uniform(0.5, 2), approach_k=rng.uniform(3, 7),
        economiser_approach_k=rng.uniform(3, 8) if rng.random() < 0.5 else None, ups_kw=1250.0 * size,
        ups_loss=(rng.uniform(0.005, 0.03), rng.uniform(0.005, 0.06), rng.uniform(0.01, 0.04)),
        rest_kw=11 * size * rng.uniform(0.3, 3),
    )  # fmt: skip
    room = Room(
        servers_kw=1000 * size, server_fan_kw=65 * size * rng.uniform(0.4, 1.6), server_air_m3_s=78 * size,
        crah_fan_kw=70 * size * rng.uniform(0.4, 2.2),
    )  # fmt: skip
    habit = {
        "zone_set_point_c": round(rng.uniform(20, 26), 1),
        "chilled_water_set_point_c": round(rng.uniform(7, 14), 1),
    }
    centre = replace(
        SUBTROPICAL, climate=climate, plant=DataCentrePlant(room, plant), current=habit, winter=habit,
        work=rng.uniform(0.3, 0.6), swing=rng.uniform(0.03, 0.15), tested=rng.uniform(0.05, 0.5),
    )  # fmt: skip
    year = data_centre_year(number, centre=centre)
    truth = year.truth[["it_power_kw", "facility_power_kw", "cooling_power_kw"]]
    noise = 1 + 0.004 * rng.standard_normal(truth.shape)
    return pd.concat([truth * noise, year.weather[_WEATHER], year.set_points], axis=1)


_WEATHER = ["outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "outdoor_rh_pct"]


def design(site: pd.DataFrame) -> FloatArray:
    """Return the terms, as `models.cold_start.ColdStart.design` makes them."""
    wet, dry = site["outdoor_wet_bulb_c"], site["outdoor_dry_bulb_c"]
    it = site["it_power_kw"]
    return np.column_stack(
        [
            np.ones(len(site)), (wet - 12) / 10, (wet - 15).clip(lower=0) / 10, (dry - 15) / 10,
            (dry - 18).clip(lower=0) / 10, np.log((it / it.median()).clip(lower=0.1)),
            (site["zone_set_point_c"] - 22) / 5, (site["chilled_water_set_point_c"] - 9) / 5,
        ]
    )  # fmt: skip


def fit(share: str) -> tuple[FloatArray, FloatArray, float, float]:
    """Return mean and covariance of the sites' coefficients, noise, and hours in a row that count as one."""
    coefficients, noises, alike = [], [], []
    for number in range(0, 2 * SITES, 2):
        site = simulated_site(number)
        it = site["it_power_kw"]
        value = site["cooling_power_kw"] if share == "cooling" else site["facility_power_kw"] - it
        z = np.log(np.maximum(value / it, 0.005)).to_numpy()
        X = design(site)
        gram = X.T @ X + 5.0 * np.eye(len(TERMS))  # a site of one season cannot tell every slope
        found = np.linalg.solve(gram, X.T @ z)
        left = z - X @ found
        memory = float(np.corrcoef(left[1:], left[:-1])[0, 1])
        coefficients.append(found)
        noises.append(left.std())
        alike.append((1 + memory) / (1 - memory))
    table = np.array(coefficients)
    return table.mean(axis=0), np.cov(table.T), float(np.median(noises)), float(np.median(alike))


HEAD = '''"""Numbers of the prior of `models.cold_start`: what simulated sites share, and how they differ.

Made by ``tests/benchmarks/fit_cold_start.py`` from {sites} sites of our own generator (modelled, not
measured); the covariance is widened, because real sites differ more than those of one generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.frame import FloatArray

TERMS = {terms!r}
"""Terms of the logarithm of overhead, or cooling, per IT power; temperatures in units of 10 or 5 K."""


@dataclass(frozen=True)
class Prior:
    """Mean and covariance of the coefficients over sites, noise of an hour, hours that count as one."""

    mean: FloatArray
    covariance: FloatArray
    noise: float
    hours_alike: float


PRIORS: dict[tuple[str, str], Prior] = {{'''


def main() -> None:
    """Print the module."""
    print(HEAD.format(sites=SITES, terms=TERMS))
    for share in ("overhead", "cooling"):
        mean, covariance, noise, alike = fit(share)
        for kind, wider in WIDER.items():
            wide = covariance * wider + 0.002 * np.eye(len(mean))
            print(f"    ({share!r}, {kind!r}): Prior(")
            print(f"        np.array({np.round(mean, 4).tolist()}),")
            print(f"        np.array({np.round(wide, 5).tolist()}),")
            print(f"        {noise:.4f}, {min(alike, 48.0):.1f},\n    ),")
    print("}")
    print('"""(overhead or cooling, kind of plant) -> prior."""')


if __name__ == "__main__":
    main()
