"""Faults of the way an upload takes (A9 to A12): endless, many at once, given up, resting, onto a full disk.

Each case sends to a server of its own and returns what was said: the code of the refusal, `CUT_OFF`, or
`READ` where the file arrived whole. Whatever was said, nothing of an unfinished upload may stay.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from app.web.handlers import INCOMING, Upload
from tests.faults.cases import CASES, READ, Case

TOKEN = "a-session-of-the-test"  # noqa: S105 - names a session
MOST = 100_000
CUT_OFF = "cut off"
Sender = Callable[[int, Path], Awaitable[str]]


def sent(number: str, *expected: str) -> Callable[[Sender], Sender]:
    """Register a case that sends to a server at a port and is given the session's folder."""

    def registered(sender: Sender) -> Sender:
        def send(folder: Path) -> str:
            session = folder / TOKEN
            session.mkdir()
            # in a thread of its own: a browser of other tests keeps a loop running in the main one
            with ThreadPoolExecutor(1) as pool:
                said = pool.submit(lambda: asyncio.run(_served(folder, sender, session))).result()
            parts = [p.name for p in session.rglob("*") if p.name.startswith(".part-")]
            return f"left {parts}" if parts else said

        CASES.append(Case(number, sender.__name__, expected=expected, send=send))
        return sender

    return registered


async def _served(uploads: Path, sender: Sender, session: Path) -> str:
    async with server(uploads) as port:
        return await sender(port, session)


@asynccontextmanager
async def server(uploads: Path) -> AsyncIterator[int]:
    """Serve uploads as long as the block lasts."""
    limits = {"uploads": uploads, "most_bytes": MOST, "most_session_bytes": 60 * MOST, "idle_s": 0.3}
    socket, port = bind_unused_port()
    http = HTTPServer(Application([(r"/upload/(?P<token>[^/]+)", Upload, limits)]))
    http.add_sockets([socket])
    try:
        yield port
    finally:
        http.stop()
        await http.close_all_connections()
        await asyncio.sleep(0.02)  # what a closed connection leaves is cleared in the next turn


async def upload(
    port: int, pieces: list[bytes], *, name: str = "a.csv", length: int | None = None, rest: float = 0.0
) -> str:
    """Send pieces, `rest` seconds apart, and return what is answered; `length` None sends chunks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    writer.write(f"POST /upload/{TOKEN}?name={name} HTTP/1.1\r\nHost: here\r\n{size}\r\n\r\n".encode())
    try:
        for piece in pieces:
            writer.write(piece if length is not None else b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(rest)
        writer.write(b"0\r\n\r\n" if length is None else b"")
        answer = await asyncio.wait_for(reader.read(), 5.0) if length is None else await _answer(reader)
    except OSError:
        return CUT_OFF
    finally:
        writer.close()
    body = answer.partition(b"\r\n\r\n")[2]
    if not body:
        return CUT_OFF
    said = json.loads(body)
    return str(said.get("code", READ))


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Return one answer of a connection that stays open."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5.0)
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
        )
        return head + await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return b""


# -- A9: more than announced, and at once --------------------------------------------------------
@sent("A9", "E-UPLOAD-SIZE")
async def more_is_announced_than_is_taken(port: int, _: Path) -> str:
    return await upload(port, [b"x"], length=10**9)


@sent("A9", CUT_OFF)
async def chunks_without_end(port: int, _: Path) -> str:
    return await upload(port, [b"x" * 10_000] * 100)


@sent("A9", READ)
async def one_name_from_two_tabs(port: int, session: Path) -> str:
    a, b = b"a" * 50_000, b"b" * 60_000
    said = await asyncio.gather(*(upload(port, [c[:100], c[100:]], length=len(c), rest=0.05) for c in (a, b)))
    whole = (session / INCOMING / "a.csv").read_bytes() in (a, b)
    return READ if whole and set(said) == {READ} else f"{said}"


# -- A10: many, and given up ---------------------------------------------------------------------
@sent("A10", READ)
async def fifty_at_once(port: int, session: Path) -> str:
    pieces = [bytes([65 + i]) * 10_000 for i in range(50)]
    said = await asyncio.gather(
        *(upload(port, [p[:5000], p[5000:]], name=f"{i}.csv", length=10_000) for i, p in enumerate(pieces))
    )
    arrived = [(session / INCOMING / f"{i}.csv").read_bytes() == p for i, p in enumerate(pieces)]
    return READ if all(arrived) and set(said) == {READ} else f"{said}"


@sent("A10", "given up")
async def given_up_at_99_per_cent(port: int, session: Path) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST /upload/{TOKEN}?name=a.csv HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n".encode()
    )
    writer.write(b"x" * 99)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.1)
    return "given up" if not any(p.is_file() for p in session.rglob("*")) else "something stays"


# -- A11: slow -----------------------------------------------------------------------------------
@sent("A11", CUT_OFF)
async def an_upload_that_rests(port: int, _: Path) -> str:
    return await upload(port, [b"x" * 100, b"x" * 100], length=200, rest=0.8)


@sent("A11", READ)
async def an_upload_that_is_slow_and_goes_on(port: int, _: Path) -> str:
    return await upload(port, [b"x" * 20] * 5, length=100, rest=0.1)


# -- A12: a full disk ----------------------------------------------------------------------------
@sent("A12", "E-SPACE")
async def the_last_share_of_the_disk(port: int, _: Path) -> str:
    with patch("app.web.handlers.shutil.disk_usage", lambda _: SimpleNamespace(total=100_000, free=5_050)):
        return await upload(port, [b"x" * 100], length=100)


@sent("A12", "E-UPLOAD-SIZE")
async def more_than_the_session_may_hold(port: int, session: Path) -> str:
    (session / INCOMING).mkdir()
    (session / INCOMING / "earlier.csv").write_bytes(b"x" * (60 * MOST - 50))
    return await upload(port, [b"x" * 100], length=100)
