"""Plan: a folder with portfolio.toml in; plan, summary, front and a page out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from advisor.green.weights import read_weights
from advisor.portfolio import Member, Portfolio, read_portfolio
from advisor.portfolio_case import SiteCase, Source, cases_of
from advisor.portfolio_choices import classes_of, options_of, targets_of, with_batteries, with_grid_label
from advisor.portfolio_green import PortfolioGreen, green_of
from advisor.portfolio_plan import Choices, PortfolioPlan, horizon_of, plan_portfolio
from advisor.portfolio_rolled import Past, past_of
from advisor.portfolio_supply import Horizon
from advisor.site import Site, read_site
from app.report.plan_content import PlanSource, build_plan_page
from app.report.plan_page import render_plan
from app.service.plan_files import read_grid, read_table, read_weather
from app.service.plan_servers import SiteServers, plan_servers
from app.service.plan_summary import FailedMember, summary
from app.service.reading import Exports, in_zone, read
from app.writing import make_folder, write_csv, write_json, write_parquet, write_text
from features.errors import AdvisorError, InsufficientDataError, SiteFileError
from features.frame import FloatArray
from features.issues import DataIssue, worst_first
from features.message import say
from features.telemetry import TimeZone
from models.bundle import Progress
from models.day_weather import issued_forecasts

FAILED = 1


@dataclass(frozen=True)
class PlanOutcome:
    """Plan, account of green, what failed, findings (``found`` in planning, ``issues`` of exports), files."""

    plan: PortfolioPlan
    green: PortfolioGreen
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
            **summary(
                self.plan, self.green, self.sources, self.failed, (*self.found, *self.issues), self.servers
            ),
            "written": [str(path) for path in self.written],
        }


def plan_folder(
    folder: Path, *, out: Path, points: int = 9, page: bool = False, progress: Progress | None = None
) -> PlanOutcome:
    """Plan the portfolio of a folder and write ``plan.csv``, ``summary.json`` and ``pareto.csv``.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``portfolio.toml``; see `advisor.portfolio`.
    out : pathlib.Path
        Folder of the results.
    points : int
        Points of the front; 0: no front.
    page : bool
        Whether to write ``plan.html`` too.
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
    horizon = horizon_of(portfolio, sources)
    choices = _choices(folder, portfolio, cases, horizon)
    past = _past(portfolio, sources, cases, horizon)
    plan = plan_portfolio(portfolio, cases, horizon, choices, past=past, points=points, progress=tell)
    weights = None if portfolio.weights is None else read_weights(folder / portfolio.weights)
    green = green_of(plan, on=horizon.window[1].date(), weights=weights)
    servers: list[SiteServers] = []
    for case in (c for c in cases if c.site.servers):
        _try(lambda c=case: servers.append(plan_servers(c)), case.site.id, failed)  # type: ignore[misc]
    used = tuple(s for s in sources if any(c.site is s.site for c in cases))
    found = worst_first(issues)
    findings = worst_first(issue for s in used for issue in s.telemetry.issues)
    make_folder(out)
    written: tuple[Path, ...] = (
        write_csv(out / "plan.csv", plan.table),
        write_csv(out / "pareto.csv", plan.front.table),
        write_parquet(
            out / "pareto_plans.parquet", pa.Table.from_pandas(plan.front.plans, preserve_index=False)
        ),
        write_json(
            out / "summary.json", summary(plan, green, used, tuple(failed), (*found, *findings), servers)
        ),
    )
    if page:
        tell("page", 0.97)
        made = build_plan_page(PlanSource(plan, green, used, tuple(failed), found, tuple(servers)))
        written = (write_text(out / "plan.html", render_plan(made)), *written)
    tell("done", 1.0)
    return PlanOutcome(plan, green, used, tuple(failed), found, findings, written, tuple(servers))


def _cases(
    portfolio: Portfolio, sources: list[Source], failed: list[FailedMember], issues: list[DataIssue]
) -> list[SiteCase]:
    cases: list[SiteCase] = []
    if sources:
        horizon = horizon_of(portfolio, sources)
        for source in sources:
            _try(
                lambda s=source: cases.extend(  # type: ignore[misc]
                    with_grid_label(cases_of(s, horizon, portfolio, issues), s.member)
                ),
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


def _past(
    portfolio: Portfolio, sources: list[Source], cases: list[SiteCase], horizon: Horizon
) -> Past | None:
    """Return the sites from their past on, where days are planned on forecasts."""
    if portfolio.foresight == "known":
        return None
    used = [s for s in sources if any(c.site is s.site for c in cases)]
    whole = past_of(portfolio, [s.telemetry.span for s in used], horizon)
    names = {c.dispatch.site_id for c in cases}
    before: list[SiteCase] = []
    weather: dict[str, dict[str, FloatArray]] = {}
    for source in used:
        found = [c for c in cases_of(source, whole, portfolio, []) if c.dispatch.site_id in names]
        before += found
        if source.weather_forecast is not None:
            day = whole.day_in(whole.zone or source.telemetry.zone)
            told = issued_forecasts(source.weather_forecast, whole.stamps, day)
            weather |= {c.dispatch.site_id: told for c in found}
    return Past(tuple(before), whole, weather)


def _choices(folder: Path, portfolio: Portfolio, cases: list[SiteCase], horizon: Horizon) -> Choices:
    """Return classes, options and targets; sites that may get a battery get an empty one."""
    zone = horizon.zone or cases[0].zone
    tables = {w.file: read_table(folder / w.file, zone, ("it_power_kw",)) for w in portfolio.work if w.file}
    tables |= {
        o.profile: read_table(folder / o.profile, zone, ("kw_per_kw",)) for o in portfolio.option if o.profile
    }
    new = with_batteries(cases, portfolio)
    cases[:] = [
        replace(c, dispatch=replace(c.dispatch, battery=new.get(c.dispatch.site_id, c.dispatch.battery)))
        for c in cases
    ]
    return Choices(
        classes_of(portfolio, cases, horizon, tables), options_of(portfolio, cases, horizon, tables),
        targets_of(portfolio, cases),
    )  # fmt: skip


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
    weather = member.weather_forecast
    return Source(
        member, site, telemetry, grid, member.site, _profiles(folder, site, telemetry.zone),
        None if weather is None else read_weather(folder / weather, telemetry.zone),
    )  # fmt: skip


def _profiles(folder: Path, site: Site, zone: TimeZone) -> dict[str, pd.DataFrame]:
    names = [c.profile for c in site.contract if c.profile]
    return {name: read_table(folder / name, zone, ("kw_per_kw",)) for name in names}
