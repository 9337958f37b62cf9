"""View: nodes on the page, drawn anew in place whenever what they show has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from app.web.nodes import Node
from app.web.state import SessionState

HERE = Path(__file__).parent
Act = Callable[[str, Any], None]
"""Called with the name of what was pressed or changed and its value."""


@cache
def style(name: str) -> str:
    """Return a shipped style sheet."""
    return (HERE / "styles" / f"{name}.css").read_text(encoding="utf-8")


class View(JSComponent):
    """Nodes made by a function of the session's state.

    Parameters
    ----------
    state : SessionState
    draw : callable
        Returns the nodes; called at once and after each change of `watches`.
    act : callable or None
        Called with an element's ``act`` and its value when it is pressed or changed.
    watches : sequence of str
        Parameters of the state besides the language that the nodes depend on.
    """

    tree = param.List(default=[])

    _esm = (HERE / "view.js").read_text(encoding="utf-8")
    _stylesheets: ClassVar[list[str]] = [style("view")]

    def __init__(
        self,
        state: SessionState,
        draw: Callable[[], Sequence[Node]],
        act: Act | None = None,
        watches: Sequence[str] = (),
        **values: Any,
    ) -> None:
        self._draw, self._act = draw, act
        super().__init__(tree=self._nodes(), sizing_mode="stretch_width", margin=0, **values)  # type: ignore[no-untyped-call]
        state.on(["lang", *watches], self.redraw)

    def redraw(self) -> None:
        """Draw anew; only what differs is touched in the browser."""
        self.tree = self._nodes()

    def focus(self, key: str) -> None:
        """Move the focus to the element of that ``key``."""
        self._send_msg({"focus": key})

    def _nodes(self) -> list[dict[str, object]]:
        return [made.plain() for made in self._draw()]

    def _handle_msg(self, data: Any) -> None:
        if self._act is not None and isinstance(data, dict) and isinstance(data.get("act"), str):
            self._act(data["act"], data.get("value"))
