"""What the models know of an independent plant: unseen set-points, confounded years, the servers' response.

    python tests/benchmarks/plants.py [--python PATH] [--seed 0]

Reads the plant exports in ``shared`` beside the repository and writes ``results/plants.md``:

- set-point pairs not seen: cells of a grid over both set-points are left out of training and predicted;
- reset to step tests: trained on the year whose set-points followed the weather, tested on the year of tests;
- IT power against a warmer room: the model's kW per kelvin of the set-point that moves the inlet, beside
  the plant's own, which ``plant.py evaluate`` simulates with the interpreter ``--python`` (one that has
  pandas and pyenergyplus-lbnl); without it this part is left out.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from features.data_centre import Recipe, build, recipe_for
from features.frame import FeatureFrame, FloatArray
from features.operation import operation_of
from models.baselines import Linear
from models.identifiability import lever_evidence
from models.site_response import fit_site_response
from tests.benchmarks.backtests import markdown
from tests.plant_exports import WATER, ZONE, evaluated, read_export
from training.centre_backtest import plain_trees
from training.choose import TREES, choose

RESULTS = Path(__file__).parent / "results" / "plants.md"
STEP_TESTS = ("chilled_water_NY", "chilled_water_Granada", "low_fan_NY", "two_zone_NY", "two_zone_Granada")
RESETS = {"chilled_water_NY_reset": "chilled_water_NY", "low_fan_NY_reset": "low_fan_NY"}
QUANTITIES = ("facility_power_kw", "pue")
MODELS = ("ours", "LightGBM, columns of the step", "LightGBM", "linear")
CELL_K = 3.0
COOL, WARM = 21.0, 25.0
"""Room set-points between which the response is measured [degC]."""


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", help="interpreter that has pyenergyplus-lbnl")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    simulated = " --python PATH" if args.python else ""
    parts = [
        "# The independent plant",
        f"- made by: `python tests/benchmarks/plants.py --seed {args.seed}{simulated}`",
        "## Set-point pairs not seen: mean absolute error",
        f"Every fourth cell of {CELL_K:g} x {CELL_K:g} K is left out, but never the one used most.",
        markdown(pd.DataFrame([row for name in STEP_TESTS for row in unseen_pairs(name, args.seed)])),
        "## Trained on a weather reset, tested on step tests: mean absolute error",
        markdown(pd.DataFrame([row for pair in RESETS.items() for row in reset_to_steps(*pair, args.seed)])),
    ]
    if args.python:
        rows = [response(name, args.python, args.seed) for name in STEP_TESTS]
        parts += [
            f"## IT power from {COOL:g} to {WARM:g} degC of the room's set-point, per kelvin of it",
            markdown(pd.DataFrame(rows)),
        ]
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {RESULTS}")


def errors(recipe: Recipe, past: FeatureFrame, test: FeatureFrame, seed: int) -> dict[str, FloatArray]:
    """Return the absolute errors of ours and the baselines on the test rows."""
    ours = choose(past, recipe, TREES.with_(seed=seed))
    point = {"ours": ours.fitted(past).predict(replace(test, y=None), "").point}
    for model in (Linear(), *plain_trees(recipe, seed)):
        point[model.name] = model.fit(past).predict(test)
    return {name: np.abs(values - test.target()) for name, values in point.items()}


def row_of(name: str, quantity: str, found: dict[str, FloatArray]) -> dict[str, object]:
    """Return one line: errors, and ours over plain LightGBM on the columns of the step."""
    mae = {model: float(np.nanmean(found[model])) for model in MODELS}
    digits = 4 if quantity == "pue" else 2
    return {
        "export": name, "quantity": quantity, "rows": len(found["ours"]),
        **{model: f"{value:.{digits}f}" for model, value in mae.items()},
        "ours / columns of the step": f"{mae['ours'] / mae[MODELS[1]]:.2f}",
    }  # fmt: skip


def unseen_pairs(name: str, seed: int) -> list[dict[str, object]]:
    """Leave cells of the set-point plane out and predict them."""
    telemetry = read_export(name)
    rows = []
    for quantity in QUANTITIES:
        recipe = recipe_for(telemetry, quantity, "estimate")
        known = build(telemetry, recipe).measured()
        cell = [np.floor(known.X[lever] / CELL_K).astype(int) for lever in (ZONE, WATER)]
        usual = pd.Series(list(zip(*cell, strict=True))).mode()[0]
        out = (cell[0] + 2 * cell[1]) % 4 == 0
        out &= ~((cell[0] == usual[0]) & (cell[1] == usual[1]))
        held = out.to_numpy()
        rows.append(row_of(name, quantity, errors(recipe, known.rows(~held), known.rows(held), seed)))
    return rows


def reset_to_steps(learned: str, tested: str, seed: int) -> list[dict[str, object]]:
    """Train on a confounded year and predict a year of tests."""
    past, test = read_export(learned), read_export(tested)
    rows = []
    for quantity in QUANTITIES:
        recipe = recipe_for(past, quantity, "estimate")
        frames = [build(one, recipe).measured() for one in (past, test)]
        rows.append(row_of(f"{learned} -> {tested}", quantity, errors(recipe, *frames, seed)))
    return rows


def response(name: str, python: str, seed: int) -> dict[str, object]:
    """Compare the response of IT power with the one that the plant simulates."""
    operation = operation_of(read_export(name), name)
    levers = tuple(n for n, e in lever_evidence(operation).items() if e.identified)
    chosen = operation.only_levers(levers)
    model = fit_site_response(chosen, chosen.week % 2 == 0, seed)
    effect = []
    for set_point in (COOL, WARM):
        moved = chosen.with_levers(chosen.levers | {ZONE: np.full(len(chosen), set_point)})
        effect.append(model.it.log_effect_draws(model.basis, moved))
    cool, warm = (held_at(name, set_point, python) for set_point in (COOL, WARM))
    true = float((warm["it_power_kw"] - cool["it_power_kw"]).mean()) / (WARM - COOL)
    # the export's work is the simulation's: the same hours at the cool set-point
    share = np.nanmean(np.exp(effect[1] - effect[0]) - 1.0, axis=0)
    drawn = share * float(cool["it_power_kw"].mean()) / (WARM - COOL)
    low, point, high = np.quantile(drawn, (0.05, 0.5, 0.95))
    return {
        "export": name, "plant [kW/K]": f"{true:.3f}", "model [kW/K]": f"{point:.3f}",
        "90 % interval": f"{low:.3f} to {high:.3f}", "model / plant": f"{point / true:.2f}",
        "hottest inlet moved [K]": f"{(warm['server_inlet_c'] - cool['server_inlet_c']).mean():.2f}",
    }  # fmt: skip


def held_at(name: str, set_point: float, python: str) -> pd.DataFrame:
    """Return the plant's year at one room set-point, water as in the baseline."""
    hours = pd.date_range("2025-01-01", periods=8760, freq="h")
    return evaluated(pd.DataFrame({ZONE: set_point}, index=hours), name, python)[1]


if __name__ == "__main__":
    main()
