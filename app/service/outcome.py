"""What every use case returns."""

from __future__ import annotations

from typing import Protocol


class Outcome(Protocol):
    """A typed result that the command line can print as text or JSON."""

    @property
    def exit_code(self) -> int:
        """0 done, 1 something failed."""
        ...

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        ...
