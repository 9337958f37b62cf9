"""The command line: parse, call one use case, print its outcome, turn errors into exit codes.

Data goes to standard output, progress and log to standard error. Exit codes: 0 done, 1 something
failed, 2 usage or configuration, 3 data unusable, 130 interrupted. Verbs import what they need when
they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app import arguments
from features.errors import AdvisorError, UsageError

if TYPE_CHECKING:
    from app.service.outcome import Outcome
    from app.service.reading import Exports
    from app.service.serve import Serving

    Done = tuple[Outcome, Callable[[], str]]
    """An outcome and how to put it in words."""

TASKS = ("estimate", "forecast")
INTERRUPTED = 130
PIPE_CLOSED = 141
ONE_BLAS_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Training works with two threads of its own; BLAS threads in each wait for each other, spinning, over small
systems of equations: on two cores, training the sample centre took four times as long."""


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are `UsageError`, so that ``--json`` holds for them too."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("E-USAGE", message, self.prog, f"see: {self.prog} --help")


# -- verbs ---------------------------------------------------------------------------------------
def _exports(args: argparse.Namespace) -> Exports:
    from app.service.reading import Exports

    return Exports(tuple(args.paths), args.kind, args.mapping, args.time_zone)


def _demo(args: argparse.Namespace) -> Done:
    from app import text
    from app.progress import shown
    from app.service.demo import demo

    with shown("demo") as progress:
        outcome = demo(args.out, seed=args.seed, progress=progress)
    if args.serve:
        sys.stderr.write(f"{text.demo(outcome)}\n\n")
        _run_server(args.out, args.port)
    return outcome, lambda: text.demo(outcome)


def _serve(args: argparse.Namespace) -> Done:
    outcome = _run_server(args.data, args.port)
    return outcome, lambda: "The server has stopped."


def _run_server(data: Path | None, port: int) -> Serving:
    """Serve until interrupted; where to open it is said before."""
    from app.service.serve import serve

    serving = serve(data, port=port)
    sys.stderr.write(f"Open {serving.url} in a browser on this machine. Ctrl-C ends it.\n")
    sys.stderr.flush()
    serving.run()
    return serving


def _report_again(args: argparse.Namespace) -> Done:
    from app import text
    from app.progress import shown
    from app.service.report import report

    with shown("report") as progress:
        outcome = report(
            _exports(args), model=args.model, site_file=args.site, start=args.start, end=args.end,
            out=args.out, seed=args.seed, progress=progress,
        )  # fmt: skip
    return outcome, lambda: text.files_text((outcome.file,))


def _check(args: argparse.Namespace) -> Done:
    from app import text
    from app.service.check import check

    outcome = check(_exports(args), out=args.out)
    return outcome, lambda: text.check(outcome)


def _train(args: argparse.Namespace) -> Done:
    from app import text
    from app.progress import shown
    from app.service.train import train

    with shown("train") as progress:
        outcome = train(
            _exports(args),
            out=args.out,
            target=args.target,
            trials=args.tune,
            seed=args.seed,
            study=args.study,
            scheduler=args.scheduler,
            progress=progress,
        )
    return outcome, lambda: text.train(outcome)


def _backtest(args: argparse.Namespace) -> Done:
    from app import text
    from app.progress import shown
    from app.service.backtest import backtest_exports

    with shown("backtest") as progress:
        outcome = backtest_exports(
            _exports(args), out=args.out, target=args.target, seed=args.seed, progress=progress
        )
    return outcome, lambda: text.backtest(outcome)


def _predict(args: argparse.Namespace) -> Done:
    from app import text
    from app.service.predict import predict

    outcome = predict(
        _exports(args), model=args.model, out=args.out, task=args.task, explain_rows=args.explain
    )
    return outcome, lambda: text.predict(outcome)


def _advise(args: argparse.Namespace) -> Done:
    from app import text
    from app.progress import shown
    from app.service.advise import advise_exports

    with shown("advise") as progress:
        outcome = advise_exports(
            _exports(args),
            model=args.model,
            site_file=args.site,
            start=args.start,
            end=args.end,
            out=args.out,
            seed=args.seed,
            most=args.actions,
            progress=progress,
        )
    return outcome, lambda: text.advise(outcome)


def _verify(args: argparse.Namespace) -> Done:
    from app import text_verify
    from app.progress import shown
    from app.service.reading import Exports
    from app.service.verify import verify_exports

    before, after = (
        Exports(tuple(paths), args.kind, args.mapping, args.time_zone) for paths in (args.before, args.after)
    )
    with shown("verify") as progress:
        outcome = verify_exports(
            before, after, site_file=args.site, out=args.out, seed=args.seed, progress=progress
        )
    return outcome, lambda: text_verify.verify(outcome)


def _plan(args: argparse.Namespace) -> Done:
    from app import text_plan
    from app.progress import shown
    from app.service.plan import plan_folder

    with shown("plan") as progress:
        outcome = plan_folder(args.folder, out=args.out, points=args.points, page=True, progress=progress)
    return outcome, lambda: text_plan.plan(outcome)


def _measures(args: argparse.Namespace) -> Done:
    from app import text
    from app.service.measures import list_measures

    outcome = list_measures(args.id)
    return outcome, lambda: text.measures(outcome, whole=args.id is not None)


def _score(args: argparse.Namespace) -> Done:
    from app import score_text
    from app.progress import shown
    from app.service.score import score

    with shown("score") as progress:
        outcome = score(
            sites=args.sites,
            model=args.model,
            store=args.store,
            as_of=args.as_of,
            workers=args.workers,
            scheduler=args.scheduler,
            progress=progress,
        )
    return outcome, lambda: score_text.score(outcome)


def _doctor(args: argparse.Namespace) -> Done:
    del args
    from app import text
    from app.service.doctor import doctor

    outcome = doctor()
    return outcome, lambda: text.doctor(outcome)


# -- the parser ----------------------------------------------------------------------------------
def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``advisor``."""
    parser = _Parser(
        prog="advisor",
        description="Data-centre and 5G energy-efficiency advisor: exports in, verified advice with "
        "intervals out.",
        epilog="Exit codes: 0 done, 1 something failed, 2 usage or configuration, 3 data unusable.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    verbs = parser.add_subparsers(
        dest="verb", metavar="VERB", required=True, title="verbs", parser_class=_Parser
    )
    _add_exports_verbs(verbs)
    demo = _verb(verbs, "demo", _demo, "make two sample sites, train, advise, and write their reports")
    demo.add_argument(
        "--out", type=Path, default=Path("advisor-demo"), metavar="DIR", help="default: ./advisor-demo"
    )
    arguments.add_seed(demo, 7)
    demo.add_argument("--serve", action="store_true", help="open the app on the samples afterwards")
    arguments.add_port(demo)
    serve = _verb(verbs, "serve", _serve, "the app, on this machine only")
    serve.add_argument(
        "--data", type=Path, metavar="DIR", help="folder as advisor demo leaves it (default ./advisor-demo)"
    )
    arguments.add_port(serve)
    verify = _verb(
        verbs, "verify", _verify, "what a change saved, normalised for weather and work, with verdict"
    )
    arguments.add_verify(verify)
    _add_score(verbs)
    plan = _verb(verbs, "plan", _plan, "plan many sites together: work in time and space, storage, purchase")
    plan.add_argument("folder", type=Path, metavar="PORTFOLIO_DIR", help="holds portfolio.toml")
    plan.add_argument("--out", type=Path, required=True, metavar="DIR")
    plan.add_argument(
        "--points",
        type=arguments.trials,
        default=9,
        metavar="N",
        help="points of the front (default 9; 0: none)",
    )
    measures = _verb(verbs, "measures", _measures, "the catalogue of official measures")
    measures.add_argument("id", nargs="?", metavar="ID", help="show one measure in full")
    _verb(verbs, "doctor", _doctor, "is this installation sound?")
    return parser


def _add_exports_verbs(verbs: argparse._SubParsersAction[_Parser]) -> None:
    """Add the verbs that read exports."""
    check = _reader(verbs, "check", _check, "recognise, convert and judge exports")
    check.add_argument(
        "--out", type=Path, metavar="DIR", help="write mapping.toml, telemetry.parquet and issue lists"
    )

    train = _reader(verbs, "train", _train, "fit and calibrate every model that the exports allow")
    train.add_argument("--out", type=Path, required=True, metavar="MODEL_DIR")
    train.add_argument("--target", metavar="COLUMN", help="predict this canonical column only")
    train.add_argument(
        "--tune",
        type=arguments.trials,
        default=0,
        metavar="TRIALS",
        help="search hyper-parameters (default 0: no)",
    )
    train.add_argument(
        "--study", type=Path, metavar="FILE", help="keep the trials of --tune here; a stopped search goes on"
    )
    train.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler that fits the large models")
    arguments.add_seed(train)

    backtest = _reader(verbs, "backtest", _backtest, "errors on withheld time and sites, beside baselines")
    backtest.add_argument("--out", type=Path, metavar="DIR", help="write backtest.csv and backtest.json")
    backtest.add_argument("--target", metavar="COLUMN", help="judge this canonical column only")
    arguments.add_seed(backtest)

    predict = _reader(verbs, "predict", _predict, "predict with intervals")
    predict.add_argument("--model", type=Path, required=True, metavar="MODEL_DIR")
    predict.add_argument("--out", type=Path, required=True, metavar="FILE", help=".csv or .parquet")
    predict.add_argument(
        "--task", choices=TASKS, default="estimate", help="estimate: load known; forecast: past only"
    )
    predict.add_argument(
        "--explain", type=arguments.rows, nargs="?", const=50, default=0, metavar="N",
        help="write the reasons of the N most unusual rows per quantity (default 50; all: every row)",
    )  # fmt: skip

    advise = _reader(verbs, "advise", _advise, "plan, verify, rank actions, and write the report")
    arguments.add_advice(advise)
    advise.add_argument("--out", type=Path, required=True, metavar="DIR")
    advise.add_argument(
        "--actions", type=arguments.count, default=5, metavar="N", help="at most so many actions (default 5)"
    )
    arguments.add_seed(advise)

    report = _reader(verbs, "report", _report_again, "the report of an advice alone, as one HTML file")
    arguments.add_advice(report)
    report.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    arguments.add_seed(report)


def _add_score(verbs: argparse._SubParsersAction[_Parser]) -> None:
    says = "the nightly batch: predictions, anomalies, plans and a ranking of every site of a folder"
    score = _verb(verbs, "score", _score, says)
    score.add_argument("--sites", required=True, metavar="URI", help="folder of sites, a sub-folder each")
    score.add_argument(
        "--model", type=Path, required=True, metavar="MODEL_DIR",
        help="one model directory, or a folder of them by site id or by kind",
    )  # fmt: skip
    score.add_argument("--store", required=True, metavar="URI", help="folder of the results' Delta tables")
    score.add_argument(
        "--as-of", required=True, metavar="DATE", help="today of the run; what comes after it is unknown"
    )
    score.add_argument(
        "--workers", type=arguments.count, metavar="N", help="processes (default: one per processor)"
    )
    score.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead of processes")


class _Version(argparse.Action):
    """``--version``: looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"advisor {version('energy-advisor')}\n")
        parser.exit()


def _verb(
    verbs: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], Done],
    says: str,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
    verb.add_argument("--json", action="store_true", help="print the outcome, or the error, as JSON")
    verb.set_defaults(run=run)
    return verb


def _reader(
    verbs: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], Done],
    says: str,
) -> argparse.ArgumentParser:
    verb = _verb(verbs, name, run, says)
    verb.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="export files, or folders of exports that belong together",
    )
    arguments.add_reading(verb)
    return verb


# -- running -------------------------------------------------------------------------------------
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for name in ONE_BLAS_THREAD:  # before a verb imports numpy, which reads it; the user's own word counts
        os.environ.setdefault(name, "1")
    try:
        return _run(arguments, as_json="--json" in arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # the reader went away (for example `| head`); nothing more may be written, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _run(arguments: list[str], *, as_json: bool) -> int:
    try:
        args = build_parser().parse_args(arguments)
        outcome, words = args.run(args)
        _print(_json(outcome) if as_json else words())
    except AdvisorError as error:
        return _report(error, as_json)
    except BrokenPipeError:
        raise
    except Exception as error:  # the last resort: say where the traceback lies
        return _report(_unforeseen(error), as_json)
    return int(outcome.exit_code)


def _report(error: AdvisorError, as_json: bool) -> int:
    if as_json:
        import json

        _print(json.dumps({"error": error.to_dict()}, ensure_ascii=False, indent=2))
    else:
        sys.stderr.write(f"{error}\n")
    return error.exit_code


def _unforeseen(error: Exception) -> AdvisorError:
    """Keep the traceback in a file and return what the user is told."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="advisor-error-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write("".join(traceback.format_exception(error)))
    return AdvisorError(
        "E-INTERNAL",
        f"an unforeseen {type(error).__name__}: this is a fault of the program, not of your data",
        log.name,
        "please report it with that log file",
    )


def _json(outcome: Outcome) -> str:
    from app.writing import to_json

    return to_json(outcome.to_dict())


def _print(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()
