"""Verify: exports of before and after a change in, what the change saved out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from advisor.avoided import Avoided, judge
from advisor.site import Site, read_site
from app.service.facts import describe, findings
from app.service.reading import Exports, in_zone, read
from app.writing import make_folder, write_csv, write_json
from features.errors import UsageError
from features.issues import DataIssue
from features.levers import scale_of, setting
from features.message import say, term
from features.periods import check_pair, periods_of
from features.reading import Reading
from features.schema import KEY_COLUMNS
from features.telemetry import Telemetry
from models.bundle import Progress
from models.counterfactual import Counterfactual, site_counterfactual
from models.station_counterfactual import station_counterfactual
from models.store import package_versions


@dataclass(frozen=True)
class VerifyOutcome:
    """What was saved, where the figures come from, every finding, and the files written."""

    avoided: Avoided
    before: Telemetry
    after: Telemetry
    currency: str
    seed: int
    issues: tuple[DataIssue, ...]
    written: tuple[Path, ...] = ()
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``; the content of ``verify.json`` and the files written."""
        return {**self.content(), "written": [str(path) for path in self.written]}

    def content(self) -> dict[str, object]:
        """Return the content of ``verify.json``."""
        return {
            **self.avoided.to_dict(),
            "currency": self.currency or None,
            "carbon_is": "attributional",
            "issues": [issue.to_dict() for issue in self.issues],
            "provenance": {
                "version": package_versions()["energy-advisor"],
                "seed": self.seed,
                "before": describe(self.before),
                "after": describe(self.after),
            },
        }


def verify_exports(
    before: Exports,
    after: Exports,
    *,
    site_file: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> VerifyOutcome:
    """Tell what a change saved, and write ``verify.json`` and ``verify.csv``.

    Parameters
    ----------
    before, after : Exports
        The same site before and after the change.
    site_file : pathlib.Path or None
        ``site.toml``; without it there is no money and no carbon.
    out : pathlib.Path or None
        Folder of the files; None: nothing is written.
    seed : int
    progress : callable or None
        Called with what is being done and the share done (0..1).

    Raises
    ------
    features.errors.AdvisorError
    """
    site = None if site_file is None else read_site(site_file)
    told = progress or (lambda _what, _share: None)
    told("reading", 0.0)
    first, second = _as_one_site(_read(before, site), _read(after, site), site)
    told("comparing", 0.4)
    declared = site or Site(id=first.site_ids[0], kind=first.kind)
    if declared.kind != first.kind:
        raise UsageError(
            "E-VERIFY-KIND",
            say(
                "the site is declared {one}, the exports are {other}",
                one=term(declared.kind),
                other=term(first.kind),
            ),
            str(site_file),
            say("give the site.toml of this site"),
        )
    avoided = _compare(first, second, declared, seed)
    issues = findings(first, *second.issues, *avoided.issues)
    outcome = VerifyOutcome(avoided, first, second, declared.currency, seed, issues)
    if out is None:
        return outcome
    folder = make_folder(out)
    written = (
        write_json(folder / "verify.json", outcome.content()),
        write_csv(folder / "verify.csv", avoided.daily),
    )
    return replace(outcome, written=written)


def _compare(before: Telemetry, after: Telemetry, site: Site, seed: int) -> Avoided:
    if before.kind == "base-station" and after.kind == "base-station":
        check_pair(before, after)
        found, backwards = station_counterfactual(before, after)
        unit = 1.0 if found.physical else site.energy_unit_kwh
        return judge(
            found.counterfactual, site, kind="base-station", backwards=backwards,
            issues=_order(backwards), unit_kwh=unit,
        )  # fmt: skip
    periods = periods_of(before, after)
    counterfactual = site_counterfactual(periods, site.current, seed=seed)
    return judge(
        counterfactual,
        site,
        kind="data-centre",
        backwards=periods.backwards,
        issues=(*_order(periods.backwards), *_findings(counterfactual, site)),
        pv_kw=None if periods.own_kw is None else periods.own_kw[periods.after],
    )


def _read(exports: Exports, site: Site | None) -> tuple[Telemetry, bool]:
    """Return one period, and whether its exports say which site they are of."""
    telemetry, readings = read(exports)
    if site is not None and site.time_zone is not None and exports.zone is None:
        telemetry = in_zone(telemetry, site.time_zone)
    return telemetry, _named(readings)


def _as_one_site(
    before: tuple[Telemetry, bool], after: tuple[Telemetry, bool], site: Site | None
) -> tuple[Telemetry, Telemetry]:
    """Return both periods under one name where exports without a site column were named by their files."""
    given = (before, after)
    names = [t.site_ids[0] for t, named in given if named]
    name = names[0] if names else before[0].site_ids[0] if site is None else site.id
    first, second = (
        (t if named or t.kind != "data-centre" else _called(t, name, period))
        for (t, named), period in zip(given, ("--before", "--after"), strict=True)
    )
    return first, second


def _called(telemetry: Telemetry, name: str, period: str) -> Telemetry:
    frame = telemetry.frame.assign(site_id=name)
    if frame.duplicated(list(KEY_COLUMNS)).any():
        return telemetry  # files of several sites
    issue = DataIssue(
        "D-VERIFY-SITE-ASSUMED", "info", period,
        say("the exports do not name their site"),
        say("check that both periods are of the same site"),
        say("taken as one site"),
    )  # fmt: skip
    ordered = frame.sort_values(list(KEY_COLUMNS), ignore_index=True)
    return replace(telemetry, frame=ordered).with_issues([issue])


def _named(readings: tuple[Reading, ...]) -> bool:
    """Whether the exports themselves say which site they are of."""
    return any(file.site_column for reading in readings for file in reading.mapping.file)


def _order(backwards: bool) -> tuple[DataIssue, ...]:
    if not backwards:
        return ()
    issue = DataIssue(
        "D-VERIFY-ORDER", "warning", "--before, --after",
        say("the period given as before lies after the other"),
        say("give them the right way round"),
        say("the sign of the saving is that of the order given; nothing is called proven"),
    )  # fmt: skip
    return (issue,)


def _findings(c: Counterfactual, site: Site) -> tuple[DataIssue, ...]:
    """Return what has to be said about the data of both periods."""
    found = []
    for habit in c.habits.values():
        declared = site.current.get(habit.lever)
        if habit.manner == "tested" and not habit.declared and habit.value_c is not None:
            found.append(
                DataIssue(
                    "D-CURRENT-ASSUMED", "warning", habit.lever,
                    say("set-points in force were not declared; most often in force: {said}",
                        said=say("{lever} = {value}", lever=habit.lever,
                                 value=setting(habit.lever, habit.value_c))),
                    say("declare them under [current] in site.toml"),
                    say("savings count from these values"),
                )
            )  # fmt: skip
        elif (
            habit.manner == "steady"
            and declared is not None
            and abs(declared - (habit.value_c or 0)) > 0.25 * scale_of(habit.lever).kelvin
        ):
            found.append(
                DataIssue(
                    "D-VERIFY-CURRENT", "info", habit.lever,
                    say("declared in force: {declared}; measured before the change: {value}",
                        declared=setting(habit.lever, declared),
                        value=setting(habit.lever, habit.value_c or 0.0)),
                    say("correct [current] in site.toml, or the exports"),
                    say("savings count from what was measured"),
                )
            )  # fmt: skip
    for period, count in zip(("--before", "--after"), c.set_aside, strict=True):
        if count:
            found.append(
                DataIssue(
                    "D-VERIFY-SPIKE", "warning", period,
                    say("{count} steps differ from all others as a faulty meter does", count=count),
                    say("check the meters at these times"),
                    say("they are left out of fit and saving"),
                    count,
                )
            )  # fmt: skip
    return tuple(found)
