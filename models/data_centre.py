"""The bundle of a data centre: predictors per quantity and task, and the what-if pair per site."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from features.data_centre import build
from features.errors import ModelError
from features.frame import FeatureFrame
from features.issues import DataIssue
from features.message import Message, pack, say, term, unpack
from features.telemetry import Telemetry
from models.prediction import Prediction, Task
from models.quantity import QuantityModel
from models.regime import daily_levels, drift_issue, regime_steps, watched
from models.site_response import SiteResponse
from models.site_scorer import SiteScorer
from models.store import ModelCard

MODELS_FILE = "models.json"
MOST_STEPS = 3
"""Newest steps of a site that are told."""


@dataclass(frozen=True)
class WhatIf:
    """What moving a lever does at one site: a proposing and a scoring model, or the reason for neither.

    Parameters
    ----------
    levers : tuple of str
        Levers whose effect could be identified; empty where none could.
    evidence : dict
        Lever -> fields of `models.identifiability.LeverEvidence`.
    reasons : tuple of str
        Why a lever is, or is not, identified.
    proposer, scorer : SiteResponse, SiteScorer or None
        Fitted on even and on odd weeks.
    """

    levers: tuple[str, ...]
    evidence: dict[str, dict[str, Any]]
    reasons: tuple[str, ...]
    proposer: SiteResponse | None = None
    scorer: SiteScorer | None = None


@dataclass(frozen=True)
class SiteModels:
    """Everything fitted for one site."""

    quantities: dict[str, QuantityModel]
    """``quantity-task`` -> model."""
    what_if: WhatIf | None = None


@dataclass(frozen=True)
class DataCentreBundle:
    """Models of one or more data centres behind the bundle's interface."""

    card: ModelCard
    sites: dict[str, SiteModels] = field(default_factory=dict)

    def models_of(self, site_id: str) -> tuple[SiteModels, list[DataIssue]]:
        """Return a site's models; a bundle of one site serves any other with a warning.

        Raises
        ------
        ModelError
            Code E-MODEL-SITE: several sites are known and this is none of them.
        """
        if site_id in self.sites:
            return self.sites[site_id], []
        if len(self.sites) == 1:
            known = next(iter(self.sites))
            return self.sites[known], [
                DataIssue(
                    "D-MODEL-OTHER-SITE",
                    "info",
                    site_id,
                    say("the models were fitted on an export named {known!r}", known=known),
                    say("check that it is the same plant, or train on this export"),
                    say("predictions hold if the name is all that differs"),
                )
            ]
        raise ModelError(
            "E-MODEL-SITE",
            say(
                "no models for site {site_id!r}; known are {sites}",
                site_id=site_id,
                sites=Message.joined(", ", sorted(self.sites)),
            ),
            site_id,
            say("train on this site's export"),
        )

    def predict(self, telemetry: Telemetry, task: Task) -> tuple[list[Prediction], list[DataIssue]]:
        """Return one prediction per quantity and site group, and issues.

        Raises
        ------
        ModelError
            The task was not trained, or columns are missing.
        """
        predictions: list[Prediction] = []
        issues: list[DataIssue] = []
        if telemetry.interval.total_seconds() != self.card.interval_s:
            raise ModelError(
                "E-MODEL-INTERVAL",
                say(
                    "the export has steps of {found:g} s, the models on {known:g} s",
                    found=telemetry.interval.total_seconds(),
                    known=self.card.interval_s,
                ),
                Message.joined(", ", telemetry.site_ids[:3]),
                say("train a model on this export"),
            )
        for site in telemetry.site_ids:
            models, said = self.models_of(site)
            issues += said
            one = telemetry.site(site)
            chosen = [m for m in models.quantities.values() if m.recipe.task == task]
            if not chosen:
                raise ModelError(
                    "E-MODEL-TASK",
                    say("no model for the task {task!r} at {site}", task=term(task), site=site),
                    site,
                    say("train on a longer export (a forecast needs at least three weeks)"),
                )
            frames = [build(one, m.recipe) for m in chosen]
            told = [m.predict(f, self.card.model_id) for m, f in zip(chosen, frames, strict=True)]
            predictions += told
            if task == "estimate":
                issues += self._drift(chosen, frames, told, one)
        outside = {
            p.quantity: int((~p.in_domain).sum()) for p in predictions if not bool(np.all(p.in_domain))
        }
        issues += [
            DataIssue(
                "D-OUTSIDE-DOMAIN",
                "warning",
                quantity,
                say("{rows} rows lie outside what the model has seen", rows=rows),
                say("train on an export that covers these conditions"),
                say("their intervals are twice as wide and no saving is claimed on them"),
                rows,
            )
            for quantity, rows in outside.items()
        ]
        return predictions, issues

    def _drift(
        self,
        models: list[QuantityModel],
        frames: list[FeatureFrame],
        told: list[Prediction],
        telemetry: Telemetry,
    ) -> list[DataIssue]:
        """Return the steps of one site since its models were trained."""
        watch = watched(m.recipe.quantity for m in models)
        issues: list[DataIssue] = []
        for model, frame, prediction in zip(models, frames, told, strict=True):
            if model.recipe.quantity == watch and model.tier == "full" and frame.y is not None:
                stamps = frame.keys["timestamp"]
                later = (stamps > pd.Timestamp(self.card.data_end)).to_numpy()
                measured, point = frame.target()[later], prediction.point[later]
                days = daily_levels(stamps[later], measured, point, telemetry.interval)
                steps = regime_steps(days, model.usual)
                issues += [drift_issue(s, telemetry.site_ids[0], watch) for s in steps[-MOST_STEPS:]]
        return issues

    def to_files(self) -> dict[str, str]:
        """Return file name -> text."""
        files: dict[str, str] = {}
        raw: dict[str, Any] = {}
        for number, (site, models) in enumerate(sorted(self.sites.items())):
            prefix = f"s{number}-"
            entry: dict[str, Any] = {"quantities": {}, "what_if": None}
            for name, model in models.quantities.items():
                entry["quantities"][name], texts = model.to_files(prefix)
                files |= texts
            if models.what_if is not None:
                entry["what_if"], texts = _what_if_files(models.what_if, f"{prefix}scorer-")
                files |= texts
            raw[site] = entry
        files[MODELS_FILE] = json.dumps(raw, separators=(",", ":"), sort_keys=True)
        return files

    @classmethod
    def from_files(cls, card: ModelCard, files: dict[str, str]) -> DataCentreBundle:
        """Rebuild from checked files."""
        raw = json.loads(files[MODELS_FILE])
        sites = {}
        for number, (site, entry) in enumerate(sorted(raw.items())):
            prefix = f"s{number}-"
            quantities = {
                n: QuantityModel.from_files(a, files, prefix) for n, a in entry["quantities"].items()
            }
            what_if = entry["what_if"] and _what_if(entry["what_if"], files, f"{prefix}scorer-")
            sites[site] = SiteModels(quantities, what_if)
        return cls(card, sites)

    def with_card(self, card: ModelCard) -> DataCentreBundle:
        """Return the bundle with another card."""
        return replace(self, card=card)


def _what_if_files(what_if: WhatIf, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
    about: dict[str, Any] = {
        "levers": list(what_if.levers),
        "evidence": what_if.evidence,
        "reasons": [pack(reason) for reason in what_if.reasons],
        "proposer": what_if.proposer and what_if.proposer.to_dict(),
        "scorer": None,
    }
    texts: dict[str, str] = {}
    if what_if.scorer is not None:
        about["scorer"], texts = what_if.scorer.to_files(prefix)
    return about, texts


def _what_if(raw: dict[str, Any], files: dict[str, str], prefix: str) -> WhatIf:
    return WhatIf(
        tuple(raw["levers"]),
        raw["evidence"],
        tuple(map(unpack, raw["reasons"])),
        raw["proposer"] and SiteResponse.from_dict(raw["proposer"]),
        raw["scorer"] and SiteScorer.from_files(raw["scorer"], files, prefix),
    )
