"""The pages, in the order of the navigation. A page's module is imported when it is first opened."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from app.service.workspace import SiteCase
from app.web.state import SessionState


@dataclass(frozen=True)
class PageEntry:
    """One page of the navigation.

    Parameters
    ----------
    key : str
        Name in addresses and in the catalogues (``nav.<key>``).
    place : str
        ``module:function``. The function takes (case, state) and returns a Panel viewable; where the
        page needs no site it takes (state).
    needs_site : bool
    on_phone : bool
        Whether it stands in the phone's bottom bar; the others are behind "More".
    """

    key: str
    place: str
    needs_site: bool = True
    on_phone: bool = False

    def build(self, case: SiteCase | None, state: SessionState) -> Any:
        """Return the page."""
        module, _, name = self.place.partition(":")
        function = getattr(import_module(module), name)
        return function(case, state) if self.needs_site else function(state)


PAGES: tuple[PageEntry, ...] = (
    PageEntry("fleet", "app.web.fleet:fleet_page", needs_site=False, on_phone=True),
    PageEntry("upload", "app.web.upload:upload_page", needs_site=False),
    PageEntry("findings", "app.web.findings:findings_page"),
    PageEntry("overview", "app.web.overview:overview_page", on_phone=True),
    PageEntry("actions", "app.web.actions:actions_page", on_phone=True),
    PageEntry("what_if", "app.web.what_if:what_if_page", on_phone=True),
    PageEntry("measures", "app.web.measures:measures_page"),
    PageEntry("report", "app.web.report:report_page"),
)
KEYS = tuple(page.key for page in PAGES)


def page(key: str) -> PageEntry:
    """Return a page by key.

    Raises
    ------
    KeyError
        There is none.
    """
    for entry in PAGES:
        if entry.key == key:
            return entry
    raise KeyError(key)
