"""The bundles of a model directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from features.errors import ModelError
from features.message import say
from features.schema import Kind
from models.store import CARD, load, sha256

KINDS: tuple[Kind, ...] = ("data-centre", "base-station")


@dataclass(frozen=True)
class ModelFolder:
    """The bundles of a model directory; picklable.

    Parameters
    ----------
    root : str
    cards : dict
        Name of the bundle's folder ("": the root itself) -> SHA-256 of its card.
    """

    root: str
    cards: dict[str, str]


def list_models(root: Path) -> ModelFolder:
    """Return the bundles of a model directory; those that serve many sites must pass their checksums.

    An empty folder is allowed: it puts every site on the fallback tier.

    Raises
    ------
    ModelError
        Code E-MODEL-MISSING: no such folder, or one that holds something else; or a bundle that serves
        many sites is damaged.
    """
    if (root / CARD).is_file():
        load(root)
        return ModelFolder(str(root.resolve()), {"": card_digest(root)})
    try:
        entries = sorted(e for e in root.iterdir() if not e.name.startswith("."))
    except OSError:
        entries = [root]
    cards = {e.name: card_digest(e) for e in entries if (e / CARD).is_file()}
    if entries and not cards:
        raise ModelError(
            "E-MODEL-MISSING",
            say("there is no model here"),
            str(root),
            say("run: advisor train PATH --out MODEL_DIR, or MODEL_DIR/<site id>, or MODEL_DIR/<kind>"),
        )
    for kind in KINDS:
        if kind in cards:
            load(root / kind)
    return ModelFolder(str(root.resolve()), cards)


def card_digest(directory: Path) -> str:
    """Return the SHA-256 of a bundle's card."""
    return sha256((directory / CARD).read_bytes())
