"""Sentences that can be shown in another language: English text that remembers how it was made.

How to write a sentence that a user may see::

    from features.message import Message, say

    say("no limit was declared: {limit:g} °C of {source} is assumed", limit=27.0, source="ASHRAE")

1. The template is a literal of the call, never an f-string, and all words stand in it.
2. Values are numbers, names (files, sites, canonical columns), moments or other messages. A word chosen by
   an ``if`` is a message of its own: ``side=say("later") if late else say("earlier")``.
3. Lists: ``Message.joined(", ", names)``; optional parts: ``Message.joined("; ", filter(None, parts))``.
   ``+``, ``str.join`` and f-strings work, but what they give is plain English for ever.
4. A word that comes from data of ours (a kind, a task, a verdict): ``term(telemetry.kind)``.
5. Add the template to ``app/web/catalogues/messages.zh.toml`` (``[[message]]``, same placeholders); words of
   `term` go under ``[[term]]``. ``tests/app/test_message_catalogue.py`` names what is missing or left over.
6. What is stored as JSON and shown again later is stored by `pack` and read by `unpack`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Self, cast

import numpy as np
import pandas as pd

Packed = str | int | float | bool | dict[str, object] | None
"""JSON form of a message or of one of its values."""
_LENGTHS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


class Message(str):
    """An English sentence that remembers its template and values; equal to, and hashed as, its text.

    Parameters
    ----------
    template : str
        In the manner of `str.format`, named placeholders only.
    values : mapping
        Placeholder -> number, text, moment or message. Anything else is remembered as its text.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object]) -> Self:  # noqa: D102 - as the class
        known = {name: _plain(value) for name, value in values.items()}
        message = super().__new__(
            cls, template.format(**{name: _shown(value) for name, value in known.items()})
        )
        message.template = template
        message.values = MappingProxyType(known)
        return message

    @staticmethod
    def joined(separator: str, parts: Iterable[object]) -> Joined:
        """Return the parts as one message; another language has its own separators."""
        return Joined(separator, tuple(parts))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.template, dict(self.values))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


class Joined(Message):
    """Parts with a separator between them."""

    separator: str
    parts: tuple[object, ...]

    def __new__(cls, separator: str, parts: tuple[object, ...]) -> Self:  # noqa: D102 - as the class
        known = tuple(map(_plain, parts))
        message = super().__new__(
            cls, "{text}", {"text": separator.join(str(_shown(part)) for part in known)}
        )
        message.separator = separator
        message.parts = known
        return message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.separator, self.parts)


def say(template: str, /, **values: object) -> Message:
    """Return a message; see the module's text for how to write one."""
    return Message(template, values)


def term(word: str) -> Message:
    """Return a word of the glossary as a message: a kind, a task, a verdict."""
    return Message(word.replace("{", "{{").replace("}", "}}"), {})


def pack(value: object) -> Packed:
    """Return a text or a value in a JSON form that keeps template and values; plain text stays text."""
    if isinstance(value, Joined):
        return {"text": str(value), "separator": value.separator, "parts": [pack(p) for p in value.parts]}
    if isinstance(value, Message):
        values = {name: pack(v) for name, v in value.values.items()}  # noqa: PD011 - no array
        return {"text": str(value), "template": value.template, "values": values}
    if isinstance(value, timedelta):
        return {"seconds": value.total_seconds()}
    if isinstance(value, date):
        return {"moment": value.isoformat()}
    return cast("Packed", value)


def unpack(packed: object) -> str:
    """Return the text of `pack`, with its template and values where they were kept."""
    return cast("str", _unpacked(packed))


def _unpacked(packed: object) -> object:
    if not isinstance(packed, Mapping):
        return packed
    if "separator" in packed:
        return Joined(packed["separator"], tuple(map(_unpacked, packed["parts"])))
    if "template" in packed:
        return Message(packed["template"], {n: _unpacked(v) for n, v in packed["values"].items()})
    if "seconds" in packed:
        return pd.Timedelta(seconds=packed["seconds"])
    return pd.Timestamp(packed["moment"])


def _shown(value: object) -> object:
    """Return a duration in the largest unit that divides it, anything else as it is."""
    if not isinstance(value, timedelta):
        return value
    seconds = value.total_seconds()
    unit_s, name = next(((s, n) for s, n in _LENGTHS if seconds % s == 0), _LENGTHS[-1])
    return f"{seconds / unit_s:g} {name}"


def _plain(value: object) -> object:
    """Return a value that is immutable, can be pickled and packed, and is formatted alike."""
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        value = value.item()
    return value if isinstance(value, (str, int, float, date, timedelta, type(None))) else str(value)
