"""The exports that a use case works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from features.errors import MappingFileError, UsageError
from features.message import say
from features.reading import Mapping, Reading, read_paths
from features.schema import Kind
from features.telemetry import Telemetry, TimeZone


@dataclass(frozen=True)
class Exports:
    """Which files to read, and how.

    Parameters
    ----------
    paths : tuple of pathlib.Path
        Files, or folders of exports that belong together.
    kind : {"data-centre", "base-station"} or None
        None: recognised from the columns.
    mapping : pathlib.Path or None
        A confirmed ``mapping.toml``.
    zone : str or None
        Zone of stamps without offset: IANA name or ``+HH:MM``.
    """

    paths: tuple[Path, ...]
    kind: Kind | None = None
    mapping: Path | None = None
    zone: str | None = None


def read(exports: Exports, *, held: bool = True) -> tuple[Telemetry, tuple[Reading, ...]]:
    """Read the exports.

    Parameters
    ----------
    exports : Exports
    held : bool
        Whether all numbers are wanted in memory; else those of a large file stay in files.

    Raises
    ------
    features.errors.UsageError
        The zone or the mapping file is wrong.
    features.errors.DataError
        The exports cannot be used.
    """
    if exports.zone is not None:
        _check_zone(exports.zone)
    mapping = None if exports.mapping is None else _mapping(exports.mapping)
    return read_paths(list(exports.paths), kind=exports.kind, mapping=mapping, zone=exports.zone, held=held)


def in_zone(telemetry: Telemetry, name: str) -> Telemetry:
    """Return the telemetry in the zone that the site declares.

    Wall-clock stamps are taken as local time of that zone. Stamps that were true UTC stay what they
    are; only what is called local time changes.
    """
    if telemetry.zone.known:
        return replace(telemetry, zone=TimeZone(name, assumed=False))
    return telemetry.with_zone(name)


def _check_zone(name: str) -> None:
    try:
        TimeZone(name, assumed=False)
    except (ValueError, KeyError, OSError):
        raise UsageError(
            "E-ZONE",
            say("{name!r} is no time zone", name=name),
            "--time-zone",
            say("give an IANA name or an offset like +08:00"),
        ) from None


def _mapping(path: Path) -> Mapping:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingFileError(
            "E-MAPPING-FILE",
            say("the mapping cannot be read: {error}", error=error),
            str(path),
            say("give the mapping.toml that `advisor check --out DIR` wrote"),
        ) from None
    return Mapping.from_toml(text, str(path))
