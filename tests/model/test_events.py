"""Events: the closed list of them, and the unit in which offsets of streamed text are counted."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipher.events import Event, SessionEvent, utf16_length

WIRE_NAMES = {
    "session:created",
    "session:loaded",
    "session:updated",
    "session:deleted",
    "message:received",
    "turn:started",
    "message:delta",
    "turn:ended",
    "server:status",
    "server:draining",
}


def test_each_event_has_a_wire_name_of_its_own():
    names = [event.type for event in get_args(Event)]
    assert len(names) == len(set(names))
    assert set(names) == WIRE_NAMES


def test_every_event_about_a_session_says_which():
    for event in get_args(SessionEvent):
        assert hasattr(event, "session_id"), event


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", 0),
        ("abc", 3),
        ("é", 1),
        ("漢字", 2),
        ("🦊", 2),
        ("a🦊b", 4),
        ("👩‍👧", 5),
        ("\uffff", 1),
    ],
)
def test_text_is_counted_in_utf16_code_units(text: str, units: int):
    assert utf16_length(text) == units


@given(st.text() | st.text(alphabet=st.characters(min_codepoint=0xFF00, max_codepoint=0x1F9FF)))
def test_the_count_is_that_of_the_utf16_encoding(text: str):
    assert utf16_length(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(st.text(), st.text())
def test_the_counts_of_two_pieces_add_up(first: str, second: str):
    assert utf16_length(first + second) == utf16_length(first) + utf16_length(second)
