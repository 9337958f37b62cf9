"""Plain HTTP beside the pages: uploads counted while they arrive, files to take away, a sign of life."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.web import HTTPError, RequestHandler, stream_request_body

from app.service.workspace import list_sites

MOST_BYTES = 200 * 1024 * 1024
"""Largest file that is taken."""
MOST_SESSION_BYTES = 1024 * 1024 * 1024
MOST_FILES = 200
INCOMING = "incoming"
FILES = {
    "report.html": "text/html; charset=utf-8",
    "plan.csv": "text/csv; charset=utf-8",
    "test.csv": "text/csv; charset=utf-8",
    "recommendations.json": "application/json",
    "summary.json": "application/json",
}
"""What may be taken from an advice folder, and its type."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'"
)


def safe_name(name: str) -> str:
    """Return a file name without folders, control characters or a leading dot; "" where nothing is left."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f\x7f]", "", last).lstrip(".").strip()[:150]


def session_folder(uploads: Path, token: str) -> Path:
    """Return a living session's folder.

    Raises
    ------
    tornado.web.HTTPError
        404: there is no such session.
    """
    folder = uploads / token
    if not TOKEN.fullmatch(token) or not folder.is_dir():
        raise HTTPError(404)
    return folder


class Alive(RequestHandler):
    """Answers that the server is there."""

    def get(self) -> None:
        """Answer."""
        self.set_header("Cache-Control", "no-store")
        self.finish("ok")


@stream_request_body
class Upload(RequestHandler):
    """Takes one file as the request's body; refuses more than the cap while it arrives."""

    def initialize(self, uploads: Path, most_bytes: int = MOST_BYTES) -> None:
        """Set where files go [folder] and how large one may be [bytes]."""
        self.uploads, self.most_bytes = uploads, most_bytes

    def prepare(self) -> None:
        """Refuse what can be refused before the body arrives; open the file."""
        self._file: Any = None
        self._part: Path | None = None
        self._got = 0
        if self.request.method != "POST":
            return
        folder = session_folder(self.uploads, self.path_kwargs["token"])
        origin = self.request.headers.get("Origin")
        if origin is not None and origin.split("://")[-1] != self.request.host:
            raise HTTPError(403)
        name = safe_name(self.get_query_argument("name", ""))
        if not name:
            raise HTTPError(400, reason="E-UPLOAD-NAME")
        incoming = folder / INCOMING
        incoming.mkdir(exist_ok=True)
        held = [path.stat().st_size for path in incoming.iterdir()]
        announced = int(self.request.headers.get("Content-Length", 0))
        if announced > self.most_bytes or sum(held) + announced > MOST_SESSION_BYTES:
            raise HTTPError(413, reason="E-UPLOAD-SIZE")
        if len(held) >= MOST_FILES:
            raise HTTPError(413, reason="E-UPLOAD-COUNT")
        connection: Any = self.request.connection  # typed as the interface without this method
        connection.set_max_body_size(self.most_bytes)
        self._name = name
        self._part = folder / f".part-{len(held)}-{id(self):x}"
        self._file = self._part.open("wb")

    def data_received(self, chunk: bytes) -> None:
        """Write a piece."""
        self._got += len(chunk)
        if self._got > self.most_bytes:
            self._drop()
            raise HTTPError(413, reason="E-UPLOAD-SIZE")
        if self._file is not None:
            self._file.write(chunk)

    def post(self, token: str) -> None:
        """Put the whole file in its place."""
        if self._file is None or self._part is None:
            raise HTTPError(400, reason="E-UPLOAD-NAME")
        self._file.close()
        self._part.replace(session_folder(self.uploads, token) / INCOMING / self._name)
        self._part = None
        self.finish({"name": self._name, "bytes": self._got})

    def on_connection_close(self) -> None:
        """Leave nothing of an upload that was broken off."""
        self._drop()

    def on_finish(self) -> None:
        """Leave nothing of an upload that was refused."""
        self._drop()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the code that the page has words for."""
        del kwargs
        self.finish({"status": status_code, "code": self._reason})

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None


class AdviceFile(RequestHandler):
    """Serves the report and tables of a site that the session may open."""

    def initialize(self, data: Path, uploads: Path) -> None:
        """Set the data folder and the folder of the sessions."""
        self.data, self.uploads = data, uploads

    def get(self, token: str, key: str, name: str) -> None:
        """Send a file of the site's advice."""
        own = session_folder(self.uploads, token)
        sites = (*list_sites(self.data), *list_sites(own))
        site = next((s for s in sites if s.key == key), None)
        if site is None or name not in FILES or not (site.advice / name).is_file():
            raise HTTPError(404)
        self.set_header("Content-Type", FILES[name])
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Cache-Control", "no-store")
        if self.get_query_argument("download", ""):
            self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(f'{key}-{name}')}")
        self.finish((site.advice / name).read_bytes())
