"""The model store: LightGBM text and JSON beside a card with SHA-256, never pickle.

A damaged LightGBM text can kill the process that loads it, so every byte is checked against the
card before any parser sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from features.errors import ModelError
from features.message import pack, say, unpack
from features.schema import Kind
from features.telemetry import Telemetry

CARD = "card.json"
MARKER = ".energy-advisor-model"
FORMAT = 1


@dataclass(frozen=True)
class ModelCard:
    """What made a model directory and how good it is.

    Parameters
    ----------
    kind : {"data-centre", "base-station"}
    data_start, data_end : str
        Span of the training data, ISO 8601.
    data_hash : str
        SHA-256 of the training telemetry.
    sites : tuple of str
    interval_s : float
        Interval of the training telemetry [s].
    zone : str
        Time zone of the telemetry, ``unknown`` where assumed.
    seed : int
    versions : dict
        Package -> version.
    quantities : dict
        Quantity -> what is known of its models: chosen model, features, schema hash, nominal and
        measured coverage, held-out errors beside the baselines.
    notes : tuple of str
    files : dict
        File name -> SHA-256; filled by `save`.
    model_id : str
        Hash of everything else; filled by `save`.
    """

    kind: Kind
    data_start: str
    data_end: str
    data_hash: str
    sites: tuple[str, ...]
    interval_s: float
    zone: str
    seed: int
    versions: dict[str, str]
    quantities: dict[str, dict[str, object]]
    notes: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    model_id: str = ""
    format: int = FORMAT


def card_of(
    telemetry: Telemetry, quantities: dict[str, dict[str, object]], notes: tuple[str, ...], seed: int
) -> ModelCard:
    """Return the unsealed card of models that were fitted on a telemetry."""
    start, end = telemetry.span
    return ModelCard(
        kind=telemetry.kind,
        data_start=start.isoformat(),
        data_end=end.isoformat(),
        data_hash=telemetry.content_hash(),
        sites=tuple(telemetry.site_ids),
        interval_s=telemetry.interval.total_seconds(),
        zone=telemetry.zone.name,
        seed=seed,
        versions=package_versions(),
        quantities=quantities,
        notes=notes,
    )


def package_versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {name: version(name) for name in ("energy-advisor", "lightgbm", "scikit-learn", "pandas", "numpy")}


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def seal(card: ModelCard, files: dict[str, str]) -> ModelCard:
    """Return the card with the files' checksums and the model id filled in.

    The id depends on content only, so the same data, seed and versions give the same id.
    """
    raw = _raw(card)
    raw["files"] = {name: sha256(text.encode()) for name, text in sorted(files.items())}
    raw["model_id"] = ""
    raw["model_id"] = f"{card.kind}-{sha256(json.dumps(raw, sort_keys=True).encode())[:12]}"
    return _card(raw)


def save(directory: Path, card: ModelCard, files: dict[str, str]) -> ModelCard:
    """Write a model directory; the card comes last, so a directory without one is unfinished.

    Parameters
    ----------
    directory : pathlib.Path
        Created if need be. Files of an earlier model in it are replaced.
    card : ModelCard
    files : dict
        Plain file name -> text.

    Returns
    -------
    ModelCard
        The sealed card.

    Raises
    ------
    ModelError
        The directory cannot be written, or holds something that is not a model.
    """
    sealed = seal(card, files)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        ours = (directory / CARD).exists() or (directory / MARKER).exists()
        if any(directory.iterdir()) and not ours:
            raise ModelError(
                "E-MODEL-DIR",
                say("the folder holds files that are not a model"),
                str(directory),
                say("give an empty folder"),
            )
        (directory / MARKER).touch()  # a save that is killed half-way may be repeated here
        stale = _files_of_card(directory / CARD) - set(files)
        (directory / CARD).unlink(missing_ok=True)
        for name in stale:
            (directory / Path(name).name).unlink(missing_ok=True)
        for name, text in files.items():
            _write(directory / name, text)
        _write(directory / CARD, json.dumps(_raw(sealed), indent=1, sort_keys=True))
    except OSError as error:
        raise ModelError(
            "E-MODEL-WRITE",
            say("the model cannot be written: {error}", error=error),
            str(directory),
            say("choose another folder"),
        ) from None
    return sealed


def load(directory: Path) -> tuple[ModelCard, dict[str, str]]:
    """Read a model directory and check every file against the card.

    Raises
    ------
    ModelError
        Codes E-MODEL-MISSING, E-MODEL-CARD, E-MODEL-FORMAT, E-MODEL-DAMAGED.
    """
    try:
        raw = json.loads((directory / CARD).read_text(encoding="utf-8"))
        card = _card(raw)
        digests = {str(name): str(digest) for name, digest in card.files.items()}
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            "E-MODEL-MISSING",
            say("there is no model here"),
            str(directory),
            say("run: advisor train PATH --out MODEL_DIR"),
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            "E-MODEL-CARD",
            say("card.json is damaged: {error}", error=error),
            str(directory),
            say("train again"),
        ) from None
    if card.format != FORMAT:
        raise ModelError(
            "E-MODEL-FORMAT",
            say("format {found} is not {known}", found=card.format, known=FORMAT),
            str(directory),
            say("train again"),
        )
    files = {name: _checked(directory / Path(name).name, digest) for name, digest in digests.items()}
    if seal(card, files).model_id != card.model_id:
        raise ModelError(
            "E-MODEL-DAMAGED", say("card.json does not match its own id"), str(directory), say("train again")
        )
    return card, files


def _files_of_card(path: Path) -> set[str]:
    """Return the files of an earlier model; none where its card is missing or damaged."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["files"]
        return set(listed) if isinstance(listed, dict) else set()
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError):
        return set()


def _checked(path: Path, digest: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "E-MODEL-DAMAGED", say("a file is missing: {error}", error=error), str(path), say("train again")
        ) from None
    if sha256(data) != digest:
        raise ModelError(
            "E-MODEL-DAMAGED", say("the file does not match its checksum"), str(path), say("train again")
        )
    return data.decode()


def _raw(card: ModelCard) -> dict[str, object]:
    """Return the card as it is stored; notes keep what another language needs."""
    return {**asdict(card), "notes": [pack(note) for note in card.notes]}


def _card(raw: dict[str, object]) -> ModelCard:
    fields = dict(raw)
    fields["sites"] = tuple(fields["sites"])  # type: ignore[arg-type]
    fields["notes"] = tuple(map(unpack, fields["notes"]))  # type: ignore[call-overload]
    return ModelCard(**fields)  # type: ignore[arg-type]


def _write(path: Path, text: str) -> None:
    """Write through a temporary file, so that a reader never sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    Path(temporary).replace(path)
