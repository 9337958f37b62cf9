"""The store: one complete run at a time, older ones readable, killed at any step, two at once."""

from __future__ import annotations

import fcntl
import importlib
import json
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import Future
from contextlib import closing
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from app.batch.chunk import Chunk, score_chunk
from app.batch.crew import Crew, LocalCrew, scored
from app.batch.model_folder import ModelFolder
from app.batch.run import BatchRun, run_batch
from app.batch.sites import list_sites
from app.batch.staging import Staging
from app.batch.store import StoredRun, list_runs, read_run
from app.batch.tables import ORDER, Tables
from app.cli import main
from features.errors import DataError, UsageError
from models.store import package_versions
from sample_data.fleet import write_fleet

AS_OF = date(2026, 1, 12)
ROOT = Path(__file__).resolve().parents[2]


class Inline:
    """A crew that scores in this process, so that a test need not start others."""

    width = 1
    lost: tuple[type[BaseException], ...] = ()

    def __init__(self) -> None:
        self.scored: list[Chunk] = []

    def submit(self, chunk: Chunk) -> Future[Tables]:
        self.scored.append(chunk)
        done: Future[Tables] = Future()
        done.set_result(score_chunk(chunk))
        return done

    def renew(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sites of 13 days; the batch is of the day before the last."""
    return write_fleet(tmp_path_factory.mktemp("fleet"), 3, days=13, data_centre_share=1.0).folder


@pytest.fixture
def sites(fleet: Path, tmp_path: Path) -> Path:
    """A copy of the fleet that a test may change."""
    return Path(shutil.copytree(fleet, tmp_path / "sites"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """No models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def run(sites: Path, models: Path, store: Path, as_of: date = AS_OF, crew: Crew | None = None) -> BatchRun:
    return run_batch(sites, models, store, as_of, lambda: crew or Inline())


def late_data(sites: Path, factor: float = 1.01) -> None:
    """Correct the last day of one site, as late meter readings do."""
    file = sites / "dc-00001" / "telemetry.csv"
    table = pd.read_csv(file)
    table.loc[table.index[-48:-24], "facility_power_kw"] *= factor
    table.to_csv(file, index=False)


def content(stored: StoredRun) -> dict[str, pd.DataFrame]:
    return {
        "sites": stored.sites,
        "predictions": stored.predictions(),
        "anomalies": stored.anomalies(),
        "plans": stored.plans(),
    }


def assert_same(one: StoredRun, two: StoredRun) -> None:
    for name, table in content(one).items():
        pd.testing.assert_frame_equal(table, content(two)[name], check_exact=True)


def assert_once(store: Path) -> None:
    """Every row stands once in the head of every table, for any reader of Delta."""
    for name, keys in ORDER.items():
        head = DeltaTable(str(store / name)).to_pandas()
        assert not head.duplicated(["as_of", *keys]).any(), name


# -- idempotence ---------------------------------------------------------------------------------
def test_a_second_run_of_the_same_changes_nothing(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = run(sites, models, store)
    assert (first.unchanged, first.resumed, len(first.stored.sites)) == (False, 0, 3)
    crew = Inline()
    second = run(sites, models, store, crew=crew)
    assert second.unchanged
    assert crew.scored == []
    assert len(list_runs(store)) == 1
    assert_same(first.stored, second.stored)
    assert not (store / "_staging").exists()


def test_late_data_win_and_the_older_run_stays_readable(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    old = run(sites, models, store).stored
    before = content(old)
    late_data(sites)
    crew = Inline()
    new = run(sites, models, store, crew=crew).stored
    assert len(crew.scored) == 3  # chunks of one site here; nothing was staged any more
    assert new.about["run_id"] != old.about["run_id"]
    assert_same(read_run(store), new)
    again = read_run(store, AS_OF, run_id=str(old.about["run_id"]))
    for name, table in before.items():
        pd.testing.assert_frame_equal(table, content(again)[name], check_exact=True)
    changed = new.sites.set_index("site_id")["energy_kwh"] != old.sites.set_index("site_id")["energy_kwh"]
    assert changed[changed].index.tolist() == ["dc-00001"]
    assert_once(store)


def test_data_that_go_back_to_what_they_were_make_a_new_newest_run(
    sites: Path, fleet: Path, models: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first = run(sites, models, store).stored
    late_data(sites)
    run(sites, models, store)
    shutil.copy(fleet / "dc-00001" / "telemetry.csv", sites / "dc-00001" / "telemetry.csv")
    third = run(sites, models, store).stored
    assert third.about["run_id"] == first.about["run_id"]
    assert list_runs(store)["sequence"].tolist() == [1, 2, 3]
    assert_same(read_run(store), first)


def test_dates_stand_side_by_side(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(sites, models, store, date(2026, 1, 13))
    earlier = run(sites, models, store, AS_OF).stored
    assert read_run(store).about["as_of"] == date(2026, 1, 13)  # the latest date, not the latest run
    assert_same(read_run(store, AS_OF), earlier)
    stamps = [read_run(store, d).predictions()["timestamp"] for d in (AS_OF, date(2026, 1, 13))]
    assert stamps[0].max() < stamps[1].min()
    assert_once(store)


def test_no_wall_clock_and_no_chance_in_results(sites: Path, models: Path, tmp_path: Path) -> None:
    one, two = (run(sites, models, tmp_path / name).stored for name in ("a", "b"))
    assert_same(one, two)
    assert one.about == two.about


def test_one_site_can_be_read_alone(sites: Path, models: Path, tmp_path: Path) -> None:
    stored = run(sites, models, tmp_path / "store").stored
    rows = stored.predictions("dc-00002")
    assert set(rows["site_id"]) == {"dc-00002"}
    whole = stored.predictions()
    expected = whole[whole["site_id"] == "dc-00002"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, expected)
    assert str(rows["timestamp"].dtype.tz) == "UTC"


# -- refusals ------------------------------------------------------------------------------------
def test_an_empty_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="E-STORE-EMPTY"):
        read_run(tmp_path / "store")


def test_where_every_site_fails_the_last_run_stays(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    good = run(sites, models, store).stored
    with pytest.raises(DataError, match="E-SITES-ALL-FAILED") as error:
        run(sites, models, store, date(2027, 1, 1))
    assert "E-SITE-NO-PAST" in str(error.value)
    assert_same(read_run(store), good)


def test_two_runs_at_once_are_refused(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    with (store / "_lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="E-STORE-BUSY"):
            run(sites, models, store)
    assert len(run(sites, models, store).stored.sites) == 3  # the lock ended with its holder


def test_a_store_that_cannot_be_written_is_named(sites: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(UsageError, match="E-STORE-WRITE"):
        run(sites, models, tmp_path / "file" / "store")


def test_a_missing_version_is_a_damaged_store(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(sites, models, store)
    for file in (store / "sites").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(DataError, match="E-STORE-DAMAGED"):
        read_run(store)
    assert len(run(sites, models, store).stored.sites) == 3  # the next run makes it again


# -- staging -------------------------------------------------------------------------------------
def test_finished_chunks_are_not_scored_again(sites: Path, models: Path, tmp_path: Path) -> None:
    class Dying(Inline):
        def submit(self, chunk: Chunk) -> Future[Tables]:
            if len(self.scored) == 2:
                raise KeyboardInterrupt
            return super().submit(chunk)

    store = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        run(sites, models, store, crew=Dying())
    with pytest.raises(UsageError, match="E-STORE-EMPTY"):
        read_run(store)
    crew = Inline()
    done = run(sites, models, store, crew=crew)
    assert (done.chunks, done.resumed, len(crew.scored)) == (3, 2, 1)
    assert_same(done.stored, run(sites, models, tmp_path / "clean").stored)


def test_a_damaged_chunk_is_scored_again(sites: Path, models: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "_staging").mkdir(parents=True)
    crew = Inline()
    clean = run(sites, models, tmp_path / "clean", crew=crew)
    staging = Staging(store)
    for chunk in crew.scored:
        staging.keep(chunk.key, score_chunk(chunk))
    spoiled = store / "_staging" / crew.scored[1].key / "predictions.parquet"
    data = bytearray(spoiled.read_bytes())
    data[len(data) // 3] ^= 0x10  # one bit
    spoiled.write_bytes(data)
    again = Inline()
    done = run(sites, models, store, crew=again)
    assert [c.key for c in again.scored] == [crew.scored[1].key]
    assert_same(done.stored, clean.stored)


# -- killed at every step ------------------------------------------------------------------------
KILLED = """
    import os, signal, sys
    from datetime import date
    from pathlib import Path

    sys.path.insert(0, sys.argv[1])
    from test_batch_store import Inline
    from app.batch import run, staging, store

    WHERE = {
        "write": (staging.pq, "write_table"), "sync": (staging, "sync_tree"),
        "delta": (store, "write_deltalake"), "flush": (store, "sync_files"),
        "clear": (staging.Staging, "clear"),
    }
    countdown = 0

    def dying(name, true):
        def call(*args, **kwargs):
            step("before " + name)
            result = true(*args, **kwargs)
            step("after " + name)
            return result
        return call

    def step(name):
        global countdown
        countdown -= 1
        if countdown == 0:
            print(name, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    for name, (place, attribute) in WHERE.items():
        setattr(place, attribute, dying(name, getattr(place, attribute)))
    sites, models = map(Path, sys.argv[2:4])
    for argument in sys.argv[4:]:
        target = Path(argument)
        countdown = int(target.name)
        child = os.fork()  # before any library has started threads here
        if child == 0:
            run.run_batch(sites, models, target, date(2026, 1, 12), Inline)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, argument
"""
STEPS = (1, 4, 19, 32, 44, 55, 56, 61)
"""Of 62 steps: within and between the three chunks, every table's commit, the runs' row, the cleaning up."""


@pytest.fixture(scope="module")
def before_and_after(
    fleet: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path, StoredRun, StoredRun]:
    """Sites after late data, models, a store with the run before them, and both runs."""
    base = tmp_path_factory.mktemp("kill")
    (base / "models").mkdir()
    sites = Path(shutil.copytree(fleet, base / "sites"))
    old = run(sites, base / "models", base / "store").stored
    late_data(sites)
    new = run(sites, base / "models", base / "clean").stored
    return sites, base / "models", base / "store", old, new


def test_killed_at_any_step_a_reader_sees_a_whole_run(
    before_and_after: tuple[Path, Path, Path, StoredRun, StoredRun], tmp_path: Path
) -> None:
    sites, models, store, old, new = before_and_after
    targets = [Path(shutil.copytree(store, tmp_path / str(count))) for count in STEPS]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), Path(__file__).parent, sites, models, *targets],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps = done.stdout.splitlines()
    assert len(steps) == len(STEPS)
    assert {"before write", "after write", "before delta", "after delta", "before clear"} <= set(steps)
    visible = set()
    for target in targets:
        seen = read_run(target)
        visible.add(seen.about["run_id"])
        assert_same(seen, old if seen.about["run_id"] == old.about["run_id"] else new)
        finished = run(sites, models, target)
        assert_same(finished.stored, new)
        assert_once(target)
        assert list_runs(target)["sequence"].tolist() == [1, 2]
    assert visible == {old.about["run_id"], new.about["run_id"]}


# -- through the command line --------------------------------------------------------------------
def arguments(sites: Path, models: Path, store: Path, *more: str) -> list[str]:
    return [
        "score", "--sites", str(sites), "--model", str(models), "--store", str(store), "--as-of",
        AS_OF.isoformat(), *more,
    ]  # fmt: skip


def test_command_line_codes(
    sites: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bad site: exit 1 and its reason; the same rows with one worker and with two."""
    (sites / "broken").mkdir()
    (sites / "broken" / "telemetry.csv").write_bytes(b"\x00\x01\x02" * 50)
    assert main(arguments(sites, models, tmp_path / "one", "--workers", "1", "--json")) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["sites"], said["scored"]) == (4, 3)
    assert said["quarantined"][0]["site_id"] == "broken"
    assert said["quarantined"][0]["code"] == "E-FILE-ENCODING"
    assert main(arguments(sites, models, tmp_path / "two", "--workers", "2")) == 1
    assert "broken: E-FILE-ENCODING" in capsys.readouterr().out
    assert_same(read_run(tmp_path / "one"), read_run(tmp_path / "two"))
    shutil.rmtree(sites / "broken")
    assert main(arguments(sites, models, tmp_path / "one", "--workers", "1")) == 0
    assert main(arguments(tmp_path / "nowhere", models, tmp_path / "one")) == 2
    assert main(arguments(sites, models, tmp_path / "one", "--scheduler", "tcp://x", "--workers", "1")) == 2
    wrong = [*arguments(sites, models, tmp_path / "one")[:-1], "yesterday"]
    assert main(wrong) == 2
    assert "E-AS-OF" in capsys.readouterr().err


def test_a_worker_that_dies_costs_its_site_only(
    sites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site on which the process dies is quarantined; all others are scored, those of its chunk too."""
    (tmp_path / "deadly.py").write_text(
        textwrap.dedent(
            """
            import os, signal
            from app.batch.sites import SiteSource

            class Deadly(SiteSource):
                @property
                def site_file(self):
                    os.kill(os.getpid(), signal.SIGKILL)
            """
        ),
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    deadly = importlib.import_module("deadly").Deadly
    first, second, third = list_sites(sites)
    trap = deadly(second.site_id, second.path, second.digest)
    none, versions = ModelFolder("", {}), package_versions()
    chunks = [Chunk(AS_OF, (first, trap), none, versions), Chunk(AS_OF, (third,), none, versions)]
    with closing(LocalCrew(1)) as crew:
        found = {chunk.sites[0].site_id: tables for chunk, tables in scored(chunks, crew)}
    rows = found["dc-00000"]["sites"].to_pylist()
    assert [(r["site_id"], r["status"], r["code"]) for r in rows] == [
        ("dc-00000", "scored", "F-NO-MODEL"),
        ("dc-00001", "quarantined", "E-SITE-CRASH"),
    ]
    expected = score_chunk(Chunk(AS_OF, (first,), none, versions))
    assert found["dc-00000"]["predictions"].equals(expected["predictions"])
    assert found["dc-00002"]["sites"].to_pylist()[0]["status"] == "scored"


def test_a_full_disk_is_a_clear_error_and_leaves_the_last_run(
    before_and_after: tuple[Path, Path, Path, StoredRun, StoredRun], tmp_path: Path
) -> None:
    """A limit on the size of files stands for the full disk: writing beyond it fails."""
    sites, models, store, old, _ = before_and_after
    target = Path(shutil.copytree(store, tmp_path / "store"))
    script = """
        import resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        from app.cli import main
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
        sys.exit(main(sys.argv[1:]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments(sites, models, target, "--workers", "1")],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "E-STORE-WRITE" in done.stderr
    assert_same(read_run(target), old)
