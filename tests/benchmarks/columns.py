"""What the reader makes of every column of the real exports: right, asked, missed or wrong.

    python tests/benchmarks/columns.py

Reads the folders of ``shared/data`` beside the repository and writes ``results/columns.md``. The truth is
``columns_truth.csv``: header texts of the exports and what each means, decided by hand from the notes that
come with them; an empty meaning is a column that nothing here uses. Questions are answered with the truth
so that the rest of the file is judged too; what was asked stays asked. ``headers_elsewhere.csv`` of the
tests holds headers of other systems. Its lists 2 to 4 were tried once before any word was added for them:
80 right, 15 missed and 2 wrong of 97; 73 right, 11 missed and 1 wrong of 85; 255 right, 55 missed and 6 wrong
of 316 (chiller plants, building and facility systems, server boards). After the words for list 4 were added,
list 4b gave 114 right, 12 missed and 5 wrong of 131. List 5 (cellular networks, energy on site, markets,
weather) came in three parts, tried one after the other: 272 right, 67 missed and 4 wrong of 343; then, chosen
to look like the words that had been added, 132, 2 and 31 of 165 (29, after two errors of the truth); last, of
further systems, 113, 9 and 4 of 126 (2). What stands in an earlier list is left out of it.
"""

from __future__ import annotations

import csv
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from features.errors import AdvisorError, QuestionError
from features.reading import Answer, Mapping, Reading, read_export
from features.reading.columns import USED_FROM
from features.reading.headers import STATION_ENERGY, match
from features.reading.mapping import IGNORE, FileMapping
from tests.benchmarks.backtests import markdown

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
TRUTH = Path(__file__).parent / "columns_truth.csv"
ELSEWHERE = ROOT / "tests" / "features" / "reading" / "headers_elsewhere.csv"
RESULTS = Path(__file__).parent / "results" / "columns.md"
MOST_QUESTIONS = 5
COLUMNS = ("folder", "file", "header", "truth", "proposed", "unit", "confidence", "verdict")
FOLDERS = (
    "folder", "rows in", "accepted", "quarantined", "rejected", "columns", "right", "asked", "missed",
    "wrong", "refused",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One column: what it is, what was proposed, and how that is judged."""

    folder: str
    file: str
    header: str
    truth: str
    proposed: str
    unit: str
    confidence: float
    verdict: str


def main() -> None:
    """Judge every folder and write the table."""
    truth = rows_of(TRUTH)
    folders = list(dict.fromkeys(r["folder"] for r in truth))
    verdicts: list[Verdict] = []
    conserved: list[Sequence[object]] = []
    for folder in folders:
        mine = [r for r in truth if r["folder"] == folder]
        reading, asked, refusal = read(DATA / folder, mine)
        found = judged(folder, mine, reading, asked, refusal)
        verdicts += found
        conserved.append((folder, *account(reading, refusal), *shares(found)))
    elsewhere = [(name, *counted) for name, counted in lists().items()]
    RESULTS.write_text(page(conserved, elsewhere, verdicts), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8").split("## Columns")[0])


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read(path: Path, truth: Sequence[dict[str, str]]) -> tuple[Reading | None, set[tuple[str, str]], str]:
    """Read a folder, its questions answered with the truth: the reading, what was asked, the refusal."""
    answers: list[Answer] = []
    asked: set[tuple[str, str]] = set()
    for _ in range(MOST_QUESTIONS):
        try:
            return read_export(path, mapping=Mapping(answer=tuple(answers))), asked, ""
        except QuestionError as question:
            text = question.remedy.partition("version = 1\n")[2]
            for lines in tomllib.loads(text).get("answer", []):
                asked.add((lines["file"], lines.get("column", "")))
                unit = next((r["unit"] for r in truth if r["header"] == lines.get("column")), "")
                answers.append(Answer(file=lines["file"], column=lines.get("column", ""), unit=unit))
        except AdvisorError as error:
            return None, asked, error.code
    return None, asked, "questions without end"


def judged(
    folder: str,
    truth: Sequence[dict[str, str]],
    reading: Reading | None,
    asked: set[tuple[str, str]],
    refusal: str,
) -> list[Verdict]:
    """Return the verdict on every column of a folder."""
    result = []
    for row in truth:
        mappings = reading.mapping.for_file(row["file"]) if reading else ()
        proposed, unit, confidence, why = proposal(mappings, row["header"])
        if refusal:
            verdict = "refused"
        elif (row["file"], row["header"]) in asked or "until its unit is known" in why:
            verdict = "asked"
        elif proposed == row["meaning"] and (not row["unit"] or unit == row["unit"]):
            verdict = "right"
        else:
            verdict = "missed" if not proposed else "wrong"
        result.append(
            Verdict(folder, row["file"], row["header"], row["meaning"], proposed, unit, confidence, verdict)
        )
    return result


def proposal(mappings: Sequence[FileMapping], header: str) -> tuple[str, str, float, str]:
    """Return meaning, unit, confidence and evidence of a column; an empty meaning: not used."""
    found = [_of_one(m, header) for m in mappings]
    return next((f for f in found if f[0]), found[0] if found else ("", "", 0.0, ""))


def _of_one(mapping: FileMapping, header: str) -> tuple[str, str, float, str]:
    keys = {mapping.site_column: "@site", mapping.unit_column: "@unit"}
    if mapping.time and header in mapping.time.columns:
        return "@time", "", 1.0, mapping.time.evidence
    if header in keys:
        return keys[header], "", 1.0, ""
    column = next((c for c in mapping.column if c.source == header), None)
    if column is None:
        return "", "", 0.0, ""
    used = column.canonical != IGNORE
    return (
        (column.canonical if used else ""),
        (column.unit if used else ""),
        column.confidence,
        column.evidence,
    )


def account(reading: Reading | None, refusal: str) -> tuple[object, ...]:
    """Return rows in and where they went."""
    if reading is None:
        return (refusal, "", "", "")
    c = reading.counts
    exact = c.rows_in == c.accepted + c.quarantined + c.rejected
    return (c.rows_in if exact else f"{c.rows_in} (not conserved)", c.accepted, c.quarantined, c.rejected)


def shares(found: Sequence[Verdict]) -> tuple[object, ...]:
    """Return the number of columns by verdict."""
    count = Counter(v.verdict for v in found)
    return (len(found), *(count[v] for v in ("right", "asked", "missed", "wrong", "refused")))


def lists() -> dict[str, tuple[int, int, int, int]]:
    """Return headers, right, missed and wrong of each list of headers of other systems."""
    found: dict[str, Counter[str]] = {}
    for row in rows_of(ELSEWHERE):
        found.setdefault(row["list"], Counter())[judged_header(row)] += 1
    return {n: (c.total(), c["right"], c["missed"], c["wrong"]) for n, c in found.items()}


def judged_header(row: dict[str, str]) -> str:
    """Return ``right``, ``missed`` or ``wrong`` for one header without values."""
    found = match(row["header"], row["kind"])
    meaning = ""
    if found is not None and found.confidence >= USED_FROM:
        meaning = "" if found.canonical.startswith("@") else found.canonical
        if found.canonical == STATION_ENERGY:
            meaning = row["canonical"] if row["canonical"].startswith("station_") else "station energy"
    unit = found.unit.symbol if found is not None and found.unit is not None else ""
    if meaning == row["canonical"] and (not row["unit"] or unit == row["unit"]):
        return "right"
    return "missed" if not meaning else "wrong"


def page(
    conserved: Sequence[Sequence[object]], elsewhere: Sequence[Sequence[object]], verdicts: Sequence[Verdict]
) -> str:
    """Return the results as Markdown."""
    readable = [v for v in verdicts if v.verdict != "refused"]
    count = Counter(v.verdict for v in readable)
    table = [
        (
            v.folder,
            v.file,
            v.header,
            v.truth or "-",
            v.proposed or "-",
            v.unit,
            f"{v.confidence:.2f}",
            v.verdict,
        )
        for v in verdicts
    ]
    return (
        "\n\n".join(
            (
                "# Columns of the real exports",
                "- made by: `python tests/benchmarks/columns.py`\n"
                "- missed: a column that could have been used is left out, and said to be\n"
                "- refused: the folder holds no time with dates; nothing of it is used",
                f"{count['wrong']} of {len(readable)} columns silently wrong, {count['asked']} asked "
                f"({count['asked'] / len(readable):.1%}), {count['missed']} missed.",
                markdown(pd.DataFrame(conserved, columns=list(FOLDERS))),
                "## Headers of other systems, without values",
                markdown(pd.DataFrame(elsewhere, columns=["list", "headers", "right", "missed", "wrong"])),
                "## Columns",
                markdown(pd.DataFrame(table, columns=list(COLUMNS))),
            )
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
