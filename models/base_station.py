"""The bundle of a fleet of base stations: one model per energy column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from features.base_station import LOAD, TEXT_COLUMNS, build
from features.errors import ModelError
from features.frame import FeatureFrame
from features.issues import DataIssue
from features.message import Message, say, term
from features.station_clock import ClockOffset, find_clock_offset
from features.telemetry import Telemetry
from models.prediction import Prediction, Task
from models.station_chunks import joined, some_stations, station_chunks
from models.station_power import StationModel
from models.store import ModelCard, seal


@dataclass
class BaseStationBundle:
    """Models of one training run.

    Parameters
    ----------
    card : ModelCard
    models : dict
        Energy column -> `StationModel`.
    """

    card: ModelCard
    models: dict[str, StationModel]

    def predict(self, telemetry: Telemetry, task: Task) -> tuple[list[Prediction], list[DataIssue]]:
        """Return one prediction per energy column, one row per station and interval.

        Measured energies in `telemetry` (and those kept from training for stations of the same name
        and configuration) are fingerprints of the other hours, never of their own. Rows without a
        measured target are predicted all the same. ``forecast`` uses energies before the row only and
        the load of the same hour yesterday, else the mean of the station's earlier hours.

        Raises
        ------
        features.errors.ModelError
            The telemetry is of another kind or interval.
        features.errors.InsufficientDataError
            No cell has a load.
        """
        self._check(telemetry)
        predictions, issues = [], []
        for quantity, model in self.models.items():
            clock = self.clock(telemetry, quantity)
            parts, doubts = [], Doubts()
            for piece in station_chunks(telemetry):
                frame = build(piece, quantity, clock.intervals)
                parts.append(model.predict(frame, task))
                doubts.count(frame, parts[-1], model)
            predictions.append(replace(joined(parts), model_id=self.card.model_id or model.model_id))
            clocks = clock.issue(telemetry)
            issues += [*([clocks] if clocks else []), *doubts.issues(quantity)]
        return predictions, issues

    def features(self, telemetry: Telemetry, quantity: str) -> tuple[FeatureFrame, list[DataIssue]]:
        """Return the features of `quantity`, with the clock offset that these exports show."""
        clock = self.clock(telemetry, quantity)
        issue = clock.issue(telemetry)
        return build(telemetry, quantity, clock.intervals), [issue] if issue else []

    def clock(self, telemetry: Telemetry, quantity: str) -> ClockOffset:
        """Return the clock offset of these exports; that of the training exports where they show none."""
        seen = find_clock_offset(some_stations(telemetry), quantity)
        return seen if seen.stations else ClockOffset(self.models[quantity].offset)

    def _check(self, telemetry: Telemetry) -> None:
        if telemetry.kind != "base-station":
            raise ModelError(
                "E-MODEL-KIND",
                say("a base-station model was given {kind} data", kind=term(telemetry.kind)),
                "",
                say("train a model on exports of this kind"),
            )
        if telemetry.interval.total_seconds() != self.card.interval_s:
            raise ModelError(
                "E-MODEL-INTERVAL-LENGTH",
                say(
                    "the data have intervals of {interval}, the model {known:g} s",
                    interval=telemetry.interval,
                    known=self.card.interval_s,
                ),
                "",
                say("export the same interval as for training"),
            )

    def to_files(self) -> dict[str, str]:
        """Return file name -> text for the model store."""
        files: dict[str, str] = {}
        for model in self.models.values():
            files |= model.to_files()
        return files

    def sealed(self) -> BaseStationBundle:
        """Return the bundle with checksums and model id in its card."""
        return replace(self, card=seal(self.card, self.to_files()))

    @classmethod
    def from_files(cls, card: ModelCard, files: dict[str, str]) -> BaseStationBundle:
        """Rebuild from `to_files`; the texts must have passed their checksums first."""
        return cls(card, {q: StationModel.from_files(q, card.model_id, files) for q in card.quantities})


@dataclass
class Doubts:
    """What has to be said about the data of one quantity, counted over pieces.

    Parameters
    ----------
    wrong, unloaded, beyond : int
        Measured energies that are not positive, rows without load, rows out of domain.
    unseen : dict
        Text feature -> label that the model does not know -> rows.
    """

    wrong: int = 0
    unloaded: int = 0
    beyond: int = 0
    unseen: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in TEXT_COLUMNS}
    )

    def count(self, frame: FeatureFrame, prediction: Prediction, model: StationModel) -> None:
        """Add what one piece shows."""
        self.wrong += int((frame.target() <= 0).sum())
        self.unloaded += int(frame.X[LOAD].isna().sum())
        self.beyond += int((~prediction.in_domain).sum())
        for name, found in self.unseen.items():
            known = model.categories.get(name, [])
            rows = frame.X[name].value_counts()
            for code, label in enumerate((frame.categories or {}).get(name, [])):
                if label not in known:
                    found[label] += int(rows.get(code, 0))

    def issues(self, quantity: str) -> list[DataIssue]:
        """Return the counts as findings."""
        issues = []
        if self.wrong:
            issues.append(
                DataIssue(
                    "D-STATION-ENERGY-ZERO",
                    "warning",
                    quantity,
                    say("{count} measured energies are not positive", count=self.wrong),
                    say("check the meter or the export"),
                    say("these hours are not used as measurements"),
                    self.wrong,
                )
            )
        if self.unloaded:
            issues.append(
                DataIssue(
                    "D-STATION-NO-LOAD",
                    "warning",
                    "prb_utilisation",
                    say("{count} station hours have no load", count=self.unloaded),
                    say("add the cells' loads of these hours"),
                    say("predicted from yesterday's or the station's mean load, tier fallback"),
                    self.unloaded,
                )
            )
        for name, found in self.unseen.items():
            if found:
                issues.append(
                    DataIssue(
                        "D-STATION-UNSEEN",
                        "warning",
                        name,
                        say("not in the training data: {unseen}", unseen=Message.joined(", ", sorted(found))),
                        say("train again with measured energies of these"),
                        say("out of domain, wider intervals"),
                        found.total(),
                    )
                )
        if self.beyond:
            issues.append(
                DataIssue(
                    "D-STATION-DOMAIN",
                    "warning",
                    quantity,
                    say(
                        "{count} rows lie outside the products, configurations or loads of the training data",
                        count=self.beyond,
                    ),
                    say("train again with measured energies of such stations"),
                    say("tier prior, wider intervals"),
                    self.beyond,
                )
            )
        return issues
