"""The catalogue of official measures, standard limits, retrofits and green-share rules: read strictly.

``advisor/measures/*.toml`` (one measure per file, its name is the id), ``advisor/limits/*.toml`` (one
standard per file), ``advisor/retrofits/*.toml`` (one retrofit per file), ``advisor/share_rules/*.toml`` and
``advisor/certificate_schemes/*.toml`` are package data: they travel in the wheel and are found through
`importlib.resources`.
A new measure is a new file. A figure is shown with its confidence tag, and a target whose year has passed
keeps its ``valid_to`` and is called the last published target.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, cast

from pydantic import Field, ValidationError, model_validator

from advisor.green.rule_entry import CertificateScheme, ShareRule
from advisor.measure import ACTIONS, Confidence, Judgement, Measure, Source, Strict, Text, judge
from advisor.retrofit_entry import Retrofit
from features.errors import CatalogueError
from features.message import say
from features.schema import Kind

__all__ = [
    "ACTIONS", "CertificateScheme", "Envelope", "EquipmentClass", "Judgement", "LimitStandard", "Measure",
    "Range", "Retrofit", "ShareRule", "judge", "load_certificate_schemes", "load_limits", "load_measures",
    "load_retrofits", "load_share_rules", "measures_for",
]  # fmt: skip


class Range(Strict):
    """A closed range; a side is None where the source does not state it."""

    lower: float | None = None
    upper: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError("a range needs at least one side")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower {self.lower} is above upper {self.upper}")
        return self


class Envelope(Strict):
    """Air at the server inlet: dry bulb [degC], dew point [degC], relative humidity [%]."""

    dry_bulb_c: Range
    dew_point_c: Range | None = None
    rh_pct: Range | None = None


class EquipmentClass(Strict):
    """One equipment class of a thermal guideline.

    ``max_rate_k_per_h`` [K/h] is the fastest change of the inlet temperature, ``max_rate_tape_k_per_h``
    [K/h] where tape drives stand.
    """

    id: Text
    recommended: Envelope
    allowable: Envelope
    max_rate_k_per_h: Annotated[float, Field(gt=0)] | None = None
    max_rate_tape_k_per_h: Annotated[float, Field(gt=0)] | None = None


class LimitStandard(Strict):
    """A standard with envelopes that bind at the server inlet."""

    id: Text
    title: Text
    issuer: Text
    year: int
    applies_at: Literal["server_inlet_temp_c"]
    confidence: Confidence
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    classes: Annotated[tuple[EquipmentClass, ...], Field(min_length=1)]
    notes: str = ""

    def equipment_class(self, name: str) -> EquipmentClass:
        """Return a class by id.

        Raises
        ------
        features.errors.CatalogueError
            There is no such class; the message lists those that exist.
        """
        for entry in self.classes:
            if entry.id == name:
                return entry
        known = ", ".join(entry.id for entry in self.classes)
        raise CatalogueError(
            "E-LIMIT-CLASS",
            say("{id} has no class {name!r}", id=self.id, name=name),
            self.id,
            say("classes are {known}", known=known),
        )


_Entry = TypeVar("_Entry", Measure, LimitStandard, Retrofit, ShareRule, CertificateScheme)


def load_measures(folder: Path | None = None) -> tuple[Measure, ...]:
    """Read every measure, sorted by id.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder of TOML files; None: the shipped catalogue.

    Raises
    ------
    features.errors.CatalogueError
        A file is not TOML (``E-MEASURE-TOML``), breaks the model (``E-MEASURE-KEY``), is named
        otherwise than its id (``E-MEASURE-ID``), or the folder holds none (``E-MEASURE-NONE``).
    """
    return _entries(Measure, folder, "measures", "MEASURE")


def load_limits(folder: Path | None = None) -> tuple[LimitStandard, ...]:
    """Read every standard of limits, sorted by id.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder of TOML files; None: the shipped ones.

    Raises
    ------
    features.errors.CatalogueError
        As `load_measures`, with codes ``E-LIMIT-...``.
    """
    return _entries(LimitStandard, folder, "limits", "LIMIT")


def load_retrofits(folder: Path | None = None) -> tuple[Retrofit, ...]:
    """Read every retrofit, sorted by id.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder of TOML files; None: the shipped ones.

    Raises
    ------
    features.errors.CatalogueError
        As `load_measures`, with codes ``E-RETROFIT-...``.
    """
    return _entries(Retrofit, folder, "retrofits", "RETROFIT")


def load_share_rules(folder: Path | None = None) -> tuple[ShareRule, ...]:
    """Read every rule on green shares, sorted by id.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder of TOML files; None: the shipped ones.

    Raises
    ------
    features.errors.CatalogueError
        As `load_measures`, with codes ``E-RULE-...``.
    """
    return _entries(ShareRule, folder, "share_rules", "RULE")


def load_certificate_schemes(folder: Path | None = None) -> dict[str, CertificateScheme]:
    """Read every scheme of certificates, by its code.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder of TOML files; None: the shipped ones.

    Raises
    ------
    features.errors.CatalogueError
        As `load_measures`, with codes ``E-SCHEME-...``.
    """
    read = _entries(CertificateScheme, folder, "certificate_schemes", "SCHEME")
    return {scheme.code: scheme for scheme in read}


def _entries(model: type[_Entry], folder: Path | None, shipped: str, what: str) -> tuple[_Entry, ...]:
    """Return the entries of a folder; None: of the shipped folder of that name, read once."""
    if folder is not None:
        return _load(model, folder, what)
    if model not in _SHIPPED:
        _SHIPPED[model] = _load(model, Path(str(files("advisor") / shipped)), what)
    return cast("tuple[_Entry, ...]", _SHIPPED[model])


_SHIPPED: dict[type, tuple[object, ...]] = {}


def _load(model: type[_Entry], folder: Path, what: str) -> tuple[_Entry, ...]:
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise CatalogueError(
            f"E-{what}-NONE",
            say("the folder holds no TOML file"),
            str(folder),
            say("reinstall, or give another folder"),
        )
    return tuple(_read(model, path, what) for path in paths)


def _read(model: type[_Entry], path: Path, what: str) -> _Entry:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(
            f"E-{what}-TOML",
            say("not readable as TOML: {error}", error=error),
            str(path),
            say("correct the file"),
        ) from None
    try:
        entry = model.model_validate(raw)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        keys = ", ".join(dict.fromkeys(".".join(map(str, e["loc"])) or "file" for e in error.errors()))
        raise CatalogueError(
            f"E-{what}-KEY",
            lines,
            say("{path}, key {keys}", path=path, keys=keys),
            say("correct these keys; see advisor/catalogue.py"),
        ) from None
    if entry.id != path.stem:
        raise CatalogueError(
            f"E-{what}-ID",
            say("the id {id!r} is not the file's name", id=entry.id),
            str(path),
            say("rename one of the two"),
        )
    return entry


def measures_for(
    kind: Kind,
    lever: str | None = None,
    action: str | None = None,
    *,
    on: date | None = None,
    country: str | None = None,
    measures: Iterable[Measure] | None = None,
) -> tuple[Measure, ...]:
    """Return the measures that concern a kind of site and are answered by a lever or an action.

    Parameters
    ----------
    kind : {"data-centre", "base-station"}
    lever, action : str or None
        Canonical lever, word of `ACTIONS`; where both are given, either suffices.
    on : datetime.date or None
        Day of the decision: measures not yet in force are left out, and those in force stand before
        the last published targets. None: no date is looked at.
    country : str or None
        ISO 3166 code: other countries' measures are left out. None: no country is looked at.
    measures : iterable of Measure or None
        None: the shipped catalogue.

    Raises
    ------
    ValueError
        The action is unknown: a misspelt word would silently cite nothing.
    """
    if action is not None and action not in ACTIONS:
        raise ValueError(f"{action!r} is not an action; actions are {', '.join(ACTIONS)}")
    found = [
        m
        for m in (load_measures() if measures is None else measures)
        if kind in m.applies_to
        and ((lever is None and action is None) or lever in m.levers or action in m.actions)
        and (on is None or m.state(on) != "not yet in force")
        and (country is None or m.concerns(country))
    ]
    if on is not None:
        found.sort(key=lambda m: m.state(on) != "in force")
    return tuple(found)
