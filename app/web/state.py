"""What one browser session is looking at; nothing of it is shared with another session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import param

from app.service.workspace import SiteEntry, list_sites
from app.web.language import CODES, LANGUAGES, Language

Decision = Literal["accepted", "postponed", "rejected"]


class SessionState(param.Parameterized):
    """Language, theme, page, site and decisions of one session.

    Parameters
    ----------
    data : pathlib.Path
        The folder that ``advisor serve`` opens; read only.
    own : pathlib.Path
        Folder of this session's uploads, laid out like `data`; it goes with the session.
    token : str
        Unguessable name of the session in addresses.
    """

    lang: Any = param.Selector(default="en", objects=list(CODES))
    dark = param.Boolean(default=False)
    page = param.String(default="overview")
    site = param.String(default="", doc="Key of the open site; empty: none")
    sites = param.Integer(default=0, doc="Counts up whenever the list of sites changes")
    decisions = param.Dict(default={}, doc="(site key, recommendation id) -> decision")
    link = param.Dict(default={}, doc="Values that pages keep in the address besides the shell's own")

    def __init__(self, data: Path, own: Path, token: str, **values: Any) -> None:
        super().__init__(**values)  # type: ignore[no-untyped-call]
        self.data, self.own, self.token = data, own, token
        self._scope: list[Any] | None = None

    @property
    def language(self) -> Language:
        """The language in use."""
        return LANGUAGES[self.lang]

    def entries(self) -> tuple[SiteEntry, ...]:
        """Return the sites that this session may open: the folder's and its own."""
        return (*list_sites(self.data), *list_sites(self.own))

    def entry(self, key: str) -> SiteEntry | None:
        """Return one of `entries`."""
        return next((e for e in self.entries() if e.key == key), None)

    def on(self, names: list[str], call: Callable[[], None]) -> None:
        """Call back after any of the named parameters has changed."""
        watcher = self.param.watch(lambda *_: call(), names)
        if self._scope is not None:
            self._scope.append(watcher)

    @contextmanager
    def scope(self) -> Iterator[Callable[[], None]]:
        """Note the callbacks that `on` makes inside; yields the function that ends them."""
        watchers: list[Any] = []
        self._scope = watchers

        def close() -> None:
            while watchers:
                self.param.unwatch(watchers.pop())

        try:
            yield close
        finally:
            self._scope = None
