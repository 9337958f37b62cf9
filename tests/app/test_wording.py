from __future__ import annotations

import math

import pytest

from advisor.plan import Advice, Interval, Saving
from app import wording


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5, "1,230"), (0.98765, "0.988"), (99.96, "100"), (12.0, "12.0"), (-3.14159, "−3.14"), (0.0, "0"),
     (None, "—"), (math.nan, "—"), (1_000_000.0, "1,000,000"), (3.5e-12, "0"), (0.00004, "0")],
)  # fmt: skip
def test_three_significant_digits(value: float | None, shown: str) -> None:
    assert wording.number(value) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        # width 850: two digits are tens
        (Interval(800.0, 1234.0, 1650.0), "1,230 kWh (800 to 1,650)"),
        # width 1.8: two digits are tenths
        (Interval(1.7, 2.62, 3.5), "2.6 kWh (1.7 to 3.5)"),
        (Interval(-0.4, 0.1, 0.7), "0.1 kWh (−0.4 to 0.7)"),
        (Interval(0.0, 0.0, 0.0), "0 kWh (0 to 0)"),
        (None, "—"),
    ],
)
def test_an_interval_is_never_finer_than_it_is_wide(span: Interval | None, shown: str) -> None:
    assert wording.interval(span, "kWh") == shown


def test_large_figures_are_told_in_larger_units() -> None:
    span = Interval(335e3, 412e3, 488e3)
    assert wording.interval(*wording.readable(span, "kWh")) == "410 MWh (340 to 490)"
    assert wording.interval(*wording.readable(span, "kg CO₂e")) == "410 t CO₂e (340 to 490)"
    assert wording.readable(span, "CNY") == (span, "CNY")
    assert wording.readable(None, "kWh") == (None, "kWh")


def test_canonical_names_in_a_sentence_are_spoken() -> None:
    assert wording.prose("server_inlet_temp_c is 28.1, see no_such_column of pue") == (
        "server inlet temperature is 28.1, see no_such_column of PUE"
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [("zone_set_point_c", "zone set-point"), ("facility_power_kw", "facility power"), ("pue", "PUE"),
     ("it_power_kw", "IT power"), ("server_inlet_temp_c", "server inlet temperature"),
     ("sleep_mode_2", "sleep mode 2"), ("energy balance", "energy balance")],
)  # fmt: skip
def test_columns_are_called_as_people_call_them(name: str, shown: str) -> None:
    assert wording.column_name(name) == shown


def test_the_headline_holds_the_figure(advice: Advice) -> None:
    assert wording.headline(advice) == (
        "1 action would save 1,230 kWh (800 to 1,650); 2.6 % (1.7 to 3.5) for the same work."
    )


def test_the_headline_of_a_hold_says_why(held: Advice) -> None:
    assert held.saving == Saving()
    assert wording.headline(held) == "No change is recommended: the scoring model sees no saving."
