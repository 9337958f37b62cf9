"""Nodes: what is on a page is made of values, and nothing in them can become code."""

from __future__ import annotations

import pytest

from app.web.nodes import Node, node


def test_text_stays_text() -> None:
    made = node("p", "<script>alert(1)</script>", node("strong", "&amp;"))
    assert made.plain() == {
        "tag": "p",
        "attributes": {},
        "children": [
            "<script>alert(1)</script>",
            {"tag": "strong", "attributes": {}, "children": ["&amp;"]},
        ],
    }


@pytest.mark.parametrize("tag", ["script", "style", "object", "link", "img", "SCRIPT"])
def test_dangerous_elements_cannot_be_made(tag: str) -> None:
    with pytest.raises(ValueError, match="not used"):
        node(tag)


@pytest.mark.parametrize(
    "attributes",
    [
        {"onclick": "alert(1)"},
        {"srcdoc": "<p>"},
        {"href": "javascript:alert(1)"},
        {"href": " javascript:alert(1)"},
        {"src": "data:text/html,x"},
        {"style": "background: url(x)"},
    ],
)
def test_dangerous_attributes_cannot_be_made(attributes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"not used|neither"):
        node("a", **attributes)


def test_names_are_translated_and_nothing_is_left_out_silently() -> None:
    made = node(
        "label",
        None,
        "",
        [node("b" if False else "em", "x")],
        for_="f",
        cls="c",
        aria_label="l",
        hidden=False,
    )
    assert made.attributes == {"for": "f", "class": "c", "aria-label": "l"}
    assert made.children == (Node("em", {}, ("x",)),)
    assert made.find("em")[0].text() == "x"
