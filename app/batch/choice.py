"""Which bundle scores which site: one bundle, or a folder of bundles by site or by kind.

``MODEL_DIR/card.json``: one bundle. Otherwise ``MODEL_DIR/<site id>/``, else ``MODEL_DIR/<kind>/``.
A data centre is only ever scored by models that were fitted on it: a bundle that does not know it is
left aside, and the site is scored on the fallback tier with that reason. The models of base stations are
models of a fleet, made for stations that they have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.batch.model_folder import ModelFolder, card_digest
from features.errors import ModelError
from features.message import say
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.bundle import load_bundle
from models.data_centre import DataCentreBundle

_CACHED = 8


@dataclass(frozen=True)
class Chosen:
    """The models of one site, or why there are none.

    Parameters
    ----------
    bundle : DataCentreBundle, BaseStationBundle or None
    known_as : str
        Name under which a data centre's bundle knows the site.
    code, reason : str
        Why the site is scored without a model; "" where it is scored with one.
    """

    bundle: DataCentreBundle | BaseStationBundle | None
    known_as: str = ""
    code: str = ""
    reason: str = ""


def choose(models: ModelFolder, site_id: str, declared_id: str, telemetry: Telemetry) -> Chosen:
    """Return the models of a site.

    Parameters
    ----------
    models : ModelFolder
    site_id, declared_id : str
        Name in the folder of sites, and ``id`` of its ``site.toml`` ("": none).
    telemetry : Telemetry

    Raises
    ------
    ModelError
        The bundle that is meant for this site is damaged.
    """
    own = next((n for n in (site_id, declared_id) if n and n in models.cards), None)
    name = own if own is not None else next((n for n in ("", telemetry.kind) if n in models.cards), None)
    if name is None:
        return _none("F-NO-MODEL", f"no models for the site {site_id!r} or for a {telemetry.kind}")
    bundle = _loaded(str(Path(models.root) / name), models.cards[name])
    if bundle.card.kind != telemetry.kind:
        return _none(
            "F-MODEL-KIND", f"the models are of a {bundle.card.kind}, the site is a {telemetry.kind}"
        )
    if bundle.card.interval_s != telemetry.interval.total_seconds():
        return _none(
            "F-MODEL-INTERVAL",
            f"the models are of steps of {bundle.card.interval_s:g} s, the export of "
            f"{telemetry.interval.total_seconds():g} s",
        )
    if isinstance(bundle, BaseStationBundle):
        return Chosen(bundle)
    return _data_centre(bundle, telemetry, (declared_id, site_id), own=own is not None)


def _data_centre(
    bundle: DataCentreBundle, telemetry: Telemetry, names: tuple[str, str], *, own: bool
) -> Chosen:
    """Return a data centre's models; `own`: the bundle's folder is named after the site."""
    if len(telemetry.site_ids) != 1:
        return _none("F-MODEL-SITES", f"the export holds {len(telemetry.site_ids)} data centres")
    known = next((n for n in (telemetry.site_ids[0], *names) if n in bundle.sites), "")
    if not known and own and len(bundle.sites) == 1:
        known = next(iter(bundle.sites))  # the folder's name says that these models are the site's
    if not known:
        return _none("F-MODEL-SITE", f"the models know {', '.join(sorted(bundle.sites))}, not this site")
    return Chosen(bundle, known)


def _none(code: str, reason: str) -> Chosen:
    return Chosen(None, "", code, reason)


@lru_cache(maxsize=_CACHED)
def _loaded(directory: str, digest: str) -> DataCentreBundle | BaseStationBundle:
    """Return a bundle; the digest of its card keeps a replaced one from being taken for it.

    Raises
    ------
    ModelError
        Code E-MODEL-CHANGED: it was replaced since the run began.
    """
    bundle = load_bundle(Path(directory))
    if card_digest(Path(directory)) != digest:
        raise ModelError(
            "E-MODEL-CHANGED",
            say("the models were replaced during the run"),
            directory,
            say("run the batch again"),
        )
    assert isinstance(bundle, DataCentreBundle | BaseStationBundle)  # noqa: S101 - there are two kinds
    return bundle
