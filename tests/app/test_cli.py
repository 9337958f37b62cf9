"""The command line without any model: help, versions, errors, exit codes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from app import cli
from app.cli import main
from features.errors import DataError, PlanError

ROOT = Path(__file__).resolve().parents[2]
VERBS = {
    "demo", "check", "train", "backtest", "predict", "advise", "plan", "score", "report", "serve", "measures",
    "doctor", "verify",
}  # fmt: skip


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], cwd=cwd, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_help_lists_exactly_the_verbs_that_exist() -> None:
    (action,) = [a for a in cli.build_parser()._actions if a.dest == "verb"]
    assert set(action.choices or ()) == VERBS


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - started


def test_help_answers_at_once() -> None:
    pairs = [
        (seconds([sys.executable, "-m", "app", "--help"]), seconds([sys.executable, "-c", "pass"]))
        for _ in range(5)
    ]
    ours, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    assert ours < 0.5 or ours < 8 * bare, f"--help took {ours:.2f} s, an empty Python {bare:.2f} s"


def test_help_imports_no_library() -> None:
    code = (
        "import sys; from app.cli import build_parser; build_parser().format_help();"
        "print(sorted({'numpy', 'pandas', 'lightgbm', 'rich', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("said", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_one_blas_thread_unless_the_user_says_otherwise(said: dict[str, str], threads: int) -> None:
    code = (
        "from app.cli import main; main(['measures', '--json']); import numpy, sys, threadpoolctl;"
        "sys.stderr.write(str({p['num_threads'] for p in threadpoolctl.threadpool_info()"
        " if p['internal_api'] == 'openblas'}))"
    )
    unset = {k: v for k, v in os.environ.items() if k not in {*cli.ONE_BLAS_THREAD, "OMP_NUM_THREADS"}}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=unset | said, capture_output=True, text=True, check=True
    )
    if done.stderr == "set()":
        pytest.skip("this numpy has no OpenBLAS")
    assert done.stderr == str({min(threads, os.cpu_count() or 1)})


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("advisor 0.")


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["train"], ["check"], ["predict", "x.csv"], ["check", "x.csv", "--kind", "car"],
     ["train", "x.csv", "--out", "m", "--tune", "-1"], ["measures", "--unknown"]],
)  # fmt: skip
def test_wrong_calls_are_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("E-USAGE: ")
    assert "What to do: " in shown.err


def test_errors_are_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--json"]) == 2
    shown = capsys.readouterr()
    assert set(json.loads(shown.out)["error"]) == {"code", "what", "where", "remedy"}
    assert shown.err == ""


def verb_raising(error: BaseException) -> object:
    def verb(*_: object) -> NoReturn:
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("E-X", "bad data", "a.csv", "mend it"), 3), (PlanError("E-Y", "broke a limit"), 1)],
)
def test_errors_carry_their_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_doctor", verb_raising(error))
    assert main(["doctor"]) == code
    assert str(error) in capsys.readouterr().err


def test_an_unforeseen_error_leaves_a_log_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_doctor", verb_raising(ZeroDivisionError("the cause")))
    assert main(["doctor", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "E-INTERNAL"
    log = Path(error["where"])
    assert "ZeroDivisionError: the cause" in log.read_text(encoding="utf-8")
    log.unlink()


def test_interruption_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "_doctor", verb_raising(KeyboardInterrupt()))
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("verb", ["measures", "nonsense"])
def test_a_closed_pipe_is_quiet(verb: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "app", verb, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == b""


def test_measures_as_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measures"]) == 0
    assert "cn-p03-retrofit-trigger" in capsys.readouterr().out
    assert main(["measures", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["measures"]
    assert {"id", "title", "state", "confidence", "sources"} <= set(listed[0])
    assert main(["measures", "cn-p03-retrofit-trigger"]) == 0
    assert "threshold: 1.5" in capsys.readouterr().out


def test_an_unknown_measure_names_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measures", "cn-p03-retrofit"]) == 2
    assert "E-MEASURE-UNKNOWN" in (said := capsys.readouterr().err)
    assert "cn-p03-retrofit-trigger" in said
