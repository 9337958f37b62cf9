"""The flows of a dispatch, planned or as it is, as the account of green takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from advisor.dispatch_site import DispatchSite, SiteDispatch
from advisor.green.flows import Basis, GreenFlows, GridMix, Part, Supply
from features.frame import FloatArray

NOTHING: Mapping[Part, Basis] = MappingProxyType({})


def flows_of(
    site: DispatchSite,
    done: SiteDispatch,
    hours: float,
    *,
    own: Supply | None = None,
    contracts: tuple[Supply, ...] = (),
    supplies: tuple[Supply, ...] | None = None,
    over_grid_kw: FloatArray | float = 0.0,
    grid: GridMix | None = None,
    basis: Mapping[Part, Basis] = NOTHING,
) -> GreenFlows:
    """Return the flows of one site of a dispatch.

    Energy that moving work takes is more than the work needs: it counts in no share.

    Parameters
    ----------
    site : DispatchSite
    done : SiteDispatch
    hours : float
        Length of a step [h].
    own : Supply or None
        Name, origin, certificates of the own production (its energies are those of the dispatch); None: a
        self-built plant.
    contracts : tuple of Supply
        Traded supplies, shape (n,); they reach the site through what it buys.
    supplies : tuple of Supply or None
        All plants and contracts apart, in place of ``own`` and ``contracts``.
    over_grid_kw : numpy.ndarray, shape (n,), or float
        What the dispatch counts as own production and traded contracts deliver through the grid [kW].
    grid : GridMix or None
        None: all that the dispatch calls green is carbon-free, and its carbon factor.
    basis : mapping
        Part -> `Basis`.
    """
    if supplies is None:
        named = own or Supply("own production", "self-built", hours * done.own_used_kw)
        plant = replace(named, delivered_kwh=hours * done.own_used_kw, spilled_kwh=hours * done.spilled_kw)
        supplies = (plant, *contracts)
    mix = grid or GridMix(cfe_share=1.0 - site.grid_non_green, carbon_g_per_kwh=site.carbon_g_per_kwh)
    return GreenFlows(
        site.site_id,
        hours,
        load_kwh=hours * done.load_kw,
        grid_kwh=hours * (done.grid_kw + over_grid_kw),
        supplies=supplies,
        grid=mix,
        charge_kwh=hours * done.charge_kw,
        discharge_kwh=hours * done.discharge_kw,
        needed_kwh=hours * float((done.load_kw - done.transfer_kw).sum()),
        it_kwh=None if site.it_kw is None else hours * float(done.work_kw.sum()),
        basis=basis,
    )
