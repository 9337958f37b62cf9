"""The store: Delta tables, and one more that says which of their versions belong to a complete run.

Every table holds each (site, unit, timestamp, quantity) of a date once: a run replaces the rows of its
date. Delta makes each commit atomic, but per table. So a run commits its four tables one after another and
then appends one row to ``runs`` with the version of each. A reader takes the newest row and reads the tables
at those versions: one snapshot, also while another run is being committed or after it was killed. Earlier
runs stay readable by their rows as long as nobody vacuums the tables.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from app.batch.durable import sync_files
from app.batch.sites import local_path
from app.batch.staging import Staging
from app.batch.tables import RUNS, STAGED, chunk_schema
from features.errors import DataError, UsageError
from features.message import say

LOCK = "_lock"
RUN_TABLE = "runs"


@dataclass(frozen=True)
class RunAbout:
    """What is known of a run before it is committed.

    Parameters
    ----------
    as_of : datetime.date
    run_id : str
        Hash of the inputs, models and versions; the same for the same.
    inputs, models : str
        Hashes of all sites' files and of all models' cards.
    version : str
    """

    as_of: date
    run_id: str
    inputs: str
    models: str
    version: str


class Store:
    """A folder of Delta tables that one run at a time may write.

    Parameters
    ----------
    root : pathlib.Path
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = Staging(root)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for one run; the lock ends with the process, however that ends.

        Raises
        ------
        UsageError
            Codes E-STORE-BUSY (another run holds it), E-STORE-WRITE.
        """
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            stream = (self.root / LOCK).open("a")
        with stream:
            _lock(stream, self.root)
            yield

    # -- writing -------------------------------------------------------------------------------------
    def commit(self, about: RunAbout, keys: list[str], sites: pa.Table) -> None:
        """Commit a run whose chunks are staged, and make it visible.

        Parameters
        ----------
        about : RunAbout
        keys : list of str
            Keys of the chunks, in the order of their sites.
        sites : pyarrow.Table
            Rows of the table of sites, ranked.

        Raises
        ------
        UsageError
            Code E-STORE-WRITE.
        """
        with writing(self.root):
            versions = {}
            for name in STAGED:
                batches = iter([sites]) if name == "sites" else (self.staging.table(k, name) for k in keys)
                versions[name] = self._replace(name, about, _stamped(batches, name, about))
            scored = int(pc.sum(pc.equal(sites["status"], "scored")).as_py() or 0)
            newest = list_runs(self.root)["sequence"].max()
            row = {
                **vars(about),
                "sequence": 1 if pd.isna(newest) else int(newest) + 1,
                "sites": sites.num_rows,
                "scored": scored,
                "quarantined": sites.num_rows - scored,
                **{f"{name}_version": version for name, version in versions.items()},
            }
            self._create(RUN_TABLE, RUNS, [])
            write_deltalake(self._at(RUN_TABLE), pa.Table.from_pylist([row], schema=RUNS), mode="append")
            self._sync(RUN_TABLE)
            self.staging.clear()

    def _replace(self, name: str, about: RunAbout, rows: pa.RecordBatchReader) -> int:
        """Replace a date's rows in one table and return the version that holds them."""
        self._create(name, STAGED[name], ["as_of"])
        write_deltalake(
            self._at(name),
            rows,
            mode="overwrite",
            predicate=f"as_of = '{about.as_of.isoformat()}'",
            commit_properties=CommitProperties(custom_metadata={"run_id": about.run_id}),
        )
        self._sync(name)
        return int(DeltaTable(self._at(name)).version())

    def _create(self, name: str, schema: pa.Schema, partition_by: list[str]) -> None:
        if not DeltaTable.is_deltatable(self._at(name)):
            DeltaTable.create(self._at(name), schema=schema, partition_by=partition_by, mode="ignore")

    def _at(self, name: str) -> str:
        return str(self.root / name)

    def _sync(self, name: str) -> None:
        """Flush what the last commit wrote: data files first, then the log that names them."""
        table = DeltaTable(self._at(name))
        log = self.root / name / "_delta_log" / f"{table.version():020}.json"
        added = [json.loads(line).get("add") for line in log.read_text(encoding="utf-8").splitlines()]
        sync_files([self.root / name / a["path"] for a in added if a])
        sync_files([log])


def _stamped(tables: Iterable[pa.Table], name: str, about: RunAbout) -> pa.RecordBatchReader:
    """Return the rows with the columns that only the run knows, chunk by chunk."""
    schema = STAGED[name]

    def batches() -> Iterator[pa.RecordBatch]:
        for table in tables:
            known = {"as_of": about.as_of, "run_id": about.run_id}
            columns = [
                pa.array([known[f.name]] * table.num_rows, f.type)
                if f.name in known
                else table.column(f.name).cast(f.type)
                for f in schema
            ]
            yield from pa.Table.from_arrays(columns, schema=schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what the disk and the table format refuse into one clear error.

    Raises
    ------
    UsageError
        Code E-STORE-WRITE.
    """
    try:
        yield
    except (OSError, DeltaError, pa.ArrowException) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            "E-STORE-WRITE",
            say("the store cannot be written: {error}", error=first),
            str(root),
            say(
                "free space or choose another --store; the last complete run is untouched, and the "
                "next start goes on with the chunks that are finished"
            ),
        ) from error


def _lock(stream: IO[str], root: Path) -> None:
    if sys.platform == "win32":
        raise UsageError(
            "E-STORE-LOCK", say("the batch runs on Linux and macOS"), str(root), say("use one of these")
        )
    import fcntl  # noqa: PLC0415 - not on every platform

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(
            "E-STORE-BUSY",
            say("another run is writing this store"),
            str(root),
            say("wait until it is done, or choose another --store"),
        ) from None


# -- reading -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class StoredRun:
    """One complete run, as a reader sees it.

    Parameters
    ----------
    about : dict
        The run's row of ``runs``.
    sites : pandas.DataFrame
        `app.batch.tables.SITES`: one row per site, ranked ones first.
    """

    root: Path
    about: dict[str, object]
    sites: pd.DataFrame

    def predictions(self, site_id: str | None = None) -> pd.DataFrame:
        """Return tomorrow's predictions, of one site or of all."""
        return self._table("predictions", site_id)

    def anomalies(self, site_id: str | None = None) -> pd.DataFrame:
        """Return today's values outside their interval."""
        return self._table("anomalies", site_id)

    def plans(self, site_id: str | None = None) -> pd.DataFrame:
        """Return tomorrow's commands."""
        return self._table("plans", site_id)

    def _table(self, name: str, site_id: str | None) -> pd.DataFrame:
        return _read(self.root, name, self.about, site_id)


def list_runs(root: Path) -> pd.DataFrame:
    """Return every complete run, oldest first; empty where there is none."""
    try:
        table = DeltaTable(str(root / RUN_TABLE)).to_pyarrow_table()
    except TableNotFoundError:
        table = RUNS.empty_table()
    runs: pd.DataFrame = table.to_pandas()
    return runs.sort_values("sequence").reset_index(drop=True)


def read_run(store: str | Path, as_of: date | None = None, *, run_id: str | None = None) -> StoredRun:
    """Read the last complete run.

    Parameters
    ----------
    store : str or pathlib.Path
        Path or ``file://`` URI.
    as_of : datetime.date or None
        The run's date; None: the latest date.
    run_id : str or None
        An earlier run by its id; None: the newest of the date.

    Raises
    ------
    UsageError
        Code E-STORE-EMPTY: there is no such complete run.
    DataError
        Code E-STORE-DAMAGED: its files cannot be read.
    """
    root = local_path(str(store), "--store")
    runs = list_runs(root)
    if as_of is not None:
        runs = runs[runs["as_of"] == as_of]
    if run_id is not None:
        runs = runs[runs["run_id"] == run_id]
    if runs.empty:
        raise UsageError(
            "E-STORE-EMPTY",
            "the store holds no complete run" + (f" as of {as_of}" if as_of else ""),
            str(root),
            say("run: advisor score --sites URI --model MODEL_DIR --store URI --as-of DATE"),
        )
    newest = runs.sort_values(["as_of", "sequence"]).iloc[-1]
    about = {str(k): v for k, v in newest.to_dict().items()}
    sites = _read(root, "sites", about, None)
    ranked = sites.sort_values(["rank", "site_id"], na_position="last", kind="stable")
    return StoredRun(root, about, ranked.reset_index(drop=True))


def _read(root: Path, name: str, about: dict[str, object], site_id: str | None) -> pd.DataFrame:
    filters: list[tuple[str, str, object]] = [("as_of", "=", about["as_of"])]
    if site_id is not None:
        filters.append(("site_id", "=", site_id))
    try:
        table = DeltaTable(str(root / name), version=int(str(about[f"{name}_version"])))
        rows = table.to_pyarrow_table(filters=filters)
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise DataError(
            "E-STORE-DAMAGED",
            say(
                "the table {name!r} of the run cannot be read: {error}",
                name=name,
                error=str(error).splitlines()[0],
            ),
            str(root),
            say("run the batch again; do not vacuum the tables"),
        ) from None
    order = [*chunk_schema(name).names]
    keys = [k for k in ("site_id", "unit_id", "quantity", "lever", "timestamp") if k in order]
    found: pd.DataFrame = rows.to_pandas()
    return found.sort_values(keys, kind="stable").reset_index(drop=True)
