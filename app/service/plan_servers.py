"""What to do with the servers that the sites of a portfolio declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.chip_catalogue import load_hardware
from advisor.chips import ChipPlan, plan_chips
from advisor.chips_text import plan_lines
from advisor.portfolio_case import SiteCase


@dataclass(frozen=True)
class SiteServers:
    """One site's servers: the plan, and the same in words with payback and sources."""

    site_id: str
    plan: ChipPlan
    lines: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the site's part of ``summary.json``."""
        return {
            "it_before_kw": self.plan.it_before_kw.to_dict(),
            "it_after_kw": self.plan.it_after_kw.to_dict(),
            "actions": [
                {
                    "id": action.id,
                    "kind": action.kind,
                    "action": action.sentence,
                    "it_saving_kw": action.it_saving_kw.to_dict(),
                    "sources": list(action.sources),
                }
                for action in self.plan.actions
            ],
            "text": list(self.lines),
        }


def plan_servers(cases: Sequence[SiteCase]) -> tuple[SiteServers, ...]:
    """Choose among keep, switch off, consolidate, cap and replace at every site that declares servers.

    The savings stand beside the placement's, in no total with it: leaner servers leave less work's power to
    move. Facility power follows IT power by each site's own marginal.

    Raises
    ------
    features.errors.AdvisorError
        A group of servers or a price cannot be used.
    """
    found = []
    for case in cases:
        site = case.site
        if not site.servers:
            continue
        price = site.tariff.energy_per_kwh if site.tariff else None
        carbon = site.carbon.factor_kg_per_kwh if site.carbon else None
        plan = plan_chips(
            site.servers, load_hardware(), site.hardware_prices, price_per_kwh=price, carbon_kg_per_kwh=carbon
        )
        lines = plan_lines(
            plan, facility_factor=case.marginal.point, price_per_kwh=price, carbon_kg_per_kwh=carbon
        )
        found.append(SiteServers(site.id, plan, lines))
    return tuple(found)
