"""Check: what was recognised in the exports, and what is wrong with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa

from app.service.facts import describe, findings
from app.service.reading import Exports, read
from app.writing import make_folder, write_csv, write_pieces, write_text
from features.issues import DataIssue
from features.message import say
from features.reading import Mapping, Reading
from features.telemetry import Telemetry


@dataclass(frozen=True)
class Rows:
    """Rows in = accepted + quarantined + rejected."""

    rows_in: int
    accepted: int
    quarantined: int
    rejected: int

    def sentence(self) -> str:
        """Return the account as one line."""
        return say(
            "rows in {rows_in:,} = {accepted:,} accepted + {quarantined:,} quarantined + "
            "{rejected:,} rejected",
            rows_in=self.rows_in,
            accepted=self.accepted,
            quarantined=self.quarantined,
            rejected=self.rejected,
        )


@dataclass(frozen=True)
class CheckOutcome:
    """Telemetry, how each path was read, and the files written."""

    telemetry: Telemetry
    readings: tuple[Reading, ...]
    written: tuple[Path, ...] = ()
    exit_code: int = 0

    @property
    def rows(self) -> Rows:
        """Account of the rows of all paths together."""
        return count_rows(self.readings)

    @property
    def issues(self) -> tuple[DataIssue, ...]:
        """Every finding once, worst first."""
        return findings(self.telemetry)

    @property
    def mapping(self) -> Mapping:
        """How all paths together were understood."""
        return joined_mapping(self.readings)

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "rows": asdict(self.rows),
            "telemetry": describe(self.telemetry),
            "mapping": asdict(self.mapping),
            "issues": [issue.to_dict() for issue in self.issues],
            "written": [str(path) for path in self.written],
        }


def check(exports: Exports, *, out: Path | None = None, page: bool = True) -> CheckOutcome:
    """Recognise, convert and judge exports; with `out`, write what was found; with `page`, also to be read.

    Raises
    ------
    features.errors.UsageError, features.errors.DataError
    """
    telemetry, readings = read(exports, held=False)
    outcome = CheckOutcome(telemetry, readings)
    if out is None:
        return outcome
    make_folder(out)
    quarantined = pa.concat_tables([r.quarantined_rows for r in readings]).to_pandas()
    with ThreadPoolExecutor(1) as pool:  # a large table takes as long to write as the page to draw
        table = pool.submit(write_pieces, out / "telemetry.parquet", telemetry.pieces())
        written: tuple[Path, ...] = (
            write_text(out / "mapping.toml", outcome.mapping.to_toml()),
            write_csv(out / "issues.csv", issue_table(outcome.issues), for_people=True),
            write_csv(out / "quarantined.csv", quarantined, for_people=True),
        )
        if page:
            written = (*written, write_text(out / "check.html", _page(outcome)))
        written = (*written, table.result())
    return CheckOutcome(telemetry, readings, written)


def _page(outcome: CheckOutcome) -> str:
    from app.report.checked import check_page  # noqa: PLC0415 - matplotlib takes a second to start
    from app.report.render import render_check  # noqa: PLC0415

    rows = tuple((name.replace("_", " "), count) for name, count in asdict(outcome.rows).items())
    page = check_page(outcome.telemetry, outcome.readings, outcome.mapping, outcome.issues, rows)
    return render_check(page)


def count_rows(readings: tuple[Reading, ...]) -> Rows:
    """Return the account of the rows of several readings."""
    names = [field.name for field in fields(Rows)]
    return Rows(**{name: sum(int(getattr(r.counts, name)) for r in readings) for name in names})


def joined_mapping(readings: tuple[Reading, ...]) -> Mapping:
    """Return one mapping for all paths."""
    mappings = [r.mapping for r in readings]
    return Mapping(
        kind=mappings[0].kind,
        file=tuple(dict.fromkeys(f for m in mappings for f in m.file)),
        answer=tuple(dict.fromkeys(a for m in mappings for a in m.answer)),
        skipped=tuple(dict.fromkeys(s for m in mappings for s in m.skipped)),
    )


def issue_table(issues: tuple[DataIssue, ...]) -> pd.DataFrame:
    """Return findings as a table."""
    return pd.DataFrame(
        [issue.to_dict() for issue in issues], columns=[field.name for field in fields(DataIssue)]
    )
