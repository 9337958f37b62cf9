"""Uploads and files over plain HTTP: caps, names, other sessions, other folders."""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from app.web.handlers import AdviceFile, Upload, safe_name

TOKEN = "a-session-of-the-test"  # noqa: S105 - names a session
MOST = 100_000


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    (folder / TOKEN).mkdir(parents=True)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    advice = tmp_path / "data" / "hall" / "advice"
    advice.mkdir(parents=True)
    (tmp_path / "data" / "hall" / "model").mkdir()
    (tmp_path / "data" / "samples" / "hall").mkdir(parents=True)
    (advice / "report.html").write_text("<h1>report</h1>", encoding="utf-8")
    (advice / "secret.txt").write_text("secret", encoding="utf-8")
    return tmp_path / "data"


def ask(
    uploads: Path,
    data: Path,
    path: str,
    *,
    body: bytes | Callable[[Any], Awaitable[None]] | None = None,
    **more: Any,
) -> HTTPResponse:
    """Ask a server that lives as long as the request."""

    async def run() -> HTTPResponse:
        application = Application(
            [
                (
                    r"/upload/(?P<token>[^/]+)",
                    Upload,
                    {"uploads": uploads, "most_bytes": MOST, "most_session_bytes": 2 * MOST, "idle_s": 0.2},
                ),
                (r"/files/([^/]+)/([^/]+)/([^/]+)", AdviceFile, {"data": data, "uploads": uploads}),
            ]
        )
        socket, port = bind_unused_port()
        server = HTTPServer(application)
        server.add_sockets([socket])
        fields: dict[str, Any] = {"method": "GET" if body is None else "POST", **more}
        if callable(body):
            fields["body_producer"] = body
        elif body is not None:
            fields["body"] = body
        request = HTTPRequest(f"http://127.0.0.1:{port}{path}", **fields)
        try:
            return await AsyncHTTPClient().fetch(request, raise_error=False)
        finally:
            server.stop()
            await server.close_all_connections()

    # in a thread of its own: a browser of other tests keeps a loop running in the main one
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(run())).result()


def held(uploads: Path) -> list[str]:
    return sorted(str(p.relative_to(uploads / TOKEN)) for p in (uploads / TOKEN).rglob("*") if p.is_file())


def test_a_file_arrives_whole(uploads: Path, data: Path) -> None:
    answer = ask(uploads, data, f"/upload/{TOKEN}?name=%E6%95%B0%E6%8D%AE.csv", body=b"a,b\n1,2\n")
    assert answer.code == 200
    assert (uploads / TOKEN / "incoming" / "数据.csv").read_bytes() == b"a,b\n1,2\n"


def test_a_file_over_the_cap_is_refused_by_its_announced_length(uploads: Path, data: Path) -> None:
    answer = ask(uploads, data, f"/upload/{TOKEN}?name=big.csv", body=b"x" * (MOST + 1))
    assert answer.code == 413
    assert held(uploads) == []


def test_a_file_that_announces_no_length_is_refused_while_it_arrives(uploads: Path, data: Path) -> None:
    async def endless(write: Any) -> None:
        for _ in range(40):
            await write(b"x" * 10_000)

    try:
        answer = ask(uploads, data, f"/upload/{TOKEN}?name=big.csv", body=endless)
        assert answer.code in (400, 413, 599)
    except (HTTPClientError, OSError):
        pass  # the connection was cut while the client still wrote
    assert held(uploads) == []


def refused(uploads: Path, data: Path, body: Callable[[Any], Awaitable[None]]) -> bool:
    """Whether an upload is answered with a refusal or cut off."""
    try:
        return ask(uploads, data, f"/upload/{TOKEN}?name=a.csv", body=body).code in (400, 413, 507, 599)
    except (HTTPClientError, OSError):
        return True  # the connection was cut while the client still wrote


def test_a_session_holds_no_more_than_its_share_whatever_is_announced(uploads: Path, data: Path) -> None:
    incoming = uploads / TOKEN / "incoming"
    incoming.mkdir()
    (incoming / "earlier.csv").write_bytes(b"x" * MOST)
    (uploads / TOKEN / ".part-of-another-tab").write_bytes(b"x" * (MOST - 10))

    async def silent_about_its_length(write: Any) -> None:
        for _ in range(5):
            await write(b"x" * 1000)

    before = held(uploads)
    assert refused(uploads, data, silent_about_its_length)
    assert ask(uploads, data, f"/upload/{TOKEN}?name=b.csv", body=b"x" * 11).code == 413
    assert held(uploads) == before


def test_an_upload_that_rests_is_cut_off_and_leaves_nothing(uploads: Path, data: Path) -> None:
    async def slow(write: Any) -> None:
        await write(b"x" * 100)
        await asyncio.sleep(0.6)
        await write(b"x" * 100)

    assert refused(uploads, data, slow)
    assert held(uploads) == []


def test_an_upload_that_is_slow_and_does_not_rest_arrives(uploads: Path, data: Path) -> None:
    async def steady(write: Any) -> None:
        for _ in range(5):
            await write(b"x" * 100)
            await asyncio.sleep(0.08)

    assert ask(uploads, data, f"/upload/{TOKEN}?name=a.csv", body=steady).code == 200
    assert (uploads / TOKEN / "incoming" / "a.csv").stat().st_size == 500


@pytest.mark.parametrize(("free", "code"), [(10_000, 200), (5_050, 507)])
def test_the_last_share_of_the_disk_is_left_free(
    uploads: Path, data: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: int
) -> None:
    monkeypatch.setattr(
        "app.web.handlers.shutil.disk_usage", lambda _: SimpleNamespace(total=100_000, free=free)
    )
    assert ask(uploads, data, f"/upload/{TOKEN}?name=a.csv", body=b"x" * 100).code == code
    assert held(uploads) == (["incoming/a.csv"] if code == 200 else [])


def test_a_disk_that_fills_up_leaves_no_part(
    uploads: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "no space left on device")

    real = Path.open

    def opened(path: Path, mode: str = "r", *more: Any) -> Any:
        if not path.name.startswith(".part-"):
            return real(path, mode, *more)
        path.touch()
        return Full()

    monkeypatch.setattr(Path, "open", opened)
    assert ask(uploads, data, f"/upload/{TOKEN}?name=a.csv", body=b"x" * 100).code == 507
    assert held(uploads) == []


def test_names_lead_nowhere_else(uploads: Path, data: Path) -> None:
    assert ask(uploads, data, f"/upload/{TOKEN}?name=..%2F..%2Fevil.csv", body=b"x").code == 200
    assert held(uploads) == ["incoming/evil.csv"]
    assert ask(uploads, data, f"/upload/{TOKEN}?name=..", body=b"x").code == 400


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.csv", "a.csv"),
        ("C:\\x\\b.csv", "b.csv"),
        ("../../c", "c"),
        ("..", ""),
        (".hidden", "hidden"),
        ("a\x00b\n", "ab"),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_other_sessions_and_other_origins_are_refused(uploads: Path, data: Path) -> None:
    assert ask(uploads, data, "/upload/somebody-elses-session?name=a.csv", body=b"x").code == 404
    foreign = {"Origin": "https://evil.example"}
    assert ask(uploads, data, f"/upload/{TOKEN}?name=a.csv", body=b"x", headers=foreign).code == 403
    assert held(uploads) == []


def test_the_report_is_sent_with_a_policy_and_nothing_else_is(uploads: Path, data: Path) -> None:
    answer = ask(uploads, data, f"/files/{TOKEN}/hall/report.html")
    assert answer.code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for path in ("hall/secret.txt", "..%2Fhall/report.html", "other/report.html"):
        assert ask(uploads, data, f"/files/{TOKEN}/{path}").code == 404, path
    assert ask(uploads, data, "/files/no-such-session-token/hall/report.html").code == 404
