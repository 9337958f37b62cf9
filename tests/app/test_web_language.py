"""Both catalogues hold the same keys and placeholders, and every text that the pages ask for."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from app.web.language import LANGUAGES, MissingTextError, catalogue, preferred
from features.schema import SCHEMA

WEB = Path(__file__).parents[2] / "app" / "web"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_catalogues_hold_the_same_keys() -> None:
    assert catalogue("en").keys() == catalogue("zh").keys()


def test_each_text_has_the_same_placeholders_in_both_languages() -> None:
    differ = [
        k for k, text in catalogue("en").items() if placeholders(text) != placeholders(catalogue("zh")[k])
    ]
    assert differ == []


def test_every_literal_key_in_the_code_is_in_the_catalogue() -> None:
    asked = {
        key
        for path in WEB.glob("*.py")
        for key in re.findall(r'\.text\(\s*"([a-z_]+\.[A-Za-z0-9_.-]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(asked) > 100
    assert asked - catalogue("en").keys() == set()


def test_every_column_has_a_name() -> None:
    assert {f"column.{name}" for name in SCHEMA} - catalogue("zh").keys() == set()


def test_chinese_texts_are_chinese_with_full_width_punctuation() -> None:
    texts = catalogue("zh")
    half = {
        k: v for k, v in texts.items() if re.search(r"[\u4e00-\u9fff][,;:!?()]|[,;:!?()][\u4e00-\u9fff]", v)
    }
    assert half == {}
    same = {
        k
        for k, v in texts.items()
        if v == catalogue("en")[k] and re.search(r"[a-z]{4,}", re.sub(r"{.*?}", "", v))
    }
    assert same == set()


def test_english_texts_hold_no_chinese() -> None:
    assert [k for k, v in catalogue("en").items() if re.search(r"[\u3000-\u9fff\uff00-\uffef]", v)] == []


def test_a_missing_key_or_value_is_an_error() -> None:
    with pytest.raises(MissingTextError, match=r"no\.such"):
        LANGUAGES["en"].text("no.such")
    with pytest.raises(MissingTextError, match="name"):
        LANGUAGES["zh"].text("app.opening")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en", "en"),
        ("fr,de;q=0.8,zh;q=0.5", "zh"),
        ("", "en"),
        ("zhx", "en"),
    ],
)
def test_the_browsers_first_known_language_is_taken(asked: str, code: str) -> None:
    assert preferred(asked) == code
