"""A message is its English text everywhere, and remembers template and values for other languages."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.issues import DataIssue
from features.message import Joined, Message, pack, say, term, unpack

LIMIT = say("no limit was declared: {limit:g} °C of {source} is assumed", limit=27.0, source="ASHRAE")


def test_a_message_is_its_english_text() -> None:
    text = "no limit was declared: 27 °C of ASHRAE is assumed"
    assert text == LIMIT
    assert hash(LIMIT) == hash(text)
    assert {text: 1}[LIMIT] == 1
    assert json.dumps({"a": LIMIT}, ensure_ascii=False) == f'{{"a": "{text}"}}'
    assert pa.array([LIMIT]).to_pylist() == [text]
    assert list(pd.DataFrame({"a": [LIMIT, "b"]})["a"]) == [text, "b"]
    assert f"{LIMIT}." == text + "."


def test_it_remembers_how_it_was_made() -> None:
    assert LIMIT.template == "no limit was declared: {limit:g} °C of {source} is assumed"
    assert dict(LIMIT.values) == {"limit": 27.0, "source": "ASHRAE"}
    with pytest.raises(TypeError):
        LIMIT.values["limit"] = 1.0  # type: ignore[index]  # noqa: PD011


def test_values_but_durations_are_formatted_as_an_f_string_formats_them() -> None:
    share, name, stamp = np.float64(0.125), "a b", pd.Timestamp("2026-03-01 06:00", tz="UTC")
    length, count = pd.Timedelta("1h"), np.int64(1234)
    made = say(
        "{count:,} of {name!r}, {share:.1%} from {stamp:%Y-%m-%d} for {length}: {{{shape}}}",
        count=count, name=name, share=share, stamp=stamp, length=length, shape=[(3,)],
    )  # fmt: skip
    assert made == f"{count:,} of {name!r}, {share:.1%} from {stamp:%Y-%m-%d} for 1 h: {{{[(3,)]}}}"


def test_a_placeholder_without_a_value_is_a_fault() -> None:
    with pytest.raises(KeyError):
        say("{a} and {b}", a=1)


def test_joined_parts_stay_messages() -> None:
    joined = Message.joined("; ", (say("a {n}", n=1), "plain"))
    assert joined == "a 1; plain"
    assert isinstance(joined, Joined)
    assert isinstance(joined.parts[0], Message)
    assert not Message.joined(", ", ())
    assert say("because: {why}", why=joined).values["why"] is joined  # noqa: PD011 - no array


@pytest.mark.parametrize(
    "message", [LIMIT, Message.joined(", ", (LIMIT, "x")), term("data-centre"), say("{{x}}")]
)
def test_pickle_and_copies_keep_everything(message: Message) -> None:
    for made in (pickle.loads(pickle.dumps(message)), copy.copy(message), copy.deepcopy(message)):  # noqa: S301
        assert made == message
        assert type(made) is type(message)
        assert (made.template, dict(made.values)) == (message.template, dict(message.values))


def test_dataclasses_keep_messages() -> None:
    issue = DataIssue("D-X", "info", "place", LIMIT, say("do {this}", this="it"))
    assert isinstance(asdict(issue)["evidence"], Message)
    assert isinstance(replace(issue, rows=3).remedy, Message)
    error = DataError("E-X", LIMIT, "here", say("do it"))
    assert isinstance(pickle.loads(pickle.dumps(error)).args[1], Message)  # noqa: S301
    assert str(error).startswith("E-X: no limit was declared: 27 °C")


plain = st.text(max_size=12) | st.integers(-9, 9) | st.floats(allow_nan=False) | st.booleans() | st.none()
messages = st.recursive(
    st.builds(lambda v: say("{{{v}}} {v!r}", v=v), plain),
    lambda inner: (
        st.builds(lambda a, b: say("{a}: {b}", a=a, b=b), inner, plain)
        | st.builds(
            lambda parts: Message.joined(", ", parts), st.lists(inner | st.text(max_size=5), max_size=3)
        )
    ),
    max_leaves=6,
)


@given(messages)
def test_packing_into_json_and_back_loses_nothing(message: Message) -> None:
    back = unpack(json.loads(json.dumps(pack(message))))
    assert back == message
    assert isinstance(back, Message)
    assert repr(pack(back)) == repr(pack(message))


def test_moments_and_lengths_survive_packing() -> None:
    moment = pd.Timestamp("2026-03-01 06:00", tz="Asia/Shanghai")
    message = say("{moment:%Y-%m-%d %H:%M %z} for {length}", moment=moment, length=pd.Timedelta("15min"))
    assert unpack(json.loads(json.dumps(pack(message)))) == message


def test_plain_text_is_packed_as_it_is() -> None:
    assert pack("as before") == "as before"
    assert unpack("as before") == "as before"
