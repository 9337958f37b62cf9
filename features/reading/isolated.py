"""Reading in a child process with limits: a crash of a native reader costs one file, not the caller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from features import errors
from features.errors import AdvisorError, UnreadableFileError
from features.issues import DataIssue
from features.reading.export import Reading, read_export
from features.reading.ledger import RowCounts
from features.reading.mapping import Mapping
from features.schema import Kind

CHILD = "from features.reading.isolated import child; child()"
"""What the child process runs."""
SECONDS = 120.0
MEMORY_GIB = 8.0


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
        Wall-clock limit [s].
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
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)}
    with tempfile.TemporaryDirectory() as folder:
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
            raise UnreadableFileError(
                "E-READ-TIMEOUT",
                f"reading took longer than {seconds:g} s",
                str(path),
                "export shorter periods",
            ) from None
        answer = Path(folder) / "answer.json"
        if not answer.exists():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise UnreadableFileError(
                "E-READ-CRASH",
                f"the reader ended with status {done.returncode} {last[0][:200]}".rstrip(),
                str(path),
                "the file is probably damaged: export it again, preferably as CSV",
            )
        said = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in said:
            raise _rebuilt(said)
        return Reading(
            table=_load(Path(folder) / "table.arrow"),
            issues=tuple(DataIssue(**i) for i in said["issues"]),
            mapping=Mapping.from_toml(said["mapping"]),
            counts=RowCounts(**said["counts"]),
            quarantined_rows=_load(Path(folder) / "quarantined.arrow"),
        )


def child() -> None:
    """Serve one request from standard input; answers are files in the folder given as argument."""
    folder = Path(sys.argv[1])
    request = json.loads(sys.stdin.read())
    _limit_memory(float(request["memory_gib"]))
    mapping = None if request["mapping"] is None else Mapping.from_toml(request["mapping"])
    try:
        reading = read_export(Path(request["path"]), kind=request["kind"], mapping=mapping)
        said: dict[str, object] = {
            "issues": [i.to_dict() for i in reading.issues],
            "mapping": reading.mapping.to_toml(),
            "counts": asdict(reading.counts),
        }
        _save(reading.table, folder / "table.arrow")
        _save(reading.quarantined_rows, folder / "quarantined.arrow")
    except AdvisorError as error:
        said = {"error": type(error).__name__, **error.to_dict()}
    except MemoryError:
        said = {
            "error": "UnreadableFileError",
            "code": "E-READ-MEMORY",
            "what": "reading needs more memory than allowed",
            "where": request["path"],
            "remedy": "export shorter periods",
        }
    (folder / "answer.json").write_text(json.dumps(said), encoding="utf-8")


def _limit_memory(gib: float) -> None:
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - not on every platform

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _rebuilt(said: dict[str, str]) -> AdvisorError:
    kind = getattr(errors, said["error"], UnreadableFileError)
    error = kind(said["code"], said["what"], said["where"], said["remedy"])
    assert isinstance(error, AdvisorError)  # noqa: S101 - the child only names our own errors
    return error


def _save(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _load(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()
