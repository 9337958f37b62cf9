"""The drop zone: files go straight to the server's upload address, each with progress and cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from app.web.handlers import MOST_BYTES
from app.web.state import SessionState
from app.web.view import HERE, style

WORDS = ("lead", "waiting", "sending", "done", "cancelled", "too_large", "refused", "cancel")


class Drop(JSComponent):
    """Calls `arrived` whenever all waiting files have been sent and at least one came through."""

    words = param.Dict(default={})
    url = param.String(default="")
    most_bytes = param.Integer(default=MOST_BYTES)

    _esm = (HERE / "drop.js").read_text(encoding="utf-8")
    _stylesheets: ClassVar[list[str]] = [style("view")]

    def __init__(self, state: SessionState, arrived: Callable[[], None], **values: Any) -> None:
        self._state, self._arrived = state, arrived
        super().__init__(  # type: ignore[no-untyped-call]
            words=self._words(), url=f"./upload/{state.token}", sizing_mode="stretch_width",
            margin=(0, 0, 12, 0), **values,
        )  # fmt: skip
        state.on(["lang"], self._say)

    def _say(self) -> None:
        self.words = self._words()

    def clear(self) -> None:
        """Take the files off the list."""
        self._send_msg({"clear": True})

    def _words(self) -> dict[str, str]:
        language = self._state.language
        words = {name: language.text(f"drop.{name}") for name in WORDS}
        return {**words, "hint": language.text("drop.hint", most=f"{MOST_BYTES // 2**20}")}

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("act") == "arrived":
            self._arrived()
