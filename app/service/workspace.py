"""Workspace: the sites that lie in a data folder, and everything the pages of one site show.

The folder is as ``advisor demo`` leaves it: ``samples/<key>`` holds exports and ``site.toml``,
``<key>/model`` the models, ``<key>/advice`` what was written.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from advisor.advise import advise
from advisor.catalogue import load_measures
from advisor.measure import Measure
from advisor.plan import Advice
from advisor.site import Site, read_site
from app.service.accuracy import Accuracy, accuracies
from app.service.check import Rows, count_rows, joined_mapping
from app.service.explain import latest_explanations
from app.service.facts import findings
from app.service.reading import Exports, in_zone, read
from app.service.standing import Standing, standing
from features.errors import SiteFileError, UsageError
from features.issues import DataIssue
from features.message import say
from features.reading import Mapping
from features.telemetry import Telemetry
from models.bundle import Bundle, Progress, load_bundle
from models.explain import Explanation
from models.prediction import Prediction

MOST_OPEN = 8
"""Sites kept in memory; the one not looked at for longest goes first."""


@dataclass(frozen=True)
class SiteEntry:
    """A site that can be opened, and what its folder says without opening it.

    ``name`` and ``kind`` are "" where the site declares none; ``summary`` and ``issues`` are what
    ``advisor advise`` and ``advisor check`` wrote (empty where they did not run).
    """

    key: str
    name: str
    kind: str
    data: Path
    summary: dict[str, Any]
    recommendations: tuple[dict[str, Any], ...]

    @property
    def exports(self) -> Path:
        """Folder of the exports."""
        return self.data / "samples" / self.key

    @property
    def model(self) -> Path:
        """Model directory."""
        return self.data / self.key / "model"

    @property
    def advice(self) -> Path:
        """Folder of the written advice."""
        return self.data / self.key / "advice"


@dataclass(frozen=True)
class SiteCase:
    """Everything the pages of one site need; immutable, shared by the sessions of a process.

    ``folder`` holds the written report and tables; ``on`` is the day on which measures were judged.
    """

    key: str
    name: str
    folder: Path
    telemetry: Telemetry
    rows: Rows
    issues: tuple[DataIssue, ...]
    site: Site | None
    bundle: Bundle
    advice: Advice
    standing: Standing
    predictions: tuple[Prediction, ...]
    measures: tuple[Measure, ...]
    mapping: Mapping
    accuracy: tuple[Accuracy, ...]
    on: date
    explained: tuple[tuple[pd.Timestamp, Explanation], ...] = ()
    """Newest estimate of each quantity of a data centre, and why it is what it is."""


def list_sites(data: Path) -> tuple[SiteEntry, ...]:
    """Return the sites of a data folder that have exports and models: data centres first, then by key."""
    samples = data / "samples"
    if not samples.is_dir():
        return ()
    found = [
        _entry(data, folder.name)
        for folder in sorted(samples.iterdir())
        if folder.is_dir() and (data / folder.name / "model").is_dir()
    ]
    return tuple(sorted(found, key=lambda entry: (entry.kind == "base-station", entry.key)))


def open_site(data: Path, key: str, *, progress: Progress | None = None, on: date | None = None) -> SiteCase:
    """Read, predict and advise for one site; a site opened before comes from memory.

    Parameters
    ----------
    data : pathlib.Path
        Data folder.
    key : str
        One of `list_sites`.
    progress : callable or None
    on : datetime.date or None
        Day of judgement; None: today.

    Raises
    ------
    features.errors.UsageError
        Code E-SITE-UNKNOWN.
    features.errors.AdvisorError
        Exports, site file or models cannot be used.
    """
    entry = next((e for e in list_sites(data) if e.key == key), None)
    if entry is None:
        raise UsageError(
            "E-SITE-UNKNOWN",
            say("there is no site {key!r}", key=key),
            str(data),
            say("choose one of the list"),
        )
    return _OPEN.get(entry, on or datetime.now(UTC).date(), progress or _silent)


def forget(data: Path) -> None:
    """Drop the folder's sites from memory and the folder from disk (a session's uploads)."""
    _OPEN.forget(data)
    shutil.rmtree(data, ignore_errors=True)


class _Open:
    """The sites in memory. One thread opens a site; others that want it wait for the result."""

    def __init__(self) -> None:
        self._cases: OrderedDict[tuple[Path, str, date], SiteCase] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[tuple[Path, str, date], threading.Lock] = {}

    def get(self, entry: SiteEntry, on: date, progress: Progress) -> SiteCase:
        key = (entry.data, entry.key, on)
        with self._lock:
            turn = self._opening.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._cases:
                    self._cases.move_to_end(key)
                    return self._cases[key]
            case = _read_case(entry, on, progress)
            with self._lock:
                self._cases[key] = case
                while len(self._cases) > MOST_OPEN:
                    gone, _ = self._cases.popitem(last=False)
                    self._opening.pop(gone, None)
            return case

    def forget(self, data: Path) -> None:
        with self._lock:
            for key in [k for k in self._opening if k[0] == data]:
                self._cases.pop(key, None)
                self._opening.pop(key, None)


_OPEN = _Open()


def _read_case(entry: SiteEntry, on: date, progress: Progress) -> SiteCase:
    progress(say("reading"), 0.0)
    mapping_file = entry.data / entry.key / "mapping.toml"
    exports = Exports((entry.exports,), mapping=mapping_file if mapping_file.is_file() else None)
    telemetry, readings = read(exports)
    site_file = entry.exports / "site.toml"
    site = read_site(site_file) if site_file.is_file() else None
    if site is not None and site.time_zone is not None:
        telemetry = in_zone(telemetry, site.time_zone)
    progress(say("loading the models"), 0.1)
    bundle = load_bundle(entry.model)
    measures = load_measures()
    advice = advise(
        telemetry, bundle, measures, site, progress=lambda step, share: progress(step, 0.2 + 0.6 * share)
    )
    progress(say("predicting"), 0.8)
    predictions, said = bundle.predict(telemetry, "estimate")
    progress(say("done"), 1.0)
    return SiteCase(
        key=entry.key,
        name=(site.name or site.id) if site is not None else entry.name,
        folder=entry.advice,
        telemetry=telemetry,
        rows=count_rows(readings),
        issues=findings(telemetry, *advice.issues, *said),
        site=site,
        bundle=bundle,
        advice=advice,
        standing=standing(telemetry, site, advice.baseline, measures, on),
        predictions=tuple(predictions),
        measures=measures,
        mapping=joined_mapping(readings),
        accuracy=accuracies(bundle.card),
        on=on,
        explained=latest_explanations(bundle, telemetry, predictions),
    )


def _entry(data: Path, key: str) -> SiteEntry:
    site_file, advice = data / "samples" / key / "site.toml", data / key / "advice"
    name, kind = key.replace("_", " "), ""
    if site_file.is_file():
        try:
            site = read_site(site_file)
        except SiteFileError:
            pass  # the site is listed all the same; opening it tells what is wrong
        else:
            name, kind = site.name or site.id, site.kind
    summary = _json(advice / "summary.json", {})
    return SiteEntry(key, name, kind, data, summary, tuple(_json(advice / "recommendations.json", [])))


def _json(path: Path, otherwise: Any) -> Any:
    """Return a file's content, or `otherwise` where it is missing or was cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return otherwise


def _silent(step: str, share: float) -> None:
    del step, share
