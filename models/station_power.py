"""Energy of base stations: configuration model, corrected by the station's own meter, with intervals."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import CONFIGURATION, FILLED, LOAD, recode, with_expected_work
from features.frame import FeatureFrame, FloatArray
from models.gbm import Gbm, GbmParameters
from models.prediction import Prediction, Task
from models.station_config import ConfigModel, log_target, measured
from models.station_domain import StationDomain
from models.station_fingerprint import (
    FINGERPRINT_NAMES,
    BoolArray,
    IntArray,
    StationHours,
    fingerprint,
)
from models.station_interval import NEW_PRODUCT, StationIntervals, interval_group

Mode = Literal["around", "past", "forecast"]
MODES: tuple[Mode, ...] = ("around", "past", "forecast")
"""``around``: measured hours on both sides; ``past``: only earlier ones; ``forecast``: load unknown too."""
WIDEN_OUT_OF_DOMAIN = 1.5
"""Factor of the logarithmic interval outside the training domain."""
CORRECTION = GbmParameters(
    rounds=150, learning_rate=0.08, num_leaves=31, feature_fraction=0.6, max_bin=127, threads=1
)


def station_hours(frame: FeatureFrame, names: list[str], residual: FloatArray | None = None) -> StationHours:
    """Return the frame's rows as hours of the stations `names` (sorted), in the frame's order."""
    station = pd.Index(names).get_indexer(pd.Index(frame.keys["site_id"])).astype(np.int64)
    stamp = frame.keys["timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[m]").astype(np.int64)
    nothing = np.full(len(frame), np.nan)
    load = frame.X[LOAD].to_numpy(dtype=np.float64)
    return StationHours(station, stamp, load, nothing if residual is None else residual)


def signatures(frame: FeatureFrame) -> dict[str, str]:
    """Return one string per station that names its configuration."""
    first = frame.X[list(CONFIGURATION)].groupby(frame.keys["site_id"]).first()
    return {
        str(site): "|".join(f"{v:.6g}" for v in values)
        for site, values in zip(first.index, first.to_numpy(), strict=True)
    }


@dataclass(frozen=True)
class KnownHours:
    """Measured hours that a model keeps of its training stations.

    Parameters
    ----------
    names : list of str
        Stations, sorted; codes of `hours` are positions.
    hours : StationHours
    signature : dict
        Station -> configuration; a station of another configuration is not the same station.
    """

    names: list[str]
    hours: StationHours
    signature: dict[str, str]

    def to_text(self) -> str:
        """Return a CSV text."""
        table = pd.DataFrame(
            {
                "station": self.hours.station, "minute": self.hours.minute,
                "load": self.hours.load.round(5), "residual": self.hours.residual.round(5),
            }
        )  # fmt: skip
        return table.to_csv(index=False, lineterminator="\n")

    @classmethod
    def from_text(cls, names: list[str], signature: dict[str, str], text: str) -> KnownHours:
        """Rebuild from `to_text`."""
        table = pd.read_csv(StringIO(text))
        hours = StationHours(
            table["station"].to_numpy(np.int64), table["minute"].to_numpy(np.int64),
            table["load"].to_numpy(np.float64), table["residual"].to_numpy(np.float64),
        )  # fmt: skip
        return cls(names, hours, signature)


def correction_frame(
    frame: FeatureFrame, log_config: FloatArray, history: KnownHours, mode: Mode, *,
    hidden: IntArray | int = 0, residual: FloatArray | None = None,
) -> FeatureFrame:  # fmt: skip
    """Return what the second stage sees: fingerprint, features and the first stage's answer."""
    query = station_hours(frame, history.names)
    told = fingerprint(query, history.hours, past_only=mode != "around", hidden=hidden)
    X = pd.concat([told, frame.X.reset_index(drop=True)], axis=1).assign(log_config=log_config)
    y = None if residual is None else pd.Series(residual)
    return FeatureFrame(frame.keys, X, frame.quantity, y, frame.categories)


def merge_history(stored: KnownHours, present: KnownHours) -> KnownHours:
    """Return the hours at `present`'s stations: its own plus stored ones; its own win.

    Stored hours of a station whose configuration has changed are left out.
    """
    names, own, now = present.names, present.hours, present.signature
    position = {n: i for i, n in enumerate(names)}
    code = np.array(
        [
            position[n] if n in position and stored.signature.get(n) == now.get(n) else -1
            for n in stored.names
        ],
        dtype=np.int64,
    )
    mapped = code[stored.hours.station] if len(stored.hours) else np.empty(0, np.int64)
    old = replace(stored.hours, station=mapped).rows(mapped >= 0)
    old = old.rows(~np.isin(old.key, own.key))
    joined = StationHours(
        np.concatenate([own.station, old.station]),
        np.concatenate([own.minute, old.minute]),
        np.concatenate([own.load, old.load]),
        np.concatenate([own.residual, old.residual]),
    )
    return KnownHours(names, joined.rows(np.argsort(joined.key, kind="stable")), now)


@dataclass(frozen=True)
class Seen:
    """A frame as a model sees it.

    Parameters
    ----------
    frame, expected : FeatureFrame
        Coded as the model knows it; the same with the work that was expected a day before.
    log_config : numpy.ndarray, shape (rows,)
        The first stage's answer: log of the energy.
    history : KnownHours
        Measured hours that may be used.
    """

    frame: FeatureFrame
    expected: FeatureFrame
    log_config: FloatArray
    history: KnownHours


@dataclass
class StationModel:
    """Both stages of one quantity, with intervals and the hours it keeps.

    Parameters
    ----------
    quantity : str
    offset : int
        Clock offset of the training exports [intervals], see `features.station_clock`.
    config : ConfigModel
    corrections : dict
        Mode -> second stage.
    intervals : StationIntervals
    domain : StationDomain
    known : KnownHours
    """

    quantity: str
    offset: int
    config: ConfigModel
    corrections: dict[Mode, Gbm]
    intervals: StationIntervals
    domain: StationDomain
    known: KnownHours
    model_id: str = field(default="unsealed")

    @property
    def categories(self) -> dict[str, list[str]]:
        """Text labels that were trained."""
        return self.domain.categories

    def predict(self, frame: FeatureFrame, task: Task = "estimate") -> Prediction:
        """Predict every row of a frame built with the clock offset of its exports.

        Parameters
        ----------
        frame : FeatureFrame
            From `features.base_station.build`; its measured energies serve as fingerprints of other
            rows, never of their own.
        task : {"estimate", "forecast", "what-if"}
        """
        return self.answer(self.look_at(frame), task)

    def look_at(self, frame: FeatureFrame) -> Seen:
        """Return what `answer` needs of a frame; several tasks on one frame share it."""
        frame = recode(frame, self.categories)
        log_config = self.config.predict_log(frame)
        return Seen(frame, with_expected_work(frame), log_config, self._history(frame, log_config))

    def answer(self, seen: Seen, task: Task = "estimate", *, only: BoolArray | None = None) -> Prediction:
        """Predict rows of a frame that was looked at.

        Parameters
        ----------
        seen : Seen
        task : {"estimate", "forecast", "what-if"}
        only : numpy.ndarray of bool, shape (rows,), or None
            Rows to predict; the others only serve as history. None: all.
        """
        frame, expected, log_config, history = seen.frame, seen.expected, seen.log_config, seen.history
        if only is not None:
            frame, expected, log_config = frame.rows(only), expected.rows(only), log_config[only]
        mode = self._modes(frame, history, task)
        unloaded = mode == "forecast"
        shown = _mix(frame, expected, unloaded)
        log_shown = log_config.copy()
        if unloaded.any():
            log_shown[unloaded] = self.config.predict_log(expected.rows(unloaded))
        table, point = self._corrected(shown, log_shown, history, mode)
        count = table.X["n"].to_numpy()
        inside = self.domain.contains(shown)
        tier = np.where(inside & (count > 0), "full", "prior")
        # a forecast is made for hours whose load nobody knows yet; it lacks a load where none was expected
        load = (expected if task == "forecast" else frame).X[LOAD]
        tier = np.where(load.isna().to_numpy(), "fallback", tier)
        group = self._group(shown, count, mode)
        wider = np.where(inside | (group == NEW_PRODUCT), 1.0, WIDEN_OUT_OF_DOMAIN)
        lower, upper = self.intervals.bounds(table, point, group, wider)
        return Prediction(
            frame.keys, point, lower, upper, self.quantity, self.intervals.coverage, self.model_id,
            inside, tier.astype(np.str_), task,
        )  # fmt: skip

    def with_energies(self, seen: Seen, energy: FloatArray) -> Seen:
        """Return what was looked at with other measured energies [unit of the quantity], shape (rows,).

        What configuration and work tell is not computed again.
        """
        frame = replace(seen.frame, y=pd.Series(energy))
        return replace(seen, frame=frame, history=self._history(frame, seen.log_config))

    def renamed(self, names: dict[str, str]) -> StationModel:
        """Return the model for frames that name the stations in their own way.

        Parameters
        ----------
        names : dict
            Name in the frame -> name in the export. A training station is still answered by models that
            did not see it. The measured hours kept from training are left out: of two exports that use
            one name, nobody can say which station they belong to.
        """
        config = copy(self.config)
        config.fold_of = {new: config.fold_of[old] for new, old in names.items() if old in config.fold_of}
        nothing = np.empty(0)
        none = StationHours(np.empty(0, np.int64), np.empty(0, np.int64), nothing, nothing)
        return replace(self, config=config, known=KnownHours([], none, {}))

    def _history(self, frame: FeatureFrame, log_config: FloatArray) -> KnownHours:
        names = sorted(str(s) for s in frame.keys["site_id"].unique())
        own = station_hours(frame, names, log_target(frame) - log_config).rows(measured(frame))
        return merge_history(self.known, KnownHours(names, own, signatures(frame)))

    @staticmethod
    def _modes(frame: FeatureFrame, history: KnownHours, task: Task) -> npt.NDArray[np.str_]:
        """Return per row which second stage answers; shape (rows,)."""
        if task == "forecast":
            return np.full(len(frame), "forecast")
        query, hours = station_hours(frame, history.names), history.hours
        later = np.zeros(len(frame), dtype=bool)
        if len(hours):
            after = np.searchsorted(hours.key, query.key, "right")
            there = np.minimum(after, len(hours) - 1)
            later = (after < len(hours)) & (hours.station[there] == query.station)
        known = frame.X[LOAD].notna().to_numpy()
        return np.where(~known, "forecast", np.where(later, "around", "past"))

    def _corrected(
        self, frame: FeatureFrame, log_config: FloatArray, history: KnownHours, mode: npt.NDArray[np.str_]
    ) -> tuple[FeatureFrame, FloatArray]:
        """Return what the second stage sees, and the point [unit of the quantity], shape (rows,)."""
        names = [*FINGERPRINT_NAMES, *frame.names, "log_config"]
        X, point = np.empty((len(frame), len(names))), np.exp(log_config)
        for one in MODES:
            rows = np.flatnonzero(mode == one)
            if len(rows):
                table = correction_frame(frame.rows(rows), log_config[rows], history, one)
                X[rows] = table.X.to_numpy()
                told = table.X["n"].to_numpy() > 0
                correction = self.corrections[one].predict(table)
                point[rows] = np.exp(log_config[rows] + np.where(told, correction, 0.0))
        seen = FeatureFrame(
            frame.keys, pd.DataFrame(X, columns=names), frame.quantity, None, frame.categories
        )
        return seen, point

    def _group(
        self, frame: FeatureFrame, count: FloatArray, mode: npt.NDArray[np.str_]
    ) -> npt.NDArray[np.str_]:
        elsewhere = ~frame.keys["site_id"].isin(list(self.config.fold_of)).to_numpy()
        group = interval_group(mode, count, frame.X[FILLED].to_numpy() > 0, elsewhere)
        unseen = frame.X["ru_type"].isna().to_numpy() & (count == 0)
        return np.where(unseen & (NEW_PRODUCT in self.intervals.bands), NEW_PRODUCT, group)

    def to_files(self) -> dict[str, str]:
        """Return file name -> text for the model store."""
        config, files = self.config.to_files(self.quantity)
        corrections: dict[str, Any] = {}
        for mode, model in self.corrections.items():
            corrections[mode], files[f"{self.quantity}.{mode}.txt"] = model.to_files()
        about = {
            "offset": self.offset, "domain": self.domain.to_dict(), "config": config,
            "corrections": corrections,
            "intervals": self.intervals.to_dict(),
            "stations": self.known.names, "signature": self.known.signature,
        }  # fmt: skip
        files[f"{self.quantity}.json"] = json.dumps(about, sort_keys=True)
        files[f"{self.quantity}.hours.csv"] = self.known.to_text()
        return files

    @classmethod
    def from_files(cls, quantity: str, model_id: str, files: dict[str, str]) -> StationModel:
        """Rebuild from `to_files`; the texts must have passed their checksums first."""
        about = json.loads(files[f"{quantity}.json"])
        return cls(
            quantity=quantity,
            offset=int(about["offset"]),
            config=ConfigModel.from_files(quantity, about["config"], files),
            corrections={
                mode: Gbm.from_files(about["corrections"][mode], files[f"{quantity}.{mode}.txt"])
                for mode in about["corrections"]
            },
            intervals=StationIntervals.from_dict(about["intervals"]),
            domain=StationDomain.from_dict(about["domain"]),
            known=KnownHours.from_text(about["stations"], about["signature"], files[f"{quantity}.hours.csv"]),
            model_id=model_id,
        )


def _mix(frame: FeatureFrame, other: FeatureFrame, use_other: BoolArray) -> FeatureFrame:
    if not use_other.any():
        return frame
    mixed = np.where(use_other[:, None], other.X.to_numpy(), frame.X.to_numpy())
    return replace(frame, X=pd.DataFrame(mixed, columns=frame.names))
