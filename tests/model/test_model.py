"""The nouns: ids, moments, titles, the order people read in, and how nouns look as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipher.model import (
    MAX_TITLE_CHARS,
    Identifier,
    Message,
    Part,
    ReasoningPart,
    Role,
    Session,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    conversation_order,
    from_ms,
    is_identifier,
    new_id,
    text_parts,
    title_from,
    to_ms,
    utc_now,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(seq: int, role: Role, turn_id: str | None = None, **fields: Any) -> Message:
    return Message(
        id=f"m{seq}",
        seq=seq,
        parent_seq=seq - 1,
        role=role,
        parts=text_parts(f"text {seq}"),
        timestamp=NOON,
        turn_id=turn_id,
        **fields,
    )


class TestIds:
    def test_new_ids_are_short_valid_and_all_different(self):
        ids = [new_id() for _ in range(10_000)]
        assert len(set(ids)) == 10_000
        assert {len(one) for one in ids} == {22}
        assert all(is_identifier(one) for one in ids)

    @pytest.mark.parametrize("text", ["a", "A-z_0", "-", "_", "x" * 64, "default"])
    def test_letters_digits_dash_and_underscore_make_an_id(self, text: str):
        assert is_identifier(text)
        assert msgspec.convert(text, Identifier) == text

    @pytest.mark.parametrize(
        "text",
        ["", "x" * 65, "a b", "a\n", "\na", "a.b", "../a", "ä", "a\x00", "'", "٣", "x" * 1_000_000],
    )
    def test_anything_else_makes_none(self, text: str):
        assert not is_identifier(text)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, Identifier)


class TestMoments:
    @given(st.datetimes(timezones=st.just(UTC)))
    def test_a_moment_survives_as_milliseconds_cut_downwards(self, moment: datetime):
        back = from_ms(to_ms(moment))
        assert back <= moment < back + timedelta(milliseconds=1)
        assert back.tzinfo is UTC
        assert to_ms(back) == to_ms(moment)

    def test_milliseconds_count_from_1970_in_any_time_zone(self):
        zone = timezone(timedelta(hours=5, minutes=30))
        assert to_ms(datetime(1970, 1, 1, 5, 30, 1, 999, tzinfo=zone)) == 1000
        assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)) == -1
        assert from_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)

    def test_a_moment_without_a_time_zone_is_no_moment(self):
        with pytest.raises(TypeError):
            to_ms(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test

    def test_now_has_whole_milliseconds(self):
        now = utc_now()
        assert now.tzinfo is UTC
        assert now.microsecond % 1000 == 0
        assert from_ms(to_ms(now)) == now


class TestTitles:
    @pytest.mark.parametrize(
        ("content", "title"),
        [
            ("How do tides work?", "How do tides work?"),
            ("  How do\n\ttides   work?\r\n", "How do tides work?"),
            ("", ""),
            (" \n\t ", ""),
            ("x" * 60, "x" * 60),
            ("x" * 61, "x" * 60 + "…"),
            ("word " * 12, ("word " * 12).strip()),
            ("word " * 13, "word " * 11 + "word…"),
            ("Explain this, please, " + "y" * 50, "Explain this, please…"),
            ("🦊" * 61, "🦊" * 60 + "…"),
        ],
    )
    def test_a_title_is_the_message_on_one_line_cut_at_a_word(self, content: str, title: str):
        assert title_from(content) == title

    @given(st.text(max_size=300))
    def test_a_title_is_one_short_line_without_blanks_around_it(self, content: str):
        title = title_from(content)
        assert len(title) <= 61 < MAX_TITLE_CHARS
        assert title == " ".join(title.split())
        assert bool(title) == bool(content.strip())
        assert " ".join(content.split()).startswith(title.removesuffix("…"))


class TestConversationOrder:
    def test_an_answer_that_came_after_the_next_question_is_read_after_its_own(self):
        path = [
            message(1, "user", "one"),
            message(2, "user", "two"),
            message(3, "assistant", "one", attempt=1),
            message(4, "assistant", "two", attempt=1),
        ]
        assert [m.seq for m in conversation_order(path)] == [1, 3, 2, 4]

    def test_an_answer_whose_question_is_not_on_the_page_stays_where_it_is(self):
        path = [
            message(5, "assistant", "earlier", attempt=1),
            message(6, "user", "now"),
            message(7, "assistant", "earlier", attempt=2),
            message(8, "assistant", "now", attempt=1),
        ]
        assert [m.seq for m in conversation_order(path)] == [5, 6, 8, 7]

    def test_messages_without_a_turn_keep_their_order(self):
        path = [message(1, "system"), message(2, "user"), message(3, "assistant")]
        assert conversation_order(path) == path

    def test_several_answers_of_one_turn_keep_their_order(self):
        path = [
            message(1, "user", "one"),
            message(2, "user", "two"),
            message(3, "assistant", "one", attempt=1),
            message(4, "tool", "one"),
            message(5, "assistant", "one", attempt=2),
        ]
        assert [m.seq for m in conversation_order(path)] == [1, 3, 4, 5, 2]

    def test_an_empty_path_stays_empty(self):
        assert conversation_order([]) == []

    @given(st.lists(st.none() | st.integers(0, 3), max_size=12))
    def test_no_message_is_lost_doubled_or_moved_before_its_question(
        self, answered: list[int | None]
    ):
        path: list[Message] = []
        for seq, number in enumerate(answered, start=1):
            asked = [m.turn_id for m in path if m.role == "user"]
            if number is None or number >= len(asked):
                path.append(message(seq, "user", f"turn{seq}"))
            else:
                path.append(message(seq, "assistant", asked[number]))
        ordered = conversation_order(path)
        assert sorted(ordered, key=lambda m: m.seq) == path
        questions = [m for m in ordered if m.role == "user"]
        assert questions == [m for m in path if m.role == "user"]
        for before, after in pairwise(ordered):
            assert after.role == "user" or after.turn_id == before.turn_id


class TestNouns:
    def test_content_is_the_text_parts_and_nothing_else(self):
        parts: tuple[Part, ...] = (
            ReasoningPart(text="hm"),
            TextPart(text="It is"),
            ToolCallPart(call_id="c", name="clock", args="{}"),
            ToolResultPart(call_id="c", name="clock", result="12"),
            TextPart(text=" noon."),
        )
        assert (
            msgspec.structs.replace(message(1, "assistant"), parts=parts).content == "It is noon."
        )
        assert msgspec.structs.replace(message(1, "user"), parts=()).content == ""

    def test_empty_text_has_no_part(self):
        assert text_parts("") == ()
        assert text_parts(" ") == (TextPart(text=" "),)

    def test_a_noun_can_not_be_changed(self):
        with pytest.raises(AttributeError):
            message(1, "user").seq = 2  # type: ignore[misc]  # frozen: the point of the test

    def test_two_sessions_do_not_share_their_metadata(self):
        def session() -> Session:
            return Session(
                id="s",
                owner_id="o",
                title="",
                created_at=NOON,
                last_activity=NOON,
                message_count=0,
                epoch="e",
                head_seq=0,
                leaf_seq=0,
            )

        first, second = session(), session()
        first.metadata["a"] = 1
        assert second.metadata == {}

    def test_json_has_camel_case_names_and_leaves_defaults_out(self):
        noun = message(1, "user", "t", client_msg_id="k")
        assert msgspec.json.decode(msgspec.json.encode(noun)) == {
            "id": "m1",
            "seq": 1,
            "parentSeq": 0,
            "role": "user",
            "parts": [{"type": "text", "text": "text 1"}],
            "timestamp": "2026-01-01T12:00:00Z",
            "turnId": "t",
            "clientMsgId": "k",
        }

    @pytest.mark.parametrize(
        ("part", "tag"),
        [
            (TextPart(text="a"), "text"),
            (ReasoningPart(text="a"), "reasoning"),
            (ToolCallPart(call_id="c", name="n", args="{}"), "tool-call"),
            (ToolResultPart(call_id="c", name="n", result="r", ok=False), "tool-result"),
        ],
    )
    def test_every_part_says_what_it_is_and_comes_back(self, part: Part, tag: str):
        encoded = msgspec.json.encode(part)
        assert msgspec.json.decode(encoded)["type"] == tag
        assert msgspec.json.decode(encoded, type=Part) == part
