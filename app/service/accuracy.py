"""What a model card says about errors on data held out, beside the baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from features.message import say
from models.store import ModelCard

OURS = "ours"
UNFAIR = {
    "estimate": ("persistence", "same hour yesterday", "same hour last week"),
    "forecast": ("persistence",),
}
"""Baselines that know more than the task does: an estimate of a site is asked where no meter speaks, and
persistence has seen the step before, a day-ahead forecast nothing younger than a day."""
STATION_CASES = {
    "around": say("estimate, hours before and after are metered"),
    "past": say("estimate, earlier hours are metered"),
    "forecast": say("forecast, earlier hours are metered"),
    "prior": say("estimate, station never metered"),
    "new product": say("estimate, product never metered"),
}
"""What is known of a base station -> how that is said."""
METERED = ("around", "past", "forecast")


@dataclass(frozen=True)
class Accuracy:
    """Held-out error of one quantity and task, beside the best baseline.

    ``wmape`` and ``cv_rmse`` are in %, coverages in 0..1; None where the card does not say.
    """

    quantity: str
    task: str
    model: str
    wmape: float | None
    cv_rmse: float | None
    baseline: str
    baseline_wmape: float | None
    nominal: float | None
    measured: float | None


def accuracies(card: ModelCard) -> tuple[Accuracy, ...]:
    """Return one line per quantity and task that the card tells errors of."""
    lines: list[Accuracy] = []
    for name, entry in card.quantities.items():
        about = cast("dict[str, Any]", entry)
        if card.kind == "data-centre":
            lines.append(_data_centre(name, about))
        else:
            lines += _stations(name, about)
    return tuple(lines)


def calibrated_days(card: ModelCard) -> float | None:
    """Return the days of history that calibrated a prior; None where the site has models of its own."""
    days = [
        value
        for about in card.quantities.values()
        if about.get("tier") == "prior" and (value := _finite(about.get("days"))) is not None
    ]
    return min(days, default=None)


def _data_centre(name: str, about: dict[str, Any]) -> Accuracy:
    held_out = about.get("held_out") or {}
    scores = {n: s for n, s in held_out.items() if isinstance(s, dict)}
    ours = scores.pop(OURS, {})
    task = str(about.get("task", "estimate"))
    best, error = _best({n: s.get("wmape") for n, s in scores.items()}, task)
    return Accuracy(
        quantity=str(about.get("quantity", name)),
        task=task,
        model=str(about.get("model", "")),
        wmape=_finite(ours.get("wmape")),
        cv_rmse=_finite(ours.get("cv_rmse")),
        baseline=best,
        baseline_wmape=error,
        nominal=_finite(about.get("coverage_nominal")),
        measured=_finite(about.get("coverage_measured")),
    )


def _stations(name: str, about: dict[str, Any]) -> list[Accuracy]:
    held_out, baselines = about.get("held_out") or {}, about.get("baselines_wmape_pct") or {}
    lines = []
    for case, words in STATION_CASES.items():
        if case not in held_out:
            continue
        # what was never metered has no past: no baseline can say anything
        best, error = _best(baselines, case) if case in METERED else ("", None)
        lines.append(
            Accuracy(
                quantity=name,
                task=words,
                model=str(about.get("model", "")),
                wmape=_finite(held_out[case].get("wmape")),
                cv_rmse=None,
                baseline=best,
                baseline_wmape=error,
                nominal=_finite(about.get("nominal_coverage")),
                measured=_finite(held_out[case].get("coverage")),
            )
        )
    return lines


def _best(errors: Mapping[str, object], task: str) -> tuple[str, float | None]:
    """Return the fair baseline with the smallest error [%]."""
    fair = {
        n: e for n, v in errors.items() if n not in UNFAIR.get(task, ()) and (e := _finite(v)) is not None
    }
    best = min(fair, key=lambda n: fair[n], default="")
    return best, fair.get(best)


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
