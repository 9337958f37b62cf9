"""Plan: a folder with portfolio.toml in; plan, summary and front out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from advisor.portfolio import FILE, Member, Portfolio, Purchase, read_portfolio
from advisor.portfolio_case import GRID_COLUMNS, SiteCase, Source, cases_of
from advisor.portfolio_plan import KNOWLEDGE, PortfolioPlan, SitePlan, horizon_of, plan_portfolio
from advisor.site import read_site
from app.service.plan_servers import SiteServers, plan_servers
from app.service.reading import Exports, in_zone, read
from app.writing import make_folder, write_csv, write_json
from features.errors import AdvisorError, InsufficientDataError, SiteFileError, UnreadableFileError
from features.issues import DataIssue, worst_first
from features.message import say
from features.schema import SCHEMA
from features.telemetry import TimeZone
from models.bundle import Progress
from models.store import package_versions

FAILED = 1


@dataclass(frozen=True)
class FailedMember:
    """A site that could not be planned, and why."""

    place: str
    error: AdvisorError


@dataclass(frozen=True)
class PlanOutcome:
    """The plan, what failed, findings (``found`` in planning, ``issues`` of the exports), files, servers."""

    plan: PortfolioPlan
    sources: tuple[Source, ...]
    failed: tuple[FailedMember, ...]
    found: tuple[DataIssue, ...]
    issues: tuple[DataIssue, ...]
    written: tuple[Path, ...]
    servers: tuple[SiteServers, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where some sites failed."""
        return FAILED if self.failed else 0

    def to_dict(self) -> dict[str, object]:
        """Return the summary and the files."""
        return {
            **summary(self.plan, self.sources, self.failed, (*self.found, *self.issues), self.servers),
            "written": [str(path) for path in self.written],
        }


def plan_folder(folder: Path, *, out: Path, points: int = 9, progress: Progress | None = None) -> PlanOutcome:
    """Plan the portfolio of a folder and write ``plan.csv``, ``summary.json`` and ``pareto.csv``.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``portfolio.toml``; see `advisor.portfolio`.
    out : pathlib.Path
        Folder of the results.
    points : int
        Points of the front; 0: no front.
    progress : callable or None

    Raises
    ------
    features.errors.AdvisorError
        The portfolio file is wrong, no site can be planned, or a limit cannot be kept.
    """
    tell = progress or (lambda _what, _share: None)
    portfolio = read_portfolio(folder)
    failed: list[FailedMember] = []
    issues: list[DataIssue] = []
    sources: list[Source] = []
    for k, member in enumerate(portfolio.site):
        tell(f"reading {member.site}", 0.3 * k / len(portfolio.site))
        _try(lambda m=member: sources.append(_source(folder, m)), member.site, failed)  # type: ignore[misc]
    _refuse_twice(sources, failed)
    cases = _cases(portfolio, sources, failed, issues)
    plan = plan_portfolio(portfolio, cases, horizon_of(portfolio, sources), points=points, progress=tell)
    servers: list[SiteServers] = []
    for case in (c for c in cases if c.site.servers):
        _try(lambda c=case: servers.append(plan_servers(c)), case.site.id, failed)  # type: ignore[misc]
    used = tuple(s for s in sources if any(c.site is s.site for c in cases))
    found = worst_first(issues)
    findings = worst_first(issue for s in used for issue in s.telemetry.issues)
    make_folder(out)
    written = (
        write_csv(out / "plan.csv", plan.table),
        write_csv(out / "pareto.csv", plan.front),
        write_json(out / "summary.json", summary(plan, used, tuple(failed), (*found, *findings), servers)),
    )
    tell("done", 1.0)
    return PlanOutcome(plan, used, tuple(failed), found, findings, written, tuple(servers))


def _cases(
    portfolio: Portfolio, sources: list[Source], failed: list[FailedMember], issues: list[DataIssue]
) -> list[SiteCase]:
    cases: list[SiteCase] = []
    if sources:
        horizon = horizon_of(portfolio, sources)
        for source in sources:
            _try(
                lambda s=source: cases.extend(cases_of(s, horizon, portfolio, issues)),  # type: ignore[misc]
                source.place,
                failed,
            )
    if not cases:
        first = failed[0].error
        raise InsufficientDataError(
            "E-PLAN-NOTHING",
            say("no site can be planned; the first: {what}", what=first.what),
            "; ".join(f.place for f in failed),
            first.remedy,
        )
    return cases


def _try(work: Callable[[], object], place: str, failed: list[FailedMember]) -> None:
    """One bad site never touches another: its error is kept beside the plan of the others."""
    try:
        work()
    except AdvisorError as error:
        failed.append(FailedMember(place, error))


def _refuse_twice(sources: list[Source], failed: list[FailedMember]) -> None:
    seen: set[str] = set()
    for source in list(sources):
        if source.site.id in seen:
            sources.remove(source)
            what = say("the site id {site!r} stands twice", site=source.site.id)
            error = SiteFileError("E-PORTFOLIO-TWICE", what, source.place, say("give each site its own id"))
            failed.append(FailedMember(source.place, error))
        seen.add(source.site.id)


# -- reading ---------------------------------------------------------------------------------------
def _source(folder: Path, member: Member) -> Source:
    site = read_site(folder / member.site)
    paths = tuple(folder / name for name in member.exports)
    mapping = None if member.mapping is None else folder / member.mapping
    telemetry, _ = read(Exports(paths, member.kind or site.kind, mapping, None))
    if site.time_zone is not None:
        telemetry = in_zone(telemetry, site.time_zone)
    grid = None if member.grid is None else read_grid(folder / member.grid, telemetry.zone)
    return Source(member, site, telemetry, grid, str(folder / member.site))


def read_grid(path: Path, zone: TimeZone) -> pd.DataFrame:
    """Read an hourly grid file.

    Parameters
    ----------
    path : pathlib.Path
        CSV with ``timestamp`` and some of `advisor.portfolio_case.GRID_COLUMNS`.
    zone : TimeZone
        Of stamps without offset.

    Returns
    -------
    pandas.DataFrame
        float64, indexed by UTC stamps; missing is NaN.

    Raises
    ------
    features.errors.UnreadableFileError
        ``E-GRID-FILE``: the file cannot be read; ``E-GRID-COLUMNS``, ``E-GRID-TIME``, ``E-GRID-VALUE``: its
        columns, stamps or values are wrong; the message names column and row.
    """
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UnreadableFileError(
            "E-GRID-FILE", say("the grid file cannot be read: {error}", error=error), str(path),
            say("give a CSV with timestamp and hourly values"),
        ) from None  # fmt: skip
    unknown = [c for c in table if c != "timestamp" and c not in GRID_COLUMNS]
    if "timestamp" not in table or unknown or len(table.columns) < 2:
        raise UnreadableFileError(
            "E-GRID-COLUMNS",
            say("columns are {found}", found=", ".join(map(str, table.columns))), str(path),
            say("give timestamp and some of {names}", names=", ".join(GRID_COLUMNS)),
        )  # fmt: skip
    values = {name: _values(table[name], str(name), path) for name in table if name != "timestamp"}
    return pd.DataFrame(values).set_index(_stamps(table["timestamp"], zone, path))


def _stamps(text: pd.Series, zone: TimeZone, path: Path) -> pd.DatetimeIndex:
    try:
        moments = [pd.Timestamp(t) for t in text]
        local = [m.tz_localize(zone.tzinfo()) if m.tzinfo is None else m for m in moments]
        stamps = pd.DatetimeIndex([m.tz_convert("UTC") for m in local])
        wrong = "" if stamps.is_unique and not stamps.hasnans else say("a stamp is missing or stands twice")
    except (ValueError, TypeError) as error:
        wrong = str(error)
    if wrong:
        raise UnreadableFileError(
            "E-GRID-TIME", say("the stamps cannot be used: {error}", error=wrong), f"{path}, timestamp",
            say("write ISO 8601 with offset, each stamp once"),
        )  # fmt: skip
    return stamps


def _values(text: pd.Series, name: str, path: Path) -> np.ndarray:
    numbers = pd.to_numeric(text, errors="coerce")
    column = SCHEMA[name]
    wrong = text.notna() & ~numbers.between(column.lower, column.upper)
    if wrong.any():
        at = int(np.flatnonzero(wrong.to_numpy())[0])
        raise UnreadableFileError(
            "E-GRID-VALUE",
            say("{value!r} is not a value of {name} ({lower:g} to {upper:g} {unit})", value=text.iloc[at],
                name=name, lower=column.lower, upper=column.upper, unit=column.unit),
            f"{path}, row {at + 2}, {name}", say("correct the value or leave it empty"),
        )  # fmt: skip
    return numbers.to_numpy(dtype=np.float64)


# -- the summary -----------------------------------------------------------------------------------
def summary(
    plan: PortfolioPlan,
    sources: tuple[Source, ...],
    failed: tuple[FailedMember, ...],
    issues: tuple[DataIssue, ...],
    servers: Sequence[SiteServers] = (),
) -> dict[str, object]:
    """Return the content of ``summary.json``."""
    start, end = plan.horizon.window
    report = plan.dispatch.report
    return {
        "portfolio": plan.portfolio.id,
        "currency": plan.portfolio.currency,
        "objective": plan.portfolio.objective,
        "knowledge": KNOWLEDGE,
        "baseline_is": "nothing is moved, batteries rest",
        "window": {
            "start": start.isoformat(),
            "end": end.isoformat(),
            "steps": len(plan.horizon.stamps),
            "hours": plan.horizon.hours,
        },
        "baseline": plan.baseline.to_dict(),
        "planned": plan.planned.to_dict(),
        "saving": plan.saving.to_dict(),
        "interval_is": "of the facility energy that follows moved work, 90 %; the window itself is measured",
        "dispatch": plan.dispatch.totals.to_dict(),
        "sites": {p.case.dispatch.site_id: _site(p) for p in plan.sites},
        "between_sites": [list(e.site_ids) for e in plan.exchanges],
        "purchases": purchases(plan),
        "servers": {s.site_id: s.to_dict() for s in servers},
        "solver": vars(report),
        "checks": [{"name": c.name, "passed": c.passed, "worst": c.worst} for c in plan.checks],
        "front": {"between": list(plan.front_between), "points": len(plan.front)},
        "issues": [issue.to_dict() for issue in issues],
        "failed": [{"place": f.place, **f.error.to_dict()} for f in failed],
        "provenance": {
            "version": package_versions()["energy-advisor"],
            "file": FILE,
            "sites": {
                s.site.id: {
                    "data_hash": s.telemetry.content_hash(),
                    "data_start": s.telemetry.span[0].isoformat(),
                    "data_end": s.telemetry.span[1].isoformat(),
                    "zone": s.telemetry.zone.name + (" (assumed)" if s.telemetry.zone.assumed else ""),
                }
                for s in sources
            },
        },
    }


def _site(plan: SitePlan) -> dict[str, object]:
    told, marginal = plan.after.totals, plan.case.marginal
    received = float(plan.after.in_kw.sum() - plan.after.out_kw.sum())
    hours = told.moved_kwh / float(plan.after.out_kw.sum()) if told.moved_kwh > 0 else 0.0
    return {
        "baseline": plan.baseline.to_dict(),
        "planned": plan.planned.to_dict(),
        "saving": plan.saving.to_dict(),
        "steps_counted": int(plan.case.counted.sum()),
        "moved_kwh": told.moved_kwh,
        "received_from_others_kwh": received * hours,
        "delivered_by_battery_kwh": told.delivered_kwh,
        "own_used_kwh": told.own_used_kwh,
        "spilled_kwh": told.spilled_kwh,
        "coverage": {"baseline": plan.before.totals.coverage, "planned": told.coverage},
        "facility_per_work": {
            "lower": marginal.lower,
            "point": marginal.point,
            "upper": marginal.upper,
            "source": marginal.source,
        },
        "sources": plan.case.labels,
    }


def purchases(plan: PortfolioPlan) -> list[dict[str, object]]:
    """Return what is on offer, priced, beside the plan: certificates never raise an hourly share."""
    left = plan.planned.non_green_kwh or 0.0
    lines: list[dict[str, object]] = []
    for offer in sorted(plan.portfolio.purchase, key=_price):
        covered = min(offer.volume_kwh, left)
        left -= covered
        lines.append(
            {
                "name": offer.name,
                "kind": offer.kind,
                "volume_kwh": offer.volume_kwh,
                "price_per_kwh": offer.price_per_kwh,
                "useful_kwh": covered,
                "cost": covered * offer.price_per_kwh,
                "source": offer.source,
                "note": "an annual claim beside the hours; it changes no hourly share and no energy",
            }
        )
    return lines


def _price(offer: Purchase) -> float:
    return offer.price_per_kwh
