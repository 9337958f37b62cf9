"""What ``advisor plan`` answers with: ``summary.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.dispatch_options import Option
from advisor.portfolio import FILE, Purchase
from advisor.portfolio_case import Source
from advisor.portfolio_green import PortfolioGreen
from advisor.portfolio_plan import PortfolioPlan, SitePlan
from advisor.work import WorkClass
from app.service.plan_servers import SiteServers
from features.errors import AdvisorError
from features.issues import DataIssue
from models.store import package_versions


@dataclass(frozen=True)
class FailedMember:
    """A site that could not be planned, and why."""

    place: str
    error: AdvisorError


def summary(
    plan: PortfolioPlan,
    green: PortfolioGreen,
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
        "knowledge": plan.knowledge,
        "rolled": _rolled(plan),
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
        "sites": {p.case.dispatch.site_id: _site(p, plan.horizon.hours) for p in plan.sites},
        "between_sites": [list(e.site_ids) for e in plan.exchanges],
        "work": {c.name: _work(c, plan) for c in plan.setting.classes},
        "options": {o.name: _option(o, plan) for o in plan.setting.options},
        "targets": [
            {
                "measure": t.measure,
                "bound": t.bound,
                "sites": None if t.site_ids is None else list(t.site_ids),
                "source": t.source,
            }
            for t in plan.setting.targets
        ],
        "green": _green(green),
        "purchases": purchases(plan),
        "servers": {s.site_id: s.to_dict() for s in servers},
        "solver": vars(report),
        "checks": [{"name": c.name, "passed": c.passed, "worst": c.worst} for c in plan.checks],
        "front": {"between": list(plan.front.between), "points": len(plan.front.table)},
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


def _site(plan: SitePlan, hours: float) -> dict[str, object]:
    told, marginal = plan.after.totals, plan.case.marginal
    return {
        "baseline": plan.baseline.to_dict(),
        "planned": plan.planned.to_dict(),
        "saving": plan.saving.to_dict(),
        "steps_counted": int(plan.case.counted.sum()),
        "moved_kwh": told.moved_kwh,
        "received_from_others_kwh": received_kwh(plan, hours),
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


def received_kwh(plan: SitePlan, hours: float) -> float:
    """Return the IT work that came from other sites, less what went there [kWh]."""
    return hours * float((plan.after.work_kw - plan.case.dispatch.work_kw).sum())


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


def _green(green: PortfolioGreen) -> dict[str, object]:
    """Return every measure of green before and after, and the rules by site."""
    return {
        "baseline": green.before.to_dict(),
        "planned": green.after.to_dict(),
        "rules": {r.site_id: [c.to_dict() for c in r.checks] for r in green.rules},
    }


def _rolled(plan: PortfolioPlan) -> dict[str, object] | None:
    """Return what yesterday's plan repeated and perfect foresight would have come to; None: not rolled."""
    rolled = plan.rolled
    if rolled is None:
        return None
    before = plan.before.totals.non_green_kwh
    possible = before - rolled.perfect.totals.non_green_kwh
    saved = before - rolled.forecast.totals.non_green_kwh
    return {
        "persistence": rolled.persistence.totals.to_dict(),
        "bound_with_perfect_foresight": rolled.perfect.totals.to_dict(),
        "share_of_bound_reached": saved / possible if possible > 0 else None,
        "days_held": int(rolled.days["held"].sum()),
        "late_kwh": rolled.late_kwh,
    }


def _work(work: WorkClass, plan: PortfolioPlan) -> dict[str, object]:
    """Return what becomes of a class of work: where it is done, how much later [kWh]."""
    hours, begun = plan.horizon.hours, plan.dispatch.work[work.name]
    steps = work.begun_steps
    done = {site: steps * hours * float(kw.sum()) for site, kw in begun.items()}
    kept = steps * hours * float(np.minimum(begun[work.home], work.soonest_kw).sum())
    total = sum(done.values())
    return {
        "home": work.home,
        "energy_kwh": total,
        "done_kwh": done,
        "moved_kwh": total - kept,
        "wait_hours": work.wait_steps * hours,
    }


def _option(option: Option, plan: PortfolioPlan) -> dict[str, object]:
    size = plan.dispatch.sizes[option.name]
    return {
        "kind": option.kind,
        "site": option.site_id,
        "size": size,
        "unit": {"supply": "kW", "battery": "kWh", "certificate": "kWh", "retrofit": ""}[option.kind],
        "most": option.most,
        "cost_in_window": size * option.cost_per_unit,
    }
