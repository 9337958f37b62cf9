"""portfolio.toml: the documented example is valid, everything else is refused with the key's name."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from advisor import portfolio
from advisor.dispatch import Exchange
from advisor.portfolio import Movement, read_portfolio
from features.errors import SiteFileError

SITE = '[[site]]\nexports = ["x.csv"]\nsite = "x.toml"\n'


def documented() -> str:
    """Return the example of the module's text."""
    text = portfolio.__doc__ or ""
    start = text.index("    id = ")
    return textwrap.dedent(text[start : text.index("`advisor.portfolio_terms`")])


def written(folder: Path, text: str) -> Path:
    (folder / "portfolio.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_documented_example_is_valid_and_says_its_defaults(tmp_path: Path) -> None:
    found = read_portfolio(written(tmp_path, documented()))
    assert [m.site for m in found.site] == ["north/site.toml", "radio/site.toml"]
    assert found.site[1].meters == "together"
    assert found.movement is not None
    assert found.purchase[0].volume_kwh == 500000
    bare = read_portfolio(written(tmp_path, f'id = "p"\n{SITE}'))
    assert bare.storage == found.storage  # the example shows the defaults
    assert bare.objective == found.objective
    assert bare.movement is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('id = "p"\n', "site"),
        (f'id = "p"\nwrong = 1\n{SITE}', "wrong"),
        (f'id = "p"\nstart = "2025-01-01"\n{SITE}', "end"),
        (f'id = "p"\nstart = "yesterday"\nend = "2025-01-01"\n{SITE}', "start"),
        (f'id = "p"\ntime_zone = "Mars"\n{SITE}', "time_zone"),
        (f'id = "p"\nobjective = "green"\n{SITE}', "objective"),
        (f'id = "p"\n{SITE}[storage]\nstart_share = 2\n', "start_share"),
        (f'id = "p"\n{SITE}[movement]\nbetween_sites = true\nsource = "s"\nlatency_ms_max = 5\n', "latency"),
        (f'id = "p"\n{SITE}[[purchase]]\nname = "c"\nkind = "certificate"\nvolume_kwh = 1\n'
         'price_per_kwh = 1\nsource = "s"\n', "currency"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_the_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SiteFileError, match="E-PORTFOLIO-KEY") as refused:
        read_portfolio(written(tmp_path, text))
    assert named in refused.value.what


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="E-PORTFOLIO-FILE"):
        read_portfolio(tmp_path)
    with pytest.raises(SiteFileError, match="E-PORTFOLIO-TOML"):
        read_portfolio(written(tmp_path, "id = "))


def test_links_follow_latency_and_movability() -> None:
    link = {"latency_ms": 10.0, "source": "s"}
    movement = Movement.model_validate(
        {
            "between_sites": True, "transfer_kwh_per_kwh": 0.1, "latency_ms_max": 50, "source": "s",
            "link": [
                {**link, "sites": ("a", "b")},
                {**link, "sites": ("b", "c"), "latency_ms": 80.0},
                {**link, "sites": ("a", "c"), "transfer_kwh_per_kwh": 0.0},
                {**link, "sites": ("a", "fixed")},
            ],
        }
    )  # fmt: skip
    assert movement.exchanges(("a", "b", "c")) == (Exchange(("a", "b"), 0.1), Exchange(("a", "c"), 0.0))
    assert movement.model_copy(update={"between_sites": False}).exchanges(("a", "b")) == ()
    everywhere = Movement(between_sites=True, source="s")
    assert everywhere.exchanges(("a", "b", "c")) == (Exchange(("a", "b", "c")),)
    assert everywhere.exchanges(("a",)) == ()
