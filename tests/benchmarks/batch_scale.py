"""The nightly batch at scale: time and memory per site, and a run that is killed again and again.

    python tests/benchmarks/batch_scale.py scale --sites 100 1000 2000
    python tests/benchmarks/batch_scale.py kill --sites 1000 --kills 10

``scale`` writes a fleet of the given size, trains small models on part of it, runs ``advisor score`` as a
user would, and reports one line per size. Wall time only means something on a quiet machine.
``kill`` runs the batch once undisturbed, then kills a second one (SIGKILL to the whole process group) at
random moments, looks at the store after each, and compares the final rows of both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from app.batch.store import read_run
from features.errors import UsageError
from sample_data.fleet import Fleet, write_fleet

TRAINED_STATIONS, TRAINED_CENTRES = 20, 2
STARTING_S = 6.0
"""About how long the start of a run takes, before the first chunk is done [s]."""
KEYS = ["site_id", "unit_id", "quantity", "lever", "timestamp"]


def main() -> None:
    """Run one of the two benchmarks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("scale", "kill"))
    parser.add_argument("--sites", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-models", action="store_true", help="every site on the fallback tier")
    parser.add_argument("--folder", type=Path, help="keep everything here instead of a temporary folder")
    args = parser.parse_args()
    base = args.folder or Path(tempfile.mkdtemp(prefix="batch-scale-"))
    try:
        for sites in args.sites:
            fleet = write_fleet(base / f"sites-{sites}", sites)
            models = trained(fleet, base / ("none" if args.no_models else "models"), empty=args.no_models)
            if args.what == "scale":
                scale(fleet, models, base / f"store-{sites}", args.workers)
            else:
                kill(fleet, models, base, args)
    finally:
        if args.folder is None:
            shutil.rmtree(base)


def trained(fleet: Fleet, models: Path, *, empty: bool) -> Path:
    """Train a model of base stations and those of two data centres, once."""
    models.mkdir(parents=True, exist_ok=True)
    if empty or (models / "base-station").exists():
        return models
    jobs = [("base-station", fleet.base_stations[:TRAINED_STATIONS])]
    jobs += [(name, (name,)) for name in fleet.data_centres[:TRAINED_CENTRES]]
    for target, sites in jobs:
        paths = [str(fleet.folder / s) for s in sites]
        command = [sys.executable, "-m", "app", "train", *paths, "--out", str(models / target)]
        subprocess.run(command, check=True, capture_output=True)
    return models


def command(fleet: Fleet, models: Path, store: Path, workers: int) -> list[str]:
    """Return the call of ``advisor score``."""
    return [
        sys.executable, "-m", "app", "score", "--json", "--sites", str(fleet.folder), "--model", str(models),
        "--store", str(store), "--as-of", fleet.last_day, "--workers", str(workers),
    ]  # fmt: skip


def scale(fleet: Fleet, models: Path, store: Path, workers: int) -> None:
    """Run the batch once and print what it took."""
    shutil.rmtree(store, ignore_errors=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        command(fleet, models, store, workers), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    peak, largest, cpu = 0.0, 0.0, {}
    while process.poll() is None:
        family = _family(process.pid)
        memory = [_memory_mib(pid) for pid in family]
        peak, largest = max(peak, sum(memory)), max([largest, *memory])
        for pid in family:
            cpu[pid] = max(cpu.get(pid, 0.0), _cpu_seconds(pid))
        time.sleep(0.2)
    seconds = time.perf_counter() - began
    said = json.loads(process.communicate()[0])
    n, used = said["sites"], sum(cpu.values())
    print(
        f"{n} sites: wall {seconds:.1f} s ({1000 * seconds / n:.0f} ms a site), CPU {used:.1f} s "
        f"({1000 * used / n:.0f} ms a site), peak memory {peak:.0f} MiB of all processes, {largest:.0f} MiB "
        f"of the largest, load {os.getloadavg()[0]:.1f}; tiers {said['tiers']}, plans {said['plans']}, "
        f"quarantined {len(said['quarantined'])}, drifting {len(said['drifting'])}",
        flush=True,
    )


def kill(fleet: Fleet, models: Path, base: Path, args: argparse.Namespace) -> None:
    """Kill a run again and again, then compare its rows with those of an undisturbed one."""
    clean, other = base / "store-clean", base / "store-killed"
    for store in (clean, other):
        shutil.rmtree(store, ignore_errors=True)
    began = time.perf_counter()
    subprocess.run(command(fleet, models, clean, args.workers), check=True, capture_output=True)
    whole = time.perf_counter() - began
    print(f"undisturbed: {whole:.1f} s", flush=True)
    rng = random.Random(args.seed)  # noqa: S311 - moments, not secrets
    for number in range(args.kills):
        after = rng.uniform(1.0, STARTING_S + 2.0 * whole / max(args.kills, 1))
        process = subprocess.Popen(
            command(fleet, models, other, args.workers), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        staged = len(list((other / "_staging").glob("*"))) if (other / "_staging").exists() else 0
        print(f"kill {number + 1} after {after:.1f} s: {seen(other)}, {staged} chunks kept", flush=True)
    done = subprocess.run(command(fleet, models, other, args.workers), check=True, capture_output=True)
    said = json.loads(done.stdout)
    print(f"last run: {said['resumed_chunks']} of {said['chunks']} chunks were kept, {said['seconds']} s")
    assert_same(clean, other)
    print("the rows of both stores are equal")


def seen(store: Path) -> str:
    """Return what a reader sees."""
    try:
        run = read_run(store)
    except UsageError as error:
        return f"a reader sees no run ({error.code})"
    return f"a reader sees run {run.about['run_id']} with {len(run.sites)} sites"


def assert_same(one: Path, two: Path) -> None:
    """Raise where two stores' last runs differ in any value, or a row stands twice."""
    a, b = read_run(one), read_run(two)
    pd.testing.assert_frame_equal(a.sites, b.sites, check_exact=True)
    for name in ("predictions", "anomalies", "plans"):
        first, second = getattr(a, name)(), getattr(b, name)()
        pd.testing.assert_frame_equal(first, second, check_exact=True)
        assert not first.duplicated([k for k in KEYS if k in first]).any()


def _family(root: int) -> list[int]:
    """Return a process and all that came from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue += parents.get(found[-1], [])
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _memory_mib(pid: int) -> float:
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if fields else 0.0


if __name__ == "__main__":
    main()
