"""Every sentence that the core can say has Chinese words: the source is scanned, not a list kept by hand."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from advisor.catalogue import load_measures
from advisor.measure import ACTIONS
from app.web import sentences
from features import errors
from features.message import Message, say, term
from features.schema import SCHEMA

ROOT = Path(__file__).parents[2]
PACKAGES = ("features", "models", "training", "advisor", "app")
# fmt: off
ABBREVIATIONS = frozenset((
    "AHU", "Arm", "B", "C", "CO2", "CO2e", "CPU", "CRAH", "CSV", "D-STATION-CLOCK", "ERF", "GB",
    "GB18030", "GIF", "GiB", "HTML", "IANA", "IT", "JPEG", "JSON", "K", "L1", "L2", "L3",
    "LightGBM", "M", "NUL", "PDF", "PNG", "PRB", "PUE", "PV", "Parquet", "README", "SQLite", "TOML",
    "TSV", "UPS", "URL", "UTC", "UTF-16", "UTF-8", "W", "WUE", "Windows-1252", "XLS", "XLSX", "XML",
    "ZIP", "Zip", "bzip2", "gzip", "kW", "kWh", "kg", "km", "m", "s", "MWh", "xz", "CFE", "REF",
    "COP", "Dask", "Delta", "EUR", "CNY", "USD", "Asia", "Shanghai", "T14", "Linux", "macOS", "ISO",
    "dask", "distributed", "energy-advisor", "cluster", "html", "HiGHS", "URI", "DATE", "ASHRAE", "CV",
    "NMBE", "RMSE", "CUE", "IEC", "EPW", "DTD", "TS", "Big5", "GPP",
))
# fmt: on
"""Words that a Chinese reader knows as they are: units, formats, field terms."""
# fmt: off
TECHNICAL = frozenset((
    "DIR", "MODEL_DIR", "PATH", "YYYY-MM-DD", "advisor", "answer", "battery", "canonical", "carbon",
    "check", "column", "combine", "csv", "current", "date", "end", "file", "glob", "green",
    "ignore", "kind", "limited", "mapping", "measures", "out", "parquet", "pv", "servers", "site",
    "source", "start", "sum", "tariff", "train", "unit", "version", "workload", "zone", "portfolio",
    "score", "plan", "serve", "demo", "retrofits", "investment", "movement", "sheet", "point",
    "foresight", "known", "objective", "timestamp", "issued",
))
# fmt: on
"""Keys and commands of ours; allowed where the English sentence has them too."""
TERMINAL = ("cli.py", "demo.py", "run.py")
"""Modules whose errors reach a terminal only, which speaks English."""
TEXT_ARGUMENTS = {
    "DataIssue": (range(2, 6), {"place", "evidence", "remedy", "effect"}),
    "Check": (range(4, 5), {"note"}),
    "Figure": (range(4, 5), {"note"}),
    "Judgement": (range(1, 2), {"reason"}),
    "Recommendation": (range(0), {"action", "binding_limit", "rollback_trigger", "expiry"}),
    **{
        name: (range(1, 4), {"what", "where", "remedy"})
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.AdvisorError)
    },
}
"""Calls whose texts a user sees -> positions and names of the arguments that hold them."""


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def templates() -> dict[str, str]:
    """Return every template given to `say` -> where."""
    found: dict[str, str] = {}
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not any(
            isinstance(n, ast.ImportFrom)
            and n.module == "features.message"
            and "say" in {a.name for a in n.names}
            for n in ast.walk(tree)
        ):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                first = node.args[0]
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert isinstance(first, ast.Constant), f"{where}: the template must be a literal"
                found[str(first.value)] = where
    return found


@cache
def entries(part: str) -> list[tuple[str, str]]:
    raw = tomllib.loads((sentences.FOLDER / "messages.zh.toml").read_text(encoding="utf-8"))
    return [(entry["en"], entry["zh"]) for entry in raw[part]]


def placeholders(template: str) -> dict[str, str]:
    """Return placeholder -> format; ``!r`` only quotes, and Chinese has quotation marks of its own."""
    return {name: spec or "" for _, name, spec, _ in string.Formatter().parse(template) if name is not None}


def words_around(template: str) -> str:
    return "\0".join(text for text, *_ in string.Formatter().parse(template))


def test_every_template_has_chinese_words() -> None:
    known = dict(entries("message"))
    missing = [f"{where}: {template}" for template, where in templates().items() if template not in known]
    assert not missing, "\n".join(missing)


def test_no_entry_is_left_over_or_stands_twice() -> None:
    english = [en for en, _ in entries("message")]
    assert sorted(set(english) - templates().keys()) == []
    assert len(english) == len(set(english))
    assert len({en for en, _ in entries("term")}) == len(entries("term"))


def test_the_same_placeholders_in_the_same_format() -> None:
    wrong = [en for en, zh in entries("message") if placeholders(en) != placeholders(zh)]
    assert wrong == []


def test_chinese_punctuation_is_full_width() -> None:
    half = re.compile(r"[\u4e00-\u9fff”）][,;:!?(]|[,;:!?)][\u4e00-\u9fff]|[\u4e00-\u9fff]\.(?!\w)|\s%|…\.")
    wrong = [zh for _, zh in (*entries("message"), *entries("term")) if half.search(words_around(zh))]
    assert wrong == []


def test_no_english_is_left_in_chinese() -> None:
    wrong = []
    for en, zh in (*entries("message"), *entries("term")):
        said = re.sub(r"--[a-z][a-z-]*|[a-z]+://", "", words_around(zh))  # options and schemes
        for word in re.findall(r"[A-Za-z][A-Za-z0-9_.\-]*", said):
            ours = word in TECHNICAL or "_" in word or "." in word.rstrip(".")
            if word.rstrip(".") not in ABBREVIATIONS and not (ours and word.rstrip(".") in en):
                wrong.append(f"{word}: {zh}")
    assert wrong == []


def _texts(node: ast.expr) -> list[ast.expr]:
    """Return the literals that an argument may be."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _texts(value)]  # noqa: PD011
    return [node]


def test_what_a_user_reads_is_said_and_not_written_as_plain_text() -> None:
    """A literal or an f-string with words in a place that a page shows could not be translated."""
    wrong = []
    for path in sources():
        if path.name in TERMINAL:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            positions, keywords = TEXT_ARGUMENTS.get(name, (range(0), set()))
            arguments = [a for i, a in enumerate(node.args) if i in positions]
            arguments += [k.value for k in node.keywords if k.arg in keywords]
            for text in (t for a in arguments for t in _texts(a)):
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]  # noqa: PD011
                said = "".join(str(p.value) for p in parts if isinstance(p, ast.Constant))
                if re.search(r"[A-Za-z]{2,} [A-Za-z]", said):
                    wrong.append(f"{path.relative_to(ROOT)}:{text.lineno}: {said}")
    assert not wrong, "\n".join(wrong)


def test_columns_and_what_answers_a_measure_have_names() -> None:
    known = sentences.messages("zh").terms
    assert {*SCHEMA, *(c.meaning for c in SCHEMA.values()), *ACTIONS.values()} <= known.keys()


def test_measures_are_told_in_chinese_too() -> None:
    for m in load_measures():
        assert m.requirement_zh, m.id
        assert m.issuer_zh, m.id
        assert bool(m.notes_zh) == bool(m.notes), m.id
        for text in (m.title_zh, m.requirement_zh, m.notes_zh):
            assert not re.search(r"[\u4e00-\u9fff”）][,;:!?(]|[,;:!?)][\u4e00-\u9fff]", text), text
        facts = {c.fact for c in m.conditions} | ({m.kpi} if m.kpi else set())
        facts |= {str(c.value) for c in m.conditions if isinstance(c.value, str)}
        assert facts <= sentences.messages("zh").terms.keys(), m.id


# -- translating ---------------------------------------------------------------------------------
LIMIT = say("no server-inlet limit was declared: {limit:g} °C of {source} is assumed", limit=27.0, source="X")


def test_a_message_is_translated_with_its_values() -> None:
    found = sentences.translate(LIMIT, "zh")
    assert found == "未声明服务器进风温度限值：假设采用X的 27 °C"
    assert found.language == "zh"


def test_values_are_translated_too_but_names_are_not() -> None:
    lever = say("{lever} never moved ({value}): nothing about its effect can be learned",
                value=say("{value:g} °C", value=6.5), lever="chilled_water_set_point_c")  # fmt: skip
    assert sentences.translate(lever, "zh").startswith("冷冻水设定温度从未调整过（6.5 °C）")
    site = say("{site}: {reason}", site="done", reason=lever)  # a site may be called like one of our words
    assert sentences.translate(site, "zh").startswith("done：冷冻水设定温度")
    kinds = say("it concerns {kinds}, not {kind}", kinds=Message.joined(" and ", map(term, ("data-centre",))),
                kind=term("base-station"))  # fmt: skip
    assert sentences.translate(kinds, "zh") == "适用于数据中心，不适用于基站"


def test_lists_lengths_and_fixed_sentences() -> None:
    joined = Message.joined("; ", (say("check the meter"), say("done")))
    assert sentences.translate(joined, "zh") == "请检查表计；完成"
    grid = say("stamps do not lie on a grid of {interval}", interval=pd.Timedelta("15min"))
    assert sentences.translate(grid, "zh") == "时间戳不在 15 分钟的等间隔网格上"
    assert sentences.translate("check the meter", "zh") == "请检查表计"  # stored as plain text and read back
    assert sentences.translate("pue", "zh") == "PUE"


def test_unknown_text_stays_english_and_says_so() -> None:
    for text in ("nobody knows this", say("nobody knows {this}", this=1)):
        found = sentences.translate(text, "zh")
        assert found == text
        assert found.language == "en"


@pytest.mark.parametrize("text", [LIMIT, "as it is"])
def test_english_is_left_as_it_is(text: str) -> None:
    assert sentences.translate(text, "en") == text
    assert sentences.translate("zone_set_point_c never moved", "en") == "zone set-point never moved"
