"""Upload: questions as forms, corrections as answers, names of sites, values of an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.web.language import LANGUAGES
from app.web.nodes import node
from app.web.questions import asked_by, form, with_answer
from app.web.recognised import Column, answered, in_zone
from app.web.state import SessionState
from app.web.upload import _key
from app.web.window import address, read_address, values_of
from features.errors import QuestionError, UsageError
from features.reading import Answer, ColumnMapping, read_paths

QUESTION = QuestionError(
    "E-QUESTION-UNIT", "which unit?", "a.csv, column 'P \"x\"'",
    "write into mapping.toml:\nversion = 1\n\n"
    '[[answer]]\nfile = "a.csv"\ncolumn = "P \\"x\\""\nunit = "kW"   # or "W"\n\n'
    '[[answer]]\nfile = "a.csv"\ndate_order = "day-first"   # or "month-first"',
)  # fmt: skip


def test_a_question_becomes_a_form_and_its_answers() -> None:
    unit, order = asked_by(QUESTION)
    assert unit.answer == Answer("a.csv", 'P "x"')
    assert (unit.field, unit.choices) == ("unit", ("kW", "W"))
    assert (order.field, order.choices) == ("date_order", ("day-first", "month-first"))
    answers = with_answer(with_answer((), unit, "W"), order, "month-first")
    assert answers == (Answer("a.csv", 'P "x"', unit="W"), Answer("a.csv", date_order="month-first"))
    shown = form((unit, order), {0: "W"}, LANGUAGES["en"])
    assert shown.find("button")[0].attributes["disabled"] is True  # one answer is missing
    whole = form((unit, order), {0: "W", 1: "day-first"}, LANGUAGES["en"])
    assert "disabled" not in whole.find("button")[0].attributes


def test_an_error_without_a_question_has_no_form() -> None:
    assert asked_by(UsageError("E-X", "what", "where", "do this")) == ()


def test_the_answer_to_a_real_question_is_taken(tmp_path: Path) -> None:
    rows = "\n".join(f"0{1 + i % 9}/0{1 + i // 9}/2025 00:00,{500 + i}" for i in range(60))
    path = tmp_path / "t.csv"
    path.write_text(f"time,facility_power_kw\n{rows}\n", encoding="utf-8")
    with pytest.raises(QuestionError) as caught:
        read_paths([path])
    (asked,) = asked_by(caught.value)
    from features.reading import Mapping

    chosen = with_answer((), asked, "day-first")
    telemetry, _ = read_paths([path], mapping=Mapping(answer=chosen))
    assert len(telemetry.frame) == 60


def test_a_correction_is_kept_when_another_follows() -> None:
    column = Column(0, "a.csv", ColumnMapping("P", "it_power_kw", "kW"))
    answers = answered((), column, canonical="facility_power_kw")
    assert answered(answers, column, unit="W") == (Answer("a.csv", "P", "facility_power_kw", "W"),)
    # a new meaning starts without the unit that was said for the old one
    assert answered(answered(answers, column, unit="W"), column, canonical="pv_power_kw")[0].unit == ""
    assert in_zone(in_zone(answers, "UTC"), "Asia/Tokyo")[-1] == Answer(zone="Asia/Tokyo")


@pytest.mark.parametrize(
    ("name", "taken", "key"),
    [
        ("my export.csv", set(), "my_export"),
        ("数据 2025.xlsx", set(), "数据_2025"),
        ("hall.csv", {"hall", "hall-2"}, "hall-3"),
        ("...", set(), "upload"),
        ("../../x.csv", set(), "x"),
    ],
)
def test_a_site_is_named_after_its_first_file(name: str, taken: set[str], key: str) -> None:
    assert _key(name, taken) == key


def state(tmp_path: Path) -> SessionState:
    return SessionState(tmp_path, tmp_path / "own", "token")


def test_each_value_of_an_address_is_judged_by_itself(tmp_path: Path) -> None:
    session = state(tmp_path)
    used = read_address(session, values_of("?page=nonsense&lang=fr&theme=dark&site=../x&set=a%3D1"))
    assert used == (2, 5)  # the theme, and what a page may understand
    assert (session.page, session.lang, session.dark, session.site) == ("overview", "en", True, "")
    assert session.link == {"set": "a=1"}
    assert values_of(address(session)) == {"page": "overview", "lang": "en", "theme": "dark", "set": "a=1"}


def test_callbacks_of_a_closed_page_are_not_called(tmp_path: Path) -> None:
    session, called = state(tmp_path), list[Any]()
    with session.scope() as close:
        session.on(["lang"], lambda: called.append("page"))
    session.on(["lang"], lambda: called.append("frame"))
    session.lang = "zh"
    close()
    session.lang = "en"
    assert called == ["page", "frame", "frame"]
    assert node("p", "x").text() == "x"
