"""Serve: the app on this machine, over one data folder."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.errors import UsageError
from features.message import say

ADDRESS = "127.0.0.1"
"""Only this machine: the app has no users and no passwords."""
DEFAULT_PORT = 5006
DEFAULT_DATA = Path("advisor-demo")


@dataclass
class Serving:
    """A server that accepts connections once `run` (or its loop) runs.

    Parameters
    ----------
    server : bokeh.server.server.Server
    uploads : pathlib.Path
        Folder of the sessions' uploads; removed at the end.
    """

    server: Any
    uploads: Path
    exit_code: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        """Address to open."""
        return f"http://{ADDRESS}:{self.server.port}/"

    def run(self) -> None:
        """Serve until interrupted or asked to end (SIGTERM)."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self.server.start()
            self.server.io_loop.start()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop, and remove what was uploaded."""
        self.server.stop()
        shutil.rmtree(self.uploads, ignore_errors=True)

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {"url": self.url}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def serve(data: Path | None = None, *, port: int = DEFAULT_PORT, loop: Any = None) -> Serving:
    """Return the app's server, bound to its port and not yet running.

    Parameters
    ----------
    data : pathlib.Path or None
        Data folder as ``advisor demo`` leaves it; None: ``./advisor-demo``, which need not exist.
    port : int
        0: any free port.
    loop : tornado.ioloop.IOLoop or None

    Raises
    ------
    features.errors.UsageError
        E-DATA-FOLDER: the named folder does not exist; E-PORT: the port is taken.
    """
    if data is not None and not data.is_dir():
        raise UsageError(
            "E-DATA-FOLDER",
            say("there is no such folder"),
            str(data),
            say("run `advisor demo --out DIR` and give it"),
        )
    from panel.io.server import get_server  # noqa: PLC0415 - Panel takes a second to import

    from app.web import handlers  # noqa: PLC0415
    from app.web.application import application, warm  # noqa: PLC0415

    folder = (data or DEFAULT_DATA).resolve()
    port = port or _free_port()
    uploads = Path(tempfile.mkdtemp(prefix="advisor-uploads-"))
    patterns = [
        (r"/alive", handlers.Alive),
        (r"/upload/(?P<token>[^/]+)", handlers.Upload, {"uploads": uploads}),
        (r"/files/([^/]+)/([^/]+)/([^/]+)", handlers.AdviceFile, {"data": folder, "uploads": uploads}),
    ]
    try:
        server = get_server(
            {"/": application(folder, uploads)},
            port=port,
            address=ADDRESS,
            loop=loop,
            show=False,
            start=False,
            title="Energy advisor",
            extra_patterns=patterns,
            websocket_origin=[f"{ADDRESS}:{port}", f"localhost:{port}"],
            unused_session_lifetime_milliseconds=60_000,
            check_unused_sessions_milliseconds=20_000,
        )
    except OSError as error:
        shutil.rmtree(uploads, ignore_errors=True)
        raise UsageError(
            "E-PORT",
            say("the port cannot be used: {error}", error=error.strerror),
            say("--port {port}", port=port),
            say("choose another --port"),
        ) from None
    warm(folder)
    return Serving(server, uploads)
