"""Plain HTTP beside the pages: uploads counted while they arrive, files to take away, a sign of life."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler, stream_request_body

from app.service.workspace import list_sites
from features.reading.packed import FREE_SHARE

MOST_BYTES = 200 * 1024 * 1024
"""Largest file that is taken."""
MOST_SESSION_BYTES = 1024 * 1024 * 1024
MOST_FILES = 200
IDLE_S = 60.0
"""Seconds without a byte after which an upload is broken off [s]."""
COUNTED_EACH = 8 * 1024 * 1024
"""What the session and the disk hold is counted anew after so many bytes of one file: others arrive too."""
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


def _arrived(folder: Path) -> list[int]:
    """Return the sizes of what a session holds [bytes], files that still arrive included."""
    return [p.stat().st_size for p in (*folder.glob(f"{INCOMING}/*"), *folder.glob(".part-*"))]


class Alive(RequestHandler):
    """Answers that the server is there."""

    def get(self) -> None:
        """Answer."""
        self.set_header("Cache-Control", "no-store")
        self.finish("ok")


@stream_request_body
class Upload(RequestHandler):
    """Takes one file as the request's body; refuses more than the cap while it arrives."""

    def initialize(
        self,
        uploads: Path,
        most_bytes: int = MOST_BYTES,
        most_session_bytes: int = MOST_SESSION_BYTES,
        idle_s: float = IDLE_S,
    ) -> None:
        """Set where files go, how large one and all may be [bytes], and how long one may rest [s]."""
        self.uploads, self.most_bytes = uploads, most_bytes
        self.most_session_bytes, self.idle_s = most_session_bytes, idle_s

    def prepare(self) -> None:
        """Refuse what can be refused before the body arrives; open the file."""
        self._file: Any = None
        self._part: Path | None = None
        self._got = self._counted = 0
        self._idle: Any = None
        self._refusal: HTTPError | None = None
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
        announced = int(self.request.headers.get("Content-Length", 0))
        if announced > self.most_bytes:
            raise HTTPError(413, reason="E-UPLOAD-SIZE")
        held = _arrived(folder)
        self._check_room(held, announced)
        if len(held) >= MOST_FILES:
            raise HTTPError(413, reason="E-UPLOAD-COUNT")
        connection: Any = self.request.connection  # typed as the interface without this method
        connection.set_max_body_size(self.most_bytes)
        self._name = name
        self._part = folder / f".part-{len(held)}-{id(self):x}"
        self._file = self._part.open("wb")
        self._wait()

    def _check_room(self, held: list[int], more: int) -> None:
        """Refuse what would not fit the session, or would take the last share of the disk."""
        if sum(held) + more > self.most_session_bytes:
            raise HTTPError(413, reason="E-UPLOAD-SIZE")
        disk = shutil.disk_usage(self.uploads)
        if disk.free - more < FREE_SHARE * disk.total:
            raise HTTPError(507, reason="E-SPACE")

    def _wait(self) -> None:
        """Break the upload off unless something arrives in time."""
        self._rest()
        self._idle = IOLoop.current().call_later(self.idle_s, self._too_slow)

    def _rest(self) -> None:
        if self._idle is not None:
            IOLoop.current().remove_timeout(self._idle)
            self._idle = None

    def _too_slow(self) -> None:
        self._idle = None
        self._drop()
        connection: Any = self.request.connection  # typed as the interface without this method
        connection.close()

    def data_received(self, chunk: bytes) -> None:
        """Write a piece."""
        self._got += len(chunk)
        if self._got > self.most_bytes:
            self._drop()
            raise HTTPError(413, reason="E-UPLOAD-SIZE")
        if self._file is None or self._part is None:
            return
        self._wait()
        try:
            self._file.write(chunk)
            if self._got - self._counted >= min(COUNTED_EACH, self.most_session_bytes):
                self._counted = self._got
                self._file.flush()
                self._check_room(_arrived(self._part.parent), 0)
        except OSError:
            self._refusal = HTTPError(507, reason="E-SPACE")
        except HTTPError as refusal:
            self._refusal = refusal
        if self._refusal is not None:  # answered when the body has arrived: what follows is not kept
            self._drop()
            self._wait()

    def post(self, token: str) -> None:
        """Put the whole file in its place."""
        if self._refusal is not None:
            raise self._refusal
        if self._file is None or self._part is None:
            raise HTTPError(400, reason="E-UPLOAD-NAME")
        self._rest()
        try:
            self._file.close()
        except OSError as error:
            raise HTTPError(507, reason="E-SPACE") from error
        self._check_room(_arrived(self._part.parent), 0)
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
        self._rest()
        if self._file is not None:
            with suppress(OSError):  # a full disk has no room for what is still in the buffer
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
