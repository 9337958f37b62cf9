"""Headers -> meanings: the vocabulary applied to a column name."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from features.message import Message, say, term
from features.reading import phrase
from features.reading.units import Unit, accepts, find_unit, is_foreign
from features.schema import SCHEMA, Kind

STATION_ENERGY = "@station-energy"
KNOWN = "@known"
"""A column whose meaning is known, and which nothing here uses."""
UNUSED = frozenset({"@ignore", "@derived", KNOWN})
"""Meanings of columns that are never used."""

_SIMPLIFIED = str.maketrans(
    "時間設備總溫濕電壓機組卻風開關閥頻數據測點記錄採結網區園環氣乾熱載負損儲輸進給揚轉價綠強補單類號稱標識編樞紐變幫泵產發無線達廣務處級製貯塊監費傳視陽凍噸還氷",
    "时间设备总温湿电压机组却风开关阀频数据测点记录采结网区园环气干热载负损储输进给扬转价绿强补单类号称标识编枢纽变帮泵产发无线达广务处级制贮块监费传视阳冻吨还冰",
)
"""Traditional characters of headers -> the simplified ones of the vocabulary."""
_QUANTITY_WORD = {
    "kW": r"power|energy|load|demand|consumption|usage|electric|kw|功率|用电|电量|能耗|负荷|负载|冷量",
    "W": r"power|功率",
    "degC": r"temp|inlet|bulb|wet|dew|set ?point|oat|sat|rat|chws|chwr|cws|ecwt|温度|温|设定"
    r"|change ?over|lock ?out|切换|dwpt|(?<![a-z])([td]2 ?m|t ?avg)",
}
_DATE_FORMAT = re.compile(
    r"[(\[{（【]\s*(?=[^)\]]*(?:yy|hh))(?:[ymdhs]{1,4}[-/:. T]*){2,}[)\]}）】]", re.IGNORECASE
)
"""How a date is written, as in ``Date (MM/DD/YYYY)``: it says nothing of the meaning."""
_PRICE_WORD = re.compile(
    r"electric(ity)?|energy|power|spot|market|wholesale|day|ahead|da|dam|real|time|rt|hourly|clearing|lmp|lbmp|pun|rrp|"
    r"prices?|tariff|rate|import|purchase|buy|retail|bzn|average|avg|auktion|auction|(strom|börsenstrom)?preis|prix|"
    r"precio|prezzo|(?!up|dn)[a-z]{2}\d?|"
    r"(分时|实时|日前|现货|平均|统一|出清|结算|市场|用电|购电|代理|综合|到户|均|电价|价格|价)+"
)
"""A word that a price of electricity is called by, or the code of a bidding zone (``DE LU``, ``SE3``): any
other word beside money per energy says that it is paid for something else, or in some hours only."""
_POWER_UNIT = re.compile(r"(?<![A-Za-z])[kM]Wh?(?![A-Za-z])")
"""Units that a change from small to capital letters must not tear apart: ``kW_CT``."""
_INTERVAL = re.compile(r"\((TimeStep|Hourly|Daily|Monthly|RunPeriod|Each Call)(:[\w ]*)?\) *$", re.IGNORECASE)
"""What EnergyPlus writes behind a unit: how often a variable is reported."""
_WATER = re.compile(r"(chw|cdw|cw|hw|hhw)s?$", re.IGNORECASE)
"""Tags of water: ``RT`` behind them is its return temperature, not a ton of refrigeration."""
_BRACKETS = re.compile(r"[(\[{（【]([^()\[\]{}（）【】]*)[)\]}）】]")


@dataclass(frozen=True)
class Entry:
    """One line of the vocabulary."""

    pattern: re.Pattern[str]
    canonical: str
    kind: str
    confidence: float
    unit: str


@dataclass(frozen=True)
class Match:
    """What a header means; ``unit`` is what the header declares, None where it declares none."""

    canonical: str
    confidence: float
    unit: Unit | None
    evidence: str


@lru_cache(maxsize=1)
def vocabulary() -> tuple[Entry, ...]:
    """Return the vocabulary in its order: the first entry that fits counts."""
    text = files("features.reading").joinpath("vocabulary.csv").read_text(encoding="utf-8")
    return tuple(
        Entry(
            re.compile(row["pattern"]), row["canonical"], row["kind"], float(row["confidence"]), row["unit"]
        )
        for row in csv.DictReader(text.splitlines())
    )


def words_of(text: str) -> str:
    """Return a header as plain lower-case words: ``ESMode1`` -> ``es mode1``.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    plain = unicodedata.normalize("NFKC", text).translate(_SIMPLIFIED)
    plain = _POWER_UNIT.sub(lambda hit: hit.group().casefold(), plain)
    plain = re.sub(r"ChW(P?)(?=[A-Z][a-z])", r"CHW\1 ", plain)
    plain = re.sub(r"([a-z])([A-Z])", r"\1 \2", plain)
    plain = re.sub(r"([A-Z]{2,})([A-Z][a-z])", r"\1 \2", plain) if not plain.startswith("TX") else plain
    plain = re.sub(r"[^\w#]+|_+", " ", plain.replace("%", " pct "))
    return " ".join(plain.casefold().split())


def without_mean(words: str) -> str:
    """Return words without those that say a mean of the interval, which every value here is."""
    return " ".join(w for w in words.split() if w not in ("avg", "average", "mean", "hourly"))


def _readings(header: str) -> list[tuple[str, Unit | None, str]]:
    """Return the ways to split a header into words and unit: (words, unit, unit text)."""
    plain = unicodedata.normalize("NFKC", header.replace("º", "°"))
    plain = _DATE_FORMAT.sub(" ", _INTERVAL.sub("", plain))
    found: list[tuple[str, Unit | None, str]] = []
    for inner in _BRACKETS.findall(plain):
        unit = find_unit(inner)
        if unit is not None:
            rest = _BRACKETS.sub(lambda m, inner=inner: " " if m.group(1) == inner else m.group(0), plain)  # type: ignore[misc]
            found.append((words_of(rest), unit, inner))
    tokens = [
        t
        for t in re.split(
            r"[_\s,;:\[\](){}（）]+|(?<=[a-z]{2})(?=[A-Z]{1,2}[a-z]?$)|(?<=[\u4e00-\u9fff])(?=[A-Za-z°%]+$)"
            r"|-(?=[kKMG]?[wW][hH]?$)|(?<=[A-Za-z0-9])(?=(?:[kKM]Wh?|[KM]WH)$)|(?<=\d)(?=kwh?$)",
            plain,
        )
        if t
    ]
    for count in (3, 2, 1):
        if len(tokens) > count:
            tail = " ".join(tokens[-count:])
            unit = find_unit(tail)
            if unit is not None and not tail.isdigit() and not _is_a_name(tail, tokens[:-count]):
                found.append((words_of(" ".join(tokens[:-count])), unit, tail))
    for token in (t for t in plain.split() if "/" in t and not found):
        unit = find_unit(token)
        if unit is not None:
            found.append((words_of(plain.replace(token, " ")), unit, token))
    found.append((words_of(plain), None, ""))
    return found


def _is_a_name(tail: str, before: Sequence[str]) -> bool:
    """Whether a last word that could be a unit is more likely a word: an inlet, a return temperature."""
    word = tail.casefold()
    if word == "in":
        return not any(re.search("pres|baro|hg|rain|precip|snow", t.casefold()) for t in before)
    return word == "rt" and bool(_WATER.search(before[-1]))


def declared_unit(header: str) -> Unit | None:
    """Return the unit that a header's own text declares, whatever the header means; None: none."""
    return _readings(header)[0][1]


def match(header: str, kind: Kind | str = "") -> Match | None:
    """Return what a header means, or None.

    Parameters
    ----------
    header : str
    kind : str
        Only entries of this kind (and of both) count; ``""``: all.

    Returns
    -------
    Match or None
    """
    exact = header.strip().casefold()
    if exact in SCHEMA and SCHEMA[exact].kind in ("", kind or SCHEMA[exact].kind):
        return Match(exact, 1.0, _canonical_unit(exact), say("the canonical name itself"))
    foreign = _declares_foreign(header)
    readings = _readings(header)
    means = [(plain, u, text) for words, u, text in readings if (plain := without_mean(words)) != words]
    for words, unit, unit_text in [*readings, *means]:
        for entry in vocabulary():
            if (entry.kind and kind and entry.kind != kind) or (
                foreign and not entry.canonical.startswith("@")
            ):
                continue
            if entry.pattern.search(words) and _fits(entry, words, unit):
                said = (
                    say("a counter that nothing here uses")
                    if entry.canonical == KNOWN
                    else say("{words!r} read as {canonical}", words=words, canonical=entry.canonical)
                )
                if unit:
                    said = say("{meaning}, unit {unit!r}", meaning=said, unit=unit_text)
                declared = unit or (find_unit(entry.unit) if entry.unit and entry.unit != "1" else None)
                if declared is not None and unit is None:
                    said = say("{meaning}, whose unit is {unit}", meaning=said, unit=entry.unit)
                return Match(entry.canonical, entry.confidence, declared, said)
    priced = _priced(header)
    if priced is not None:
        return priced
    return None if kind == "base-station" else _composed(header, foreign=foreign)


def _priced(header: str) -> Match | None:
    """Return what a header means that declares money per energy: a price of electricity, or nothing used."""
    words, unit, text = _readings(header)[0]
    if unit is None:
        words, unit, text = "", find_unit(header), header
    if unit is None or unit.dimension != "price":
        return None
    said = say("{unit!r} is money per energy", unit=text)
    if not all(_PRICE_WORD.fullmatch(w) for w in words.split()):
        return Match(KNOWN, phrase.SURE, unit, said)
    return Match("price_per_kwh", phrase.HINTED, unit, said)


def _declares_foreign(header: str) -> bool:
    """Whether the header declares, in brackets or as its last word, a unit that nothing here is made of."""
    plain = unicodedata.normalize("NFKC", header)
    tail = plain.rsplit(None, 1)[-1:] if " " in plain.strip() else []
    return any(is_foreign(text) for text in [*_BRACKETS.findall(plain), *(t for t in tail if len(t) > 1)])


def _composed(header: str, *, foreign: bool) -> Match | None:
    """Return what a header means by the words that it is made of, or None.

    A last letter may be a unit or a name (``..._T``, ``..._C``): both readings are tried.
    """
    known: Match | None = None
    for words, declared, text in _readings(header):
        unit = declared or phrase.unit_in(words)
        found = phrase.meaning(words, unit)
        if found is None:
            continue
        what = Message.joined(" ", map(term, found.said))
        if found.canonical and not foreign and (unit is None or accepts(found.canonical, unit)):
            said = say(
                "the words of {words!r} say {what}: {canonical}",
                words=words,
                what=what,
                canonical=found.canonical,
            )
            return Match(found.canonical, found.confidence, unit, said)
        said = say("read as {what}; nothing here uses it", what=what)
        known = known or Match(KNOWN, found.confidence, unit, said)
        if len(text) > 1:
            break
    return known


def _canonical_unit(canonical: str) -> Unit | None:
    return find_unit(SCHEMA[canonical].unit) if SCHEMA[canonical].unit else None


def _fits(entry: Entry, words: str, unit: Unit | None) -> bool:
    if entry.canonical.startswith("@"):
        if entry.canonical == STATION_ENERGY:
            return unit is None or unit.dimension in ("energy", "power", "relative")
        return unit is None or entry.canonical == KNOWN
    column = SCHEMA[entry.canonical]
    if unit is not None:
        return accepts(entry.canonical, unit)
    if entry.unit:
        return True
    quantity = _QUANTITY_WORD.get(column.unit)
    return quantity is None or re.search(quantity, words) is not None


@lru_cache(maxsize=4096)
def _known(header: str) -> float:
    found = match(header)
    return 0.0 if found is None or found.canonical in UNUSED else found.confidence


def header_score(cells: Sequence[str]) -> float:
    """Return how much a row of cells looks like column names that we know."""
    return sum(_known(c) for c in cells if 0 < len(c.strip()) <= 200)
