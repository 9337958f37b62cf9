"""Arguments that several verbs of the command line share, and what their values may be."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

KINDS = ("data-centre", "base-station")


def trials(text: str) -> int:
    """Return a count, zero allowed."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count (0, 1, 2, ...)")
    return number


def count(text: str) -> int:
    """Return a count of at least one."""
    number = trials(text)
    if number == 0:
        raise argparse.ArgumentTypeError("at least one")
    return number


def rows(text: str) -> int:
    """Return a count of rows, or more than there can be for ``all``."""
    return sys.maxsize if text == "all" else count(text)


def port(text: str) -> int:
    """Return a port."""
    number = trials(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return number


def add_port(verb: argparse.ArgumentParser) -> None:
    """Add where the app is served."""
    verb.add_argument("--port", type=port, default=5006, metavar="N", help="default 5006; 0: any free one")


def add_reading(verb: argparse.ArgumentParser) -> None:
    """Add how exports are read."""
    verb.add_argument("--kind", choices=KINDS, help="default: recognised from the columns")
    verb.add_argument(
        "--mapping", type=Path, metavar="FILE", help="mapping.toml, as `advisor check` wrote it"
    )
    verb.add_argument("--time-zone", metavar="ZONE", help="zone of the stamps: an IANA name or +HH:MM")


def add_advice(verb: argparse.ArgumentParser) -> None:
    """Add what advice is made from."""
    verb.add_argument("--model", type=Path, required=True, metavar="MODEL_DIR")
    verb.add_argument("--site", type=Path, metavar="FILE.toml", help="what the site declares")
    verb.add_argument("--start", metavar="T", help="first moment; without offset: local time of the site")
    verb.add_argument("--end", metavar="T", help="end, exclusive")


def add_seed(verb: argparse.ArgumentParser, default: int = 0) -> None:
    """Add the seed of what is random."""
    verb.add_argument("--seed", type=int, default=default, metavar="N", help=f"default {default}")


def add_verify(verb: argparse.ArgumentParser) -> None:
    """Add two periods, and what is written of them."""
    for name, says in (("--before", "before the change"), ("--after", "after it")):
        verb.add_argument(
            name, type=Path, nargs="+", action="extend", required=True, metavar="PATH",
            help=f"exports of the time {says}: files, or folders of exports that belong together",
        )  # fmt: skip
    verb.add_argument("--site", type=Path, metavar="FILE.toml", help="what the site declares")
    verb.add_argument("--out", type=Path, metavar="DIR", help="write verify.json and verify.csv")
    add_reading(verb)
    add_seed(verb)
