"""Reading in a child process with limits: a crash of a native reader costs one file, not the caller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from features import errors
from features.errors import AdvisorError, UnreadableFileError
from features.issues import DataIssue
from features.message import pack, say, unpack
from features.reading.export import Reading, read_export
from features.reading.ledger import RowCounts
from features.reading.mapping import Mapping
from features.schema import Kind
from features.telemetry import Telemetry
from features.threads import threads

CHILD = "from features.reading.isolated import child; child()"
"""What the child process runs."""
SECONDS = 120.0
MEMORY_GIB = 8.0
CPU_SHARE = float(max(threads(), 2))
"""CPU seconds allowed per second of wall-clock time: as many as threads read beside each other."""
MAX_WRITTEN = 8 * 2**30
"""Largest single file that the child may write [B]."""


def read_isolated(
    path: Path,
    *,
    kind: Kind | None = None,
    mapping: Mapping | None = None,
    seconds: float = SECONDS,
    memory_gib: float = MEMORY_GIB,
) -> Reading:
    """Read one path in a child process.

    Parameters
    ----------
    path : pathlib.Path
    kind, mapping
        As in `features.reading.read_export`.
    seconds : float
        Wall-clock limit [s]; the CPU time is limited to `CPU_SHARE` times of it, on Linux.
    memory_gib : float
        Limit of the child's address space [GiB], on Linux.

    Returns
    -------
    Reading

    Raises
    ------
    UnreadableFileError
        ``E-READ-CRASH``, ``E-READ-TIMEOUT`` or ``E-READ-MEMORY``; besides all errors of `read_export`.
    """
    request = {
        "path": str(path.resolve()),
        "kind": kind,
        "mapping": None if mapping is None else mapping.to_toml(),
        "memory_gib": memory_gib,
        "seconds": seconds,
    }
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path),
            "TMPDIR": folder,  # what a killed child leaves behind goes with the folder
        }
        command = [sys.executable, "-c", CHILD, folder]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                command,
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=seconds,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise _too_slow(seconds, path) from None
        answer = Path(folder) / "answer.json"
        if not answer.exists():
            if done.returncode == -getattr(signal, "SIGXCPU", 0):
                raise _too_slow(seconds, path)
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise UnreadableFileError(
                "E-READ-CRASH",
                say(
                    "the reader ended with status {status} {last}", status=done.returncode, last=last[0][:200]
                ).rstrip(),
                str(path),
                say("the file is probably damaged: export it again, preferably as CSV"),
            )
        said = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in said:
            raise _rebuilt(said)
        return Reading(
            content=Telemetry.from_arrow(
                _load(Path(folder) / "table.arrow"), [_issue(i) for i in said["issues"]]
            ),
            mapping=_with_evidence(Mapping.from_toml(said["mapping"]), said["evidence"]),
            counts=RowCounts(**said["counts"]),
            quarantined_rows=_load(Path(folder) / "quarantined.arrow"),
            marks=_load(Path(folder) / "marks.arrow"),
        )


def _too_slow(seconds: float, path: Path) -> UnreadableFileError:
    return UnreadableFileError(
        "E-READ-TIMEOUT",
        say("reading took longer than {seconds:g} s", seconds=seconds),
        str(path),
        say("export shorter periods"),
    )


def child() -> None:
    """Serve one request from standard input; answers are files in the folder given as argument."""
    folder = Path(sys.argv[1])
    request = json.loads(sys.stdin.read())
    _limit(float(request["memory_gib"]), float(request["seconds"]))
    mapping = None if request["mapping"] is None else Mapping.from_toml(request["mapping"])
    try:
        reading = read_export(Path(request["path"]), kind=request["kind"], mapping=mapping)
        said: dict[str, object] = {
            "issues": [{k: pack(v) for k, v in vars(i).items()} for i in reading.issues],
            "mapping": reading.mapping.to_toml(),
            "evidence": _evidence(reading.mapping),
            "counts": asdict(reading.counts),
        }
        _save(reading.content.pieces(), folder / "table.arrow")
        _save([reading.quarantined_rows], folder / "quarantined.arrow")
        _save([reading.marks], folder / "marks.arrow")
    except AdvisorError as error:
        said = {"error": type(error).__name__, **{k: pack(v) for k, v in error.to_dict().items()}}
    except MemoryError:
        said = {
            "error": "UnreadableFileError",
            "code": "E-READ-MEMORY",
            "what": pack(say("reading needs more memory than allowed")),
            "where": request["path"],
            "remedy": pack(say("export shorter periods")),
        }
    (folder / "answer.json").write_text(json.dumps(said), encoding="utf-8")


def _limit(gib: float, seconds: float) -> None:
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - not on every platform

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    cpu = max(1, round(CPU_SHARE * seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_WRITTEN, MAX_WRITTEN))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _issue(said: dict[str, Any]) -> DataIssue:
    fields: dict[str, Any] = {name: unpack(value) for name, value in said.items()}
    return DataIssue(**fields)


def _evidence(mapping: Mapping) -> list[dict[str, object]]:
    """Return the sentences of a mapping, which its TOML holds as plain text only."""
    return [
        {
            "decimal": pack(file.decimal_evidence),
            "time": pack(file.time.evidence if file.time else ""),
            "columns": [pack(column.evidence) for column in file.column],
        }
        for file in mapping.file
    ]


def _with_evidence(mapping: Mapping, said: list[dict[str, Any]]) -> Mapping:
    files = [
        replace(
            file,
            decimal_evidence=unpack(about["decimal"]),
            time=file.time and replace(file.time, evidence=unpack(about["time"])),
            column=tuple(
                replace(c, evidence=unpack(e)) for c, e in zip(file.column, about["columns"], strict=True)
            ),
        )
        for file, about in zip(mapping.file, said, strict=True)
    ]
    return replace(mapping, file=tuple(files))


def _rebuilt(said: dict[str, Any]) -> AdvisorError:
    kind = getattr(errors, said["error"], UnreadableFileError)
    error = kind(*(unpack(said[name]) for name in ("code", "what", "where", "remedy")))
    assert isinstance(error, AdvisorError)  # noqa: S101 - the child only names our own errors
    return error


def _save(pieces: Iterable[pa.Table], path: Path) -> None:
    rest = iter(pieces)
    first = next(rest)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, first.schema) as writer:
        for piece in chain([first], rest):
            writer.write_table(piece)


def _load(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()
