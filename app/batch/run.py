"""One run of the nightly batch, from the folder of sites to a complete run in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from app.batch.chunk import Chunk
from app.batch.crew import Crew, scored
from app.batch.model_folder import ModelFolder, list_models
from app.batch.sites import SiteSource, list_sites
from app.batch.store import RunAbout, Store, StoredRun, list_runs, read_run, writing
from features.errors import DataError
from features.frame import FloatArray
from models.bundle import Progress
from models.store import package_versions

MOST_SITES = 20
"""Sites of a chunk: what is lost when a run is killed, and what one worker holds at a time."""
FEW_CHUNKS = 8
"""A small folder is cut into about this many chunks, so that several workers have work."""


@dataclass(frozen=True)
class BatchRun:
    """What a run did.

    Parameters
    ----------
    stored : StoredRun
        The run as every reader sees it.
    chunks, resumed : int
        Chunks of the run, and those that an earlier, unfinished run had left.
    unchanged : bool
        True where the store already held this very run, so that nothing was done.
    """

    stored: StoredRun
    chunks: int
    resumed: int
    unchanged: bool


def run_batch(
    sites: Path,
    models: Path,
    store: Path,
    as_of: date,
    crew: Callable[[], Crew],
    *,
    progress: Progress | None = None,
) -> BatchRun:
    """Score every site of a folder and commit the run.

    Parameters
    ----------
    sites, models, store : pathlib.Path
    as_of : datetime.date
        Today of the run: its end is the end of the known past, in each site's local time.
    crew : callable
        Makes the workers; called where there is work to do.
    progress : callable or None

    Raises
    ------
    features.errors.UsageError
        Folders, store or cluster are wrong; codes E-SITES-..., E-STORE-..., E-DASK-....
    features.errors.ModelError
        There are no models, or those of many sites are damaged.
    features.errors.DataError
        Code E-SITES-ALL-FAILED: no site could be scored; the store is left as it was.
    """
    tell = progress or (lambda _step, _share: None)
    tell("fingerprints of the sites", 0.0)
    sources = list_sites(sites)
    folder = list_models(models)
    chunks = chunks_of(sources, folder, as_of)
    about = _about(chunks, sources, folder)
    target = Store(store)
    with target.locked():
        known = _already(store, about)
        if known is not None:
            return BatchRun(known, len(chunks), len(chunks), unchanged=True)
        keys = [c.key for c in chunks]
        finished = target.staging.finished(keys)
        todo = [c for c in chunks if c.key not in finished]
        if todo:
            _score(todo, target, crew(), lambda n: tell("scoring", (len(finished) + n) / (len(chunks) + 1)))
        tell("committing", len(chunks) / (len(chunks) + 1))
        table = ranked(pa.concat_tables([target.staging.table(key, "sites") for key in keys]))
        _refuse_all_failed(table, sites)
        target.commit(about, keys, table)
        tell("done", 1.0)
        return BatchRun(
            read_run(store, as_of, run_id=about.run_id), len(chunks), len(finished), unchanged=False
        )


def chunks_of(sources: tuple[SiteSource, ...], models: ModelFolder, as_of: date) -> list[Chunk]:
    """Cut the sites into chunks; how depends on the sites alone, never on who scores them."""
    size = min(max(-(-len(sources) // FEW_CHUNKS), 1), MOST_SITES)
    versions = package_versions()
    return [Chunk(as_of, sources[at : at + size], models, versions) for at in range(0, len(sources), size)]


def ranked(sites: pa.Table) -> pa.Table:
    """Return the table of sites with ``rank``: 1 for the largest saving; null for quarantined sites.

    Sites without a saving in kWh follow by their saving in %, then by their id.
    """

    def known(name: str) -> FloatArray:
        return np.nan_to_num(np.asarray(sites[name].to_numpy(zero_copy_only=False), dtype=np.float64))

    ids = np.asarray(sites["site_id"].to_pylist(), dtype=object)
    order = np.lexsort((np.argsort(np.argsort(ids)), -known("saving_pct"), -known("saving_kwh")))
    good = np.asarray(sites["status"].to_pylist(), dtype=object) == "scored"
    rank = np.zeros(len(ids), dtype=np.int64)
    rank[order[good[order]]] = np.arange(1, int(good.sum()) + 1)
    return sites.append_column("rank", pa.array(rank, pa.int64(), mask=~good))


def _score(todo: list[Chunk], store: Store, crew: Crew, done: Callable[[int], None]) -> None:
    done(0)
    with closing(crew):
        for count, (chunk, tables) in enumerate(scored(todo, crew), start=1):
            with writing(store.root):
                store.staging.keep(chunk.key, tables)
            done(count)


def _about(chunks: list[Chunk], sources: tuple[SiteSource, ...], models: ModelFolder) -> RunAbout:
    return RunAbout(
        as_of=chunks[0].as_of,
        run_id=_hash([c.key for c in chunks]),
        inputs=_hash([[s.site_id, s.digest] for s in sources]),
        models=_hash(sorted(models.cards.items())),
        version=chunks[0].version,
    )


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _already(store: Path, about: RunAbout) -> StoredRun | None:
    """Return the newest run of the date where it is this very run."""
    runs = list_runs(store)
    same = runs[runs["as_of"] == about.as_of]
    if same.empty or same.iloc[-1]["run_id"] != about.run_id:
        return None
    try:
        return read_run(store, about.as_of)
    except DataError:  # damaged: it is made again
        return None


def _refuse_all_failed(sites: pa.Table, folder: Path) -> None:
    rows = sites.select(["site_id", "status", "code", "reason"]).to_pylist()
    if any(r["status"] == "scored" for r in rows):
        return
    listed = "; ".join(f"{r['site_id']}: {r['code']} {r['reason']}" for r in rows[:5])
    raise DataError(
        "E-SITES-ALL-FAILED",
        f"none of the {len(rows)} sites could be scored: {listed}",
        str(folder),
        "check --sites and --as-of; the last complete run in the store is untouched",
    )
