"""Splitting files into records: layouts, broken ends, sizes, and reads of any length."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipher.sessions.transfer.stream import HEAD_BYTES, Record, RecordStream

FIRST = {"text": "x" * HEAD_BYTES}
"""A first record that reaches past the head, so that the rest crosses reads."""


def records(data: bytes, **options: Any) -> list[Record]:
    return list(RecordStream(io.BytesIO(data), **options))


def values(data: bytes, **options: Any) -> list[Any]:
    found = records(data, **options)
    assert not [record.problem for record in found if record.problem]
    return [json.loads(record.data) for record in found]


def problems(data: bytes, **options: Any) -> list[tuple[str, str]]:
    return [(r.place, r.problem) for r in records(data, **options) if r.problem]


texts = st.text(st.characters(codec="utf-8") | st.sampled_from('\\"{}[],:\n'), max_size=20)
objects = st.dictionaries(
    texts,
    st.recursive(
        texts | st.integers(-(2**53), 2**53) | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(
    found=st.lists(objects, max_size=6),
    chunk_bytes=st.integers(1, 40),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)
def test_an_array_gives_its_elements_whatever_the_reads_and_the_layout(
    found: list[dict[str, Any]], chunk_bytes: int, ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps([FIRST, *found], ensure_ascii=ascii_only, indent=indent).encode()
    assert values(data, chunk_bytes=chunk_bytes) == [FIRST, *found]


@given(
    found=st.lists(objects, max_size=6),
    chunk_bytes=st.integers(1, 40),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_lines_give_one_record_each_whatever_the_reads(
    found: list[dict[str, Any]], chunk_bytes: int, end: str
) -> None:
    data = end.join(json.dumps(value) for value in [FIRST, *found]).encode()
    assert values(data, chunk_bytes=chunk_bytes) == [FIRST, *found]


@given(found=st.lists(objects, max_size=6), chunk_bytes=st.integers(1, 40))
def test_pretty_printed_objects_that_follow_each_other_are_told_apart(
    found: list[dict[str, Any]], chunk_bytes: int
) -> None:
    data = "\n".join(json.dumps(value, indent=2) for value in [FIRST, *found]).encode()
    assert values(data, chunk_bytes=chunk_bytes) == [FIRST, *found]


@pytest.mark.parametrize("indent", [None, 2])
def test_our_own_export_gives_its_sessions_and_its_version(indent: int | None) -> None:
    export = {"format": "cipher-sessions", "version": 7, "sessions": [{"id": "a"}, {"id": "b"}]}
    found = records(json.dumps(export, indent=indent).encode())
    assert [(json.loads(record.data), record.own) for record in found] == [
        ({"id": "a"}, 7),
        ({"id": "b"}, 7),
    ]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert values(b'\xef\xbb\xbf[{"a": 1}]') == [{"a": 1}]
    assert values(b'\xef\xbb\xbf{"a": 1}\n{"b": 2}') == [{"a": 1}, {"b": 2}]


def test_a_broken_first_line_does_not_hide_that_the_file_has_lines() -> None:
    found = records(b'{"messages": [\n{"a": 1}\n{"b": 2}\n')
    assert [record.place for record in found] == ["line 1", "line 2", "line 3"]
    assert json.loads(found[2].data) == {"b": 2}


def test_blank_lines_count_but_are_no_records() -> None:
    assert [record.place for record in records(b'{"a": 1}\n\n  \n{"b": 2}')] == ["line 1", "line 4"]


@pytest.mark.parametrize(
    ("cut", "whole"), [(1, 0), (5, 0), (8, 0), (9, 1), (12, 1), (13, 1), (20, 1), (23, 1), (24, 2)]
)
def test_an_array_that_breaks_off_says_so_and_keeps_what_was_whole(cut: int, whole: int) -> None:
    data = b'[{"a": 1}, {"b": "\\"]}"}]'
    found = records(data[:cut])
    assert [record.problem for record in found] == [""] * whole + ["the file breaks off here"]


def test_what_follows_the_end_of_an_array_is_reported_once() -> None:
    assert problems(b'[{"a": 1}] [{"b": 2}] x') == [
        ("the end", "something follows the end of the list")
    ]


@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_record_over_the_limit_costs_itself_only(layout: str) -> None:
    rows = ['{"a": 1}', json.dumps({"long": "y" * 10_000}), '{"b": 2}']
    data = "\n".join(rows) if layout == "lines" else f"[{','.join(rows)}]"
    found = records(data.encode(), max_bytes=5_000, chunk_bytes=100)
    assert [record.problem for record in found] == ["", "over the limit of 5,000 bytes", ""]
    assert json.loads(found[2].data) == {"b": 2}


class Endless(io.RawIOBase):
    """A line without end, of which only so much may be read before the test fails."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        taken = min(size, self.left)
        self.left -= taken
        return b"a" * taken


def test_a_line_that_is_too_long_is_not_held_in_memory() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        stream: Any = Endless(64 * 1024 * 1024)
        found = list(RecordStream(stream, max_bytes=1024 * 1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [record.problem for record in found] == ["over the limit of 1,048,576 bytes"]
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x1f\x8brest", "gzip"),
        ('[{"a": 1}]'.encode("utf-16"), "UTF-16"),
        ('[{"a": 1}]'.encode("utf-16-le"), "not UTF-8"),
        (b"SQLite format 3\x00rest", "SQLite"),
    ],
)
def test_a_file_that_is_no_text_is_named_for_what_it_is(data: bytes, word: str) -> None:
    [(place, problem)] = problems(data)
    assert place == "the file"
    assert word in problem
