"""Sliders: label, number, track with the part that is known, and where the site stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from advisor.what_if import Lever
from app.web.language import Language
from app.web.notices import foreign_to
from app.web.state import SessionState
from app.web.view import HERE, style

Moved = Callable[[dict[str, float]], str]
"""Called with the values of all movable levers; returns the answer in one sentence."""


class Levers(JSComponent):
    """The sliders of one site.

    Parameters
    ----------
    state : SessionState
    levers : tuple of Lever
    moved : callable
    values : dict
        Where the sliders stand at first; a lever that is not named stands where the site stands.
    """

    groups = param.List(default=[])
    words = param.Dict(default={})

    _esm = (HERE / "levers.js").read_text(encoding="utf-8")
    _stylesheets: ClassVar[list[str]] = [style("view"), style("what_if")]

    def __init__(
        self, state: SessionState, levers: tuple[Lever, ...], moved: Moved, values: dict[str, float]
    ) -> None:
        self._state, self._levers, self._moved = state, levers, moved
        self._first = {lever.name: values.get(lever.name, lever.now) for lever in levers}
        super().__init__(  # type: ignore[no-untyped-call]
            **self._told(), sizing_mode="stretch_width", margin=0
        )
        state.on(["lang"], self._translate)

    def _translate(self) -> None:
        self.param.update(**self._told())

    def _told(self) -> dict[str, Any]:
        language = self._state.language
        kinds = list(dict.fromkeys(lever.group for lever in self._levers))
        return {
            "groups": [
                {
                    "label": language.text(f"what_if.group_{kind}"),
                    "levers": [self._one(x, language) for x in self._levers if x.group == kind],
                }
                for kind in kinds
            ],
            "words": {
                "title": language.text("what_if.levers"),
                "reset": language.text("what_if.reset"),
                "copy": language.text("what_if.copy"),
                "copied": language.text("what_if.copied"),
                "notCopied": language.text("what_if.not_copied"),
            },
        }

    def _one(self, lever: Lever, language: Language) -> dict[str, Any]:
        text = {"unit": lever.unit, "now": _plain(lever.now)}
        known = {"low": _plain(lever.known_lower), "high": _plain(lever.known_upper)}
        key = "what_if.now_off" if lever.disabled else "what_if.now_known"
        return {
            "name": lever.name,
            "label": language.text(
                "what_if.label", name=language.text(f"what_if.lever_{lever.name}"), unit=lever.unit
            ),
            "lower": lever.lower,
            "upper": lever.upper,
            "step": lever.step,
            "places": max(0, -math.floor(math.log10(lever.step) + 1e-9)) + 1,
            "value": self._first[lever.name],
            "now": lever.now,
            "knownLower": lever.known_lower,
            "knownUpper": lever.known_upper,
            "nowText": language.text(key, **text, **known),
            "valueText": language.text("what_if.value_text", value="{value}", **text),
            "valueTextUnseen": language.text("what_if.value_text_unseen", value="{value}", **text),
            "disabled": str(language.sentence(lever.disabled)) if lever.disabled else "",
            "disabledLang": foreign_to(language, lever.disabled) or language.tag if lever.disabled else "",
        }

    def put(self, values: dict[str, float]) -> None:
        """Move the sliders without asking for an answer."""
        self._send_msg({"values": values})

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict) or not isinstance(data.get("values"), dict):
            return
        told = self._moved(checked(self._levers, data["values"]))
        self._send_msg({"done": data.get("number"), "say": told})


def _plain(value: float) -> str:
    """Return a setting as one would type it."""
    return f"{value:,.10g}".replace("-", "−")


def checked(levers: tuple[Lever, ...], given: dict[Any, Any]) -> dict[str, float]:
    """Return what can be used of values from outside, each kept inside its lever's travel."""
    values = {}
    for lever in levers:
        value = given.get(lever.name)
        if lever.disabled or not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if math.isfinite(value):
            values[lever.name] = min(max(float(value), lever.lower), lever.upper)
    return values
