"""Every faulty export through the reader as an upload: ``python -m tests.faults [CLASS...] [--fast]``.

Prints a table (class, files, caught, tracebacks, deaths, worst time) and what was not answered as expected;
the exit status is 1 where anything was missed. ``A`` or ``A4`` runs a part; ``--fast`` leaves out the cases
that take gigabytes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults.cases import CASES
from tests.faults.run import Outcome, classes, run


def main(arguments: Sequence[str]) -> int:
    """Run the cases and print the table."""
    fast = "--fast" in arguments
    wanted = [a for a in arguments if not a.startswith("-")]
    outcomes: list[Outcome] = []
    for case in CASES:
        if (fast and case.heavy) or (wanted and not any(case.number.startswith(w) for w in wanted)):
            continue
        with tempfile.TemporaryDirectory(prefix="fault-") as folder:
            outcomes.append(run(case, Path(folder), isolated=True))
    print(table(outcomes))
    missed = [o for o in outcomes if not o.caught]
    for outcome in missed:
        print(f"\n{outcome.case.number} {outcome.case.name}: expected {', '.join(outcome.case.expected)}")
        print(f"  said {', '.join(outcome.said) or 'nothing'} {outcome.lost} {' '.join(outcome.written)}")
        print(outcome.trace)
    return 1 if missed else 0


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the account by class."""
    lines = ["| class | files | caught | tracebacks | deaths | worst time [s] |", "|---|---|---|---|---|---|"]
    for name in [*classes(), "all"]:
        mine = [o for o in outcomes if name in ("all", o.case.number)]
        if mine:
            counts = [len(mine), *(sum(map(bool, said)) for said in zip(*map(_verdict, mine), strict=True))]
            worst = max(o.seconds for o in mine)
            lines.append(f"| {name} | {' | '.join(map(str, counts))} | {worst:.1f} |")
    return "\n".join(lines)


def _verdict(outcome: Outcome) -> tuple[bool, bool, bool]:
    return outcome.caught, bool(outcome.trace), outcome.died


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
