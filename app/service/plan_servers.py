"""What to do with the servers that the sites of a portfolio declare."""

from __future__ import annotations

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


def plan_servers(case: SiteCase) -> SiteServers:
    """Choose among keep, switch off, consolidate, cap and replace for the servers that a site declares.

    The saving stands beside the placement's, in no total with it: leaner servers leave less work's power to
    move. Facility power follows IT power by the site's own marginal.

    Raises
    ------
    features.errors.AdvisorError
        A group of servers or a price cannot be used.
    """
    site = case.site
    price, carbon = site.price_per_kwh, site.carbon_kg_per_kwh
    plan = plan_chips(
        site.servers, load_hardware(), site.hardware_prices, price_per_kwh=price, carbon_kg_per_kwh=carbon
    )
    lines = plan_lines(
        plan, facility_factor=case.marginal.point, price_per_kwh=price, carbon_kg_per_kwh=carbon
    )
    return SiteServers(site.id, plan, lines)
