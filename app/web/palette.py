"""Colours for drawings that do not follow CSS; the same figures as ``styles/tokens.css``."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TOKENS = Path(__file__).parent / "styles" / "tokens.css"


@cache
def palette(*, dark: bool) -> dict[str, str]:
    """Return token name (without dashes in front) -> colour ``#RRGGBB`` of a theme."""
    light, _, rest = TOKENS.read_text(encoding="utf-8").partition(":root[data-theme")
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9A-F]{6});", rest if dark else light))
