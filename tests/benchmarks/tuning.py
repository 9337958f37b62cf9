"""Does tuning pay? Held-out errors with and without it, and its seconds with and without pruning.

    python tests/benchmarks/tuning.py --trials 30 [SET ...] [--out FILE.md]

Everything is tuned on the older 70 % of the time span (data centres) or on 70 % of the stations; the rest is
held back from choice, search and confirmation. "found" are the parameters with the smallest loss on the
search's own folds, whether they were confirmed or not: what a search without confirmation would use. Errors
are WMAPE and CV(RMSE) [%]. Wall time only means something on a quiet machine, CPU time on any.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.base_station import build as build_stations
from features.base_station import quantities as quantities_of
from features.data_centre import TASKS, Recipe, build, recipe_for
from features.frame import FeatureFrame, FloatArray
from features.reading import read_paths
from features.station_clock import find_clock_offset
from features.telemetry import Telemetry
from models.gbm import GbmParameters
from models.metrics import cv_rmse, wmape
from models.station_config import PARAMETERS, ConfigModel, measured
from training.choose import choose
from training.search import SearchPlan
from training.tune import Tuned, tune_candidate, tune_stations

SHARED = Path(__file__).resolve().parents[3] / "shared"
SETS = {
    "chiller_singapore": (SHARED / "data" / "chiller_singapore", ("cooling_power_kw",)),
    "chiller_plant_hsinchu": (SHARED / "data" / "chiller_plant_hsinchu", ("cooling_power_kw",)),
    "chilled_water_NY": (
        SHARED / "plant" / "exports" / "chilled_water_NY.csv",
        ("facility_power_kw",),
    ),
    "itu5g": (SHARED / "data" / "itu5g", ()),
}
HELD_BACK = 0.3


@dataclass(frozen=True)
class Case:
    """One thing to tune: how, from where, and how the answer is judged on rows held back."""

    what: str
    start: GbmParameters
    tune: Callable[[SearchPlan], Tuned]
    answer: Callable[[GbmParameters, str], FloatArray]
    truth: FloatArray


def main() -> None:
    """Print one row per set and task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table here too")
    args = parser.parse_args()
    rows = []
    for name in args.sets or SETS:
        path, quantities = SETS[name]
        telemetry, _ = read_paths([path])
        cases = centre_cases(telemetry, quantities, args.seed) if quantities else station_cases(telemetry)
        for case in cases:
            rows.append({"set": name, "what": case.what, **row(case, SearchPlan(args.trials, args.seed))})
            print(*(f"{k}={v}" for k, v in rows[-1].items()), flush=True)
    if args.out:
        command = f"python tests/benchmarks/tuning.py --trials {args.trials} --seed {args.seed}"
        args.out.write_text(f"Made by `{command}`\n\n{markdown(rows)}\n", encoding="utf-8", newline="\n")


def centre_cases(telemetry: Telemetry, quantities: tuple[str, ...], seed: int) -> Iterator[Case]:
    """Yield estimate and forecast of every quantity; the newest rows are held back."""
    for quantity in quantities:
        for task in TASKS:
            recipe = recipe_for(telemetry, quantity, task)
            known = build(telemetry, recipe).measured()
            stamps = known.keys["timestamp"]
            moment = stamps.min() + (stamps.max() - stamps.min()) * (1 - HELD_BACK)
            past, test = (known.rows(side.to_numpy()) for side in (stamps < moment, stamps >= moment))
            start = GbmParameters(seed=seed)

            def tune(plan: SearchPlan, past: FeatureFrame = past, recipe: Recipe = recipe) -> Tuned:
                return tune_candidate(past, recipe, GbmParameters(seed=plan.seed), plan)

            def answer(
                parameters: GbmParameters, name: str, past: FeatureFrame = past, test: FeatureFrame = test,
                recipe: Recipe = recipe,
            ) -> FloatArray:  # fmt: skip
                return choose(past, recipe, parameters, name).fitted(past).predict(test, "").point

            yield Case(f"{quantity} {task}", start, tune, answer, test.target())


def station_cases(telemetry: Telemetry) -> Iterator[Case]:
    """Yield the configuration model, judged on stations held back."""
    quantity = quantities_of(telemetry)[0]
    offset = find_clock_offset(telemetry, quantity).intervals
    frame = build_stations(telemetry, quantity, offset)
    usable = frame.rows(measured(frame))
    site = usable.keys["site_id"]
    stations = np.random.default_rng(1).permutation(site.unique().astype(str))
    held = site.isin(stations[: int(HELD_BACK * len(stations))]).to_numpy()
    past, test = usable.rows(~held), usable.rows(held)

    def answer(parameters: GbmParameters, _: str) -> FloatArray:
        return np.exp(ConfigModel(parameters).fit(past).predict_log(test))

    yield Case("new station", PARAMETERS, lambda plan: tune_stations(past, plan), answer, test.target())


def row(case: Case, plan: SearchPlan) -> dict[str, Any]:
    """Tune with and without pruning and judge the answers on the rows held back."""
    wall, cpu = time.perf_counter(), time.process_time()
    tuned = case.tune(plan)
    seconds = {"s wall": time.perf_counter() - wall, "s cpu": time.process_time() - cpu}
    cpu = time.process_time()
    unpruned = case.tune(replace(plan, prune=False))
    seconds["s cpu unpruned"] = time.process_time() - cpu
    assert tuned.found is not None
    assert tuned.gain is not None
    assert unpruned.found is not None
    result: dict[str, Any] = {}
    answers = {
        "default": (case.start, ""),
        "found": (tuned.found.best, tuned.candidate),
        "used": (tuned.parameters, tuned.name),
    }
    for label, (parameters, candidate) in answers.items():
        point = case.answer(parameters, candidate)
        result[f"wmape {label}"] = round(wmape(case.truth, point), 3)
        result[f"cv_rmse {label}"] = round(cv_rmse(case.truth, point), 3)
    return result | {
        "gain on folds %": round(100 * (1 - tuned.found.best_loss / tuned.found.start_loss), 1),
        "gain on unseen %": round(100 * tuned.gain.share, 1), "sure gain %": round(100 * tuned.gain.lower, 1),
        "candidate": tuned.candidate,
        "is used": tuned.gain.sure, "pruned": tuned.found.pruned,
        **{name: round(value) for name, value in seconds.items()},
        "loss without / with pruning": round(unpruned.found.best_loss / tuned.found.best_loss, 3),
    }  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(r[name]) for name in head] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
