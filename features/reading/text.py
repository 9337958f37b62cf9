"""Text files: encoding, line ends, delimiter and cells, without losing a row.

The parser is told everything (delimiter, quoting, number of cells, all cells as text), and the
rows that it returns are counted against the lines of the file: a parser that skips or swallows a
row is found out here.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import UnreadableFileError
from features.message import Message, say

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "cp950", "cp1252")
DELIMITERS = (";", "\t", "|", ",")
MAX_LINE = 1 << 20
SMALL = 1 << 20
"""Up to this size [B] a text without quotes is split here; starting a database engine costs more."""
GLOB = frozenset("*?[")
"""Signs in a path that the parser would take for a pattern of names."""
_PADDED = "\\x00PAD"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class Body:
    """A text file as UTF-8 with line feeds as line ends.

    ``changed`` is False where the bytes on disk are already that (or carriage return and line feed).
    """

    data: bytes
    encoding: str
    changed: bool


@dataclass(frozen=True)
class Cells:
    """Cells of the rows below the header.

    ``table`` has the columns ``c0``.. as text; ``lines`` are 1-based line numbers of its rows;
    ``broken`` holds (line, text) of rows with more or fewer cells than the header.
    """

    table: pa.Table
    lines: npt.NDArray[np.int64]
    broken: tuple[tuple[int, str], ...]


def engine() -> duckdb.DuckDBPyConnection:
    """Return a parser of two threads; its progress bar would go to standard output, which is for data."""
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET enable_progress_bar = false")
    return connection


def load(path: Path, encoding: str = "", where: str = "") -> Body:
    """Read a text file and bring it to UTF-8.

    Parameters
    ----------
    path : pathlib.Path
    encoding : str
        Follow this encoding exactly; ``""`` detects it.
    where : str
        Place of the file for messages; ``""``: the path.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-ENCODING``: no encoding reads the whole file as plausible text.
    """
    raw = path.read_bytes()
    where = where or str(path)
    name, text = _decode(raw, encoding, where)
    if not text.strip():
        raise UnreadableFileError(
            "E-FILE-EMPTY", say("the file holds no text"), where, say("export it again")
        )
    plain = name == "utf-8" and not _needs_new_line_ends(raw)
    if plain:
        return Body(raw, name, changed=False)
    return Body(text.replace("\r\n", "\n").replace("\r", "\n").encode(), name, changed=True)


def begun(head: bytes, where: str) -> Body | None:
    """Return the first lines of a text file in an encoding with one byte per sign or two; None: none shows.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-ENCODING``.
    """
    name, text = _decode(head, "", where)
    return None if name == "utf-8" else Body(text.encode(), name, changed=True)


def _needs_new_line_ends(raw: bytes) -> bool:
    returns = raw.count(b"\r")
    if not returns:
        return False
    pairs = raw.count(b"\r\n")
    return returns != pairs or raw.count(b"\n") != pairs


def _decode(raw: bytes, encoding: str, where: str) -> tuple[str, str]:
    if encoding:
        if encoding not in ENCODINGS:
            raise UnreadableFileError(
                "E-FILE-ENCODING",
                say("the mapping names the encoding {encoding!r}", encoding=encoding),
                where,
                say("use one of {encodings}", encodings=Message.joined(", ", ENCODINGS)),
            )
        candidates: tuple[str, ...] = (encoding,)
    elif raw.startswith(codecs.BOM_UTF8):
        candidates = ("utf-8-sig",)
    elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ("utf-16",)
    else:
        zeros = np.frombuffer(raw[:4096], dtype=np.uint8) == 0
        odd, even = zeros[1::2].mean() if len(zeros) > 1 else 0.0, zeros[::2].mean()
        if odd > 0.4 > even:
            candidates = ("utf-16-le",)
        elif even > 0.4 > odd:
            candidates = ("utf-16-be",)
        else:
            candidates = ("utf-8", "gb18030", "cp950", "cp1252")
    for name in candidates:
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        if name == "gb18030" and _japanese(text) and not encoding:
            break
        if _plausible(text, name) or (encoding and "\0" not in text):
            return name, text
    raise UnreadableFileError(
        "E-FILE-ENCODING",
        say(
            "the bytes are not text in UTF-8, UTF-16, GB18030, Big5 or Windows-1252 (or hold NUL or control "
            "bytes)"
        ),
        where,
        say("export the file as UTF-8"),
    )


def _japanese(text: str) -> bool:
    """Whether text decoded as Chinese holds kana: EUC-JP has them at the same bytes, its kanji elsewhere."""
    return len(re.findall("[\u3041-\u30fa]", text)) > 1


def _plausible(text: str, name: str) -> bool:
    if _CONTROL.search(text):
        return False
    if name not in ("gb18030", "cp950", "cp1252"):
        return True
    if name == "cp950":
        return _plausible_big5(text)
    foreign = re.sub(r"[\x00-\x7f]", "", text)
    if name == "gb18030":
        # Nearly any bytes decode as GB18030; real Chinese text consists of common characters.
        common = sum(1 for c in foreign if _in_gb2312(c))
        return common >= 0.9 * len(foreign)
    return not re.search(r"[^\u00a0-\u00ff\u2010-\u2030\u20ac\u0152-\u017e]", foreign)


def _plausible_big5(text: str) -> bool:
    """Whether the characters are frequent ones and stand in words.

    A single accented letter of a Western text and the letter behind it often make a Big5 character, and
    even a frequent one; but alone.
    """
    runs = re.findall(r"[^\x00-\x7f]+", text)
    count = sum(map(len, runs))
    frequent = sum(1 for run in runs for c in run if _in_big5_level_1(c))
    together = sum(len(run) for run in runs if len(run) > 1)
    return frequent >= 0.9 * count and together >= 0.5 * count


def _in_big5_level_1(character: str) -> bool:
    """Whether Big5 has the character among its symbols (A1..A3) or frequent characters (A4..C6)."""
    try:
        return 0xA1 <= character.encode("cp950")[0] <= 0xC6
    except UnicodeEncodeError:
        return False


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return character in "℃㎡㎥"
    return True


def head_rows(body: Body, delimiter: str, limit: int = 60) -> list[tuple[int, list[str]]]:
    """Return the first rows as (number of the row's last line, cells); blank lines are left out."""
    text = body.data[: 1 << 18].decode("utf-8", errors="ignore")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(c.strip() for c in cells):
                rows.append((reader.line_num, cells))
            if len(rows) >= limit:
                break
    except csv.Error:
        pass  # a cell beyond the csv module's size limit: the rows so far must do
    return rows


def sniff_delimiter(body: Body) -> tuple[str, int]:
    """Return the delimiter, and the number of lines that only declare it (``sep=;``)."""
    sample = body.data[: 1 << 16].decode("utf-8", errors="ignore")
    declared = re.match(r"sep=(.)\r?\n", sample)
    if declared:
        return declared.group(1), 1
    written = [line for line in sample.splitlines() if line.strip()]
    # The last line of a sample may be cut off; a file of one line has no other.
    lines = [re.sub(r'"[^"]*"', "", line) for line in written[:-1] or written]
    if not lines:
        return ",", 0
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        counts = Counter(line.count(delimiter) for line in lines)
        mode, times = max(((n, k) for n, k in counts.items() if n), key=lambda p: p[1], default=(0, 0))
        score = times / len(lines) * (1 + min(mode, 20) / 100)
        if score > best_score + 1e-9:
            best, best_score = delimiter, score
    return best, 0


def read_cells(
    path: Path, body: Body, delimiter: str, width: int, header_line: int, where: str = ""
) -> Cells:
    """Parse everything below the header as text.

    Parameters
    ----------
    path : pathlib.Path
        The file; read in place where its bytes are clean, else from a cleaned temporary copy.
    body : Body
    delimiter : str
    width : int
        Cells of the header.
    header_line : int
        1-based number of the last line that is not data.
    where : str
        Place of the file for messages; ``""``: the path.

    Raises
    ------
    UnreadableFileError
        Quotes are unbalanced, a line is too long, or rows were lost while parsing.
    """
    where = where or str(path)
    lengths, quotes = _line_shapes(body.data)
    numbers = np.arange(1, len(lengths) + 1)
    data_lines = numbers[(numbers > header_line) & (lengths > 0)]
    if not len(data_lines):
        empty = pa.table({f"c{i}": pa.array([], pa.string()) for i in range(width)})
        return Cells(empty, data_lines, ())
    if quotes is not None and (quotes[header_line:] % 2).any():
        line = int(np.flatnonzero(quotes[header_line:] % 2)[0]) + header_line + 1
        raise UnreadableFileError(
            "E-FILE-QUOTES",
            say("a quotation mark is opened and not closed on the same line"),
            say("{where}, line {line}", where=where, line=line),
            say("correct that line, or export without line breaks inside cells"),
        )
    quoted = quotes is not None and bool(quotes[header_line:].any())
    if not quoted and len(body.data) <= SMALL:
        return _split_small(body, delimiter, width, header_line, data_lines)
    table, rejected = _parse(path, body, delimiter, width, header_line, where, quoted=quoted)
    if table.num_rows + len(rejected) != len(data_lines):
        raise UnreadableFileError(
            "E-FILE-ROWS",
            say("{lines} lines gave {rows} rows", lines=len(data_lines), rows=table.num_rows + len(rejected)),
            where,
            say("export the file again as plain CSV"),
        )
    lines = data_lines[~np.isin(data_lines, list(rejected))]
    cells = _split_ragged(table, lines, rejected, width, delimiter)
    return cells if quoted else _without_overlong(cells, body, delimiter, width)


def _line_shapes(data: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """Return per line its length without line end, and its number of quotes (None: none at all)."""
    codes = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(codes == 10)
    if not len(ends) or ends[-1] != len(codes) - 1:
        ends = np.append(ends, len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    filled = lengths > 0
    lengths[filled] -= codes[ends[filled] - 1] == 13
    if b'"' not in data:
        return lengths, None
    marks = np.flatnonzero(codes == 34)
    return lengths, np.bincount(np.searchsorted(ends, marks), minlength=len(ends)).astype(np.int64)


def _split_small(
    body: Body, delimiter: str, width: int, header_line: int, data_lines: npt.NDArray[np.int64]
) -> Cells:
    """Split a text without quotes line by line; gives what `_parse` and `_split_ragged` give."""
    lines = _below(body.data, header_line).decode().split("\n")
    texts = [text for line in lines if (text := line.removesuffix("\r"))]
    rows = [text.split(delimiter) for text in texts]
    # Empty cells after the last delimiter are a habit of some exporters, not values.
    good = np.array([len(r) >= width and not "".join(r[width:]).strip() for r in rows], dtype=bool)
    whole = [row for row, kept in zip(rows, good, strict=True) if kept]
    columns = list(zip(*whole, strict=False)) if whole else [()] * width
    table = pa.table({f"c{i}": pa.array(columns[i], pa.string()) for i in range(width)})
    broken = zip(data_lines[~good].tolist(), np.asarray(texts, dtype=object)[~good].tolist(), strict=True)
    return Cells(table, data_lines[good], tuple(broken))


def _parse(
    path: Path, body: Body, delimiter: str, width: int, header_line: int, where: str, *, quoted: bool
) -> tuple[pa.Table, dict[int, str]]:
    in_place = not body.changed and header_line <= 1 and not set(str(path)) & GLOB
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width + 1))
    quote = '"' if quoted else ""
    options = (
        f"auto_detect=false, header=false, columns={{{columns}}}, delim={_literal(delimiter)}, "
        f"quote='{quote}', escape='{quote}', comment='', nullstr='{_PADDED}', null_padding=true, "
        f"store_rejects=true, rejects_limit=0, strict_mode={'true' if quoted else 'false'}, "
        f"parallel={'false' if quoted else 'true'}, encoding='utf-8', max_line_size={MAX_LINE}"
    )
    with tempfile.TemporaryDirectory() as folder, engine() as connection:
        source, skip = path, header_line
        if not in_place:
            source, skip = Path(folder) / "body.csv", 0
            source.write_bytes(_below(body.data, header_line))
        try:
            table = connection.sql(
                f"SELECT * FROM read_csv({_literal(str(source))}, skip={skip}, {options})"  # noqa: S608
            ).to_arrow_table()
            rejects = connection.sql("SELECT DISTINCT line, csv_line FROM reject_errors").fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UnreadableFileError(
                "E-FILE-DAMAGED",
                say("the text cannot be split into cells: {reason}", reason=reason),
                where,
                say("export the file again as plain CSV"),
            ) from None
    offset = 0 if in_place else header_line
    return table, {int(line) + offset: str(text).strip("\r\n") for line, text in rejects}


def _without_overlong(cells: Cells, body: Body, delimiter: str, width: int) -> Cells:
    """Take out rows with content more than one cell beyond the header, which the parser would drop."""
    codes = np.frombuffer(body.data, dtype=np.uint8)
    marks = np.flatnonzero(codes == ord(delimiter))
    ends = np.flatnonzero(codes == 10)
    count = np.bincount(np.searchsorted(ends, marks), minlength=len(ends) + 1)
    suspects = np.flatnonzero(count > width) + 1
    suspects = suspects[np.isin(suspects, cells.lines)]
    starts = np.concatenate([[0], ends + 1])
    stops = np.append(ends, len(codes))
    texts = {int(n): body.data[starts[n - 1] : stops[n - 1]].decode().rstrip("\r") for n in suspects}
    over = {n: text for n, text in texts.items() if "".join(text.split(delimiter)[width:]).strip()}
    if not over:
        return cells
    kept = ~np.isin(cells.lines, list(over))
    broken = tuple(sorted({**dict(cells.broken), **over}.items()))
    return Cells(cells.table.filter(pa.array(kept)), cells.lines[kept], broken)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _below(data: bytes, lines: int) -> bytes:
    position = 0
    for _ in range(lines):
        position = data.find(b"\n", position) + 1
        if not position:
            return b""
    return data[position:]


def _split_ragged(
    table: pa.Table, lines: npt.NDArray[np.int64], rejected: dict[int, str], width: int, delimiter: str
) -> Cells:
    over = table.column(width)
    cells = table.select(range(width))
    # An empty cell after the last delimiter is a habit of some exporters, not a value.
    too_many = pc.fill_null(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(over)), 0), False)
    too_few = pc.is_null(cells.column(width - 1)) if width > 1 else pc.is_null(cells.column(0))
    ragged = pc.or_(too_many, too_few)
    broken = dict(rejected)
    if pc.any(ragged).as_py():
        mask = ragged.to_numpy(zero_copy_only=False)
        bad = table.filter(ragged).to_pylist()
        texts = [delimiter.join(v for v in row.values() if v is not None) for row in bad]
        broken |= dict(zip(lines[mask].tolist(), texts, strict=True))
        cells, lines = cells.filter(pc.invert(ragged)), lines[~mask]
    return Cells(cells, lines, tuple(sorted(broken.items())))
