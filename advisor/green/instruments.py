"""Annual instruments: certificates retired for the site, carbon offsets, and the residual mix."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.green.flows import Basis, Energy
from advisor.green.tally import YEAR_HOURS
from features.errors import UsageError
from features.message import say


@dataclass(frozen=True)
class Certificates:
    """Certificates retired for the consumption of one year, apart from any energy (unbundled).

    Parameters
    ----------
    name : str
    kwh : float
        [kWh].
    basis : Basis
    scheme : str
        ``GEC`` (China), ``I-REC``, ``GO``, ...
    energy : {"renewable", "nuclear"}
    project : str
        Plant that they were issued for; "": not told.
    """

    name: str
    kwh: float
    basis: Basis
    scheme: str = "GEC"
    energy: Energy = "renewable"
    project: str = ""


@dataclass(frozen=True)
class Offset:
    """Carbon credits (CCER and the like), ``kg`` [kg CO2e]: shown beside the account, part of no share."""

    name: str
    kg: float
    basis: Basis
    project: str = ""


@dataclass(frozen=True)
class Residual:
    """Factor of what is left when contracts and certificates are taken out, ``g_per_kwh`` [g CO2e/kWh]."""

    g_per_kwh: float
    basis: Basis


@dataclass(frozen=True)
class Instruments:
    """What is claimed beside the flows.

    Parameters
    ----------
    certificates : tuple of Certificates
    offsets : tuple of Offset
    hours : float
        Period that the volumes stand for [h]; of a shorter window only its part is counted.

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-INPUT``: a volume is negative or infinite; ``E-GREEN-TWICE``: a name stands twice, or the
        same project's energy is claimed by a certificate and by an offset.
    """

    certificates: tuple[Certificates, ...] = ()
    offsets: tuple[Offset, ...] = ()
    hours: float = YEAR_HOURS[0]

    def __post_init__(self) -> None:
        volumes = [(c.name, c.kwh) for c in self.certificates] + [(o.name, o.kg) for o in self.offsets]
        for name, volume in (*volumes, ("hours", self.hours)):
            if not 0.0 <= volume < float("inf"):
                raise UsageError(
                    "E-GREEN-INPUT", say("{name} is {value}", name=name, value=volume), name,
                    say("give volumes from 0 on"),
                )  # fmt: skip
        names = [name for name, _ in volumes]
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise UsageError(
                "E-GREEN-TWICE", say("{name!r} stands twice", name=twice), twice,
                say("declare each purchase once, with its whole volume"),
            )  # fmt: skip
        refuse_shared_projects(self.certificates, self.offsets)

    def part_of(self, window_hours: float) -> float:
        """Return which part of the volumes belongs to a window [1], spread evenly."""
        return 1.0 if window_hours >= self.hours else window_hours / self.hours


def refuse_shared_projects(certificates: tuple[Certificates, ...], offsets: tuple[Offset, ...]) -> None:
    """Refuse one project's energy as certificate and as offset (GEC and CCER claim the same MWh).

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-TWICE``.
    """
    shared = {c.project for c in certificates if c.project} & {o.project for o in offsets}
    if shared:
        project = min(shared)
        raise UsageError(
            "E-GREEN-TWICE", say("{name!r} is claimed by certificates and by offsets", name=project), project,
            say("count the same energy once: as certificate or as offset"),
        )  # fmt: skip


def refuse_own_certificates(certificates: tuple[Certificates, ...], supplies: tuple[str, ...]) -> None:
    """Refuse certificates of energy that the flows hold already.

    Parameters
    ----------
    certificates : tuple of Certificates
    supplies : tuple of str
        Names of the plants and contracts whose certificates come with their energy.

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-TWICE``.
    """
    for c in certificates:
        if c.project and c.project in supplies:
            raise UsageError(
                "E-GREEN-TWICE",
                say("{name!r} are certificates of {supply!r}, whose energy is counted already", name=c.name,
                    supply=c.project),
                c.name, say("leave them out: they come with that energy"),
            )  # fmt: skip
