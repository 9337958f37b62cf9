"""The words of the interface: catalogues, one per language, checked against each other by tests.

``catalogues/<code>.toml`` holds the shell's and pages' texts; a page may bring its own
``catalogues/<page>.<code>.toml``. Keys are dotted (``fleet.title``); ``{name}`` is a placeholder.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from app.web import sentences

Code = Literal["zh", "en"]
CODES: tuple[Code, ...] = ("zh", "en")
FOLDER = Path(__file__).parent / "catalogues"


class MissingTextError(KeyError):
    """A text of the interface is in no catalogue: a fault of the program."""


@dataclass(frozen=True)
class Language:
    """One language of the interface.

    Parameters
    ----------
    code : {"zh", "en"}
    """

    code: Code

    @property
    def tag(self) -> str:
        """The tag for ``lang`` attributes."""
        return "zh-CN" if self.code == "zh" else "en"

    def text(self, key: str, **values: object) -> str:
        """Return a text of the catalogue with its placeholders filled.

        Raises
        ------
        MissingTextError
            The key or one of its values is missing.
        """
        texts = catalogue(self.code)
        if key not in texts:
            raise MissingTextError(f"{key} ({self.code})")
        try:
            return texts[key].format_map(values)
        except KeyError as error:
            raise MissingTextError(f"{key} ({self.code}) needs a value for {error}") from None

    def knows(self, key: str) -> bool:
        """Whether the catalogue holds the key."""
        return key in catalogue(self.code)

    def sentence(self, text: str) -> str:
        """Return a sentence of the advisor's core in this language, unchanged where nobody knows it."""
        return sentences.translate(text, self.code)

    def column(self, name: str) -> str:
        """Return a canonical column as people call it."""
        key = f"column.{name}"
        return self.text(key) if self.knows(key) else name.replace("_", " ")


@cache
def catalogue(code: Code) -> dict[str, str]:
    """Return dotted key -> text of a language.

    Raises
    ------
    ValueError
        Two files hold the same key.
    """
    texts: dict[str, str] = {}
    for path in (FOLDER / f"{code}.toml", *_of_pages(code)):
        found = dict(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
        twice = texts.keys() & found.keys()
        if twice:
            raise ValueError(f"{path.name} repeats {sorted(twice)[:5]}")
        texts |= found
    return texts


def _of_pages(code: Code) -> list[Path]:
    """Return the catalogues that pages bring; those of the core's sentences have a form of their own."""
    return [path for path in sorted(FOLDER.glob(f"*.{code}.toml")) if not path.name.startswith("messages.")]


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in table.items():
        pairs += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return pairs


LANGUAGES: dict[str, Language] = {code: Language(code) for code in CODES}
"""Code -> language."""


def preferred(accept_language: str) -> Code:
    """Return the language that a browser asks for first (``Accept-Language``); English where neither."""
    for part in accept_language.lower().split(","):
        tag = part.split(";")[0].strip()
        for code in CODES:
            if tag == code or tag.startswith(f"{code}-"):
                return code
    return "en"
