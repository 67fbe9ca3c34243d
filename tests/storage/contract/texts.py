"""Text and parts: whatever goes in comes out the same, or is refused whole."""

from __future__ import annotations

import pytest

from cipher.errors import BadRequest, CipherError
from cipher.model import (
    Answer,
    Failure,
    NewMessage,
    Part,
    ReasoningPart,
    SessionPatch,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    new_id,
)
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import (
    OWNER,
    START,
    answer,
    asked,
    at,
    created,
    everything,
    lease,
    said,
    whole_log,
    wish,
)

TEXTS = {
    "emoji": "🦊",
    "family joined with ZWJ": "👩‍👩‍👧‍👦 and 🏳️‍🌈",
    "right to left": "שלום עולם \u200e\u202e مرحبا",
    "combining marks": "\u00e9 is not e\u0301; Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤",
    "controls": "a\x01\x1b[31m\x7f\u2028\u2029\ufeff\ufffe\uffff",
    "line ends": "a\r\nb\rc\n",
    "blanks": "  \t  ",
    "json": '{"a": "\\u0000", "b": [1]} \\ "',
    "sql": "'; DROP TABLE messages; --",
    "astral": "\U0001d49c\U0010ffff",
    "200,000 characters": "漢" * 199_999 + "🦊",
}
LONE = "broken \ud83d surrogate"
PARTS: tuple[Part, ...] = (
    ReasoningPart(text="Let me think…"),
    ToolCallPart(call_id="c1", name="clock", args='{"zone": "UTC"}'),
    ToolResultPart(call_id="c1", name="clock", result="12:00", ok=True),
    ToolResultPart(call_id="c2", name="clock", result="no such zone", ok=False),
    TextPart(text="It is noon."),
    TextPart(text=" Really."),
)


class TextPromises:
    """What holds for the content of messages, titles and metadata."""

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_text_comes_back_to_the_last_character(
        self, database: DatabaseBackend, text: str
    ):
        await created(database, title=text, metadata={text: [text]})
        await database.append(OWNER, "s", said(text, key="k"), turn=wish())
        assert await database.checkpoint_turn("s", "turn", 1, partial=text, lease=lease())
        assert (await database.get_turn(OWNER, "s", "turn")).partial == text
        await database.finish_turn(OWNER, "s", "turn", 1, answer(text))
        assert [message.content for message in await whole_log(database)] == [text, text]
        session = await database.get_session(OWNER, "s")
        assert (session.title, session.metadata) == (text, {text: [text]})
        assert (await database.list_sessions(OWNER, query=text)).sessions == (session,)
        assert (await database.append(OWNER, "s", said(text, key="k"))).duplicate

    async def test_a_message_may_be_empty(self, database: DatabaseBackend):
        await created(database)
        appended = await database.append(OWNER, "s", said(""))
        assert appended.message.parts == ()
        assert await whole_log(database) == [appended.message]

    async def test_every_kind_of_part_comes_back(self, database: DatabaseBackend):
        await created(database)
        new = NewMessage(id=new_id(), role="user", parts=PARTS, timestamp=START)
        appended = await database.append(OWNER, "s", new, turn=wish())
        final = Answer(
            message_id=new_id(),
            parts=PARTS,
            status="failed",
            timestamp=at(1),
            usage=Usage(input_tokens=2**40, output_tokens=7),
            error=Failure(code="model_unavailable", message="It broke off, sorry."),
        )
        finished = await database.finish_turn(OWNER, "s", "turn", 1, final)
        assert finished.message.usage == final.usage
        assert finished.message.error == final.error
        log = await whole_log(database)
        assert log == [appended.message, finished.message]
        assert [message.parts for message in log] == [PARTS, PARTS]
        assert log[0].content == "It is noon. Really."

    async def test_text_with_nul_is_kept_whole_or_refused_whole(self, database: DatabaseBackend):
        text = "before\x00after"
        await created(database)
        before = await everything(database)
        try:
            appended = await database.append(OWNER, "s", said(text))
        except BadRequest:
            assert await everything(database) == before
        else:
            assert [message.content for message in await whole_log(database)] == [text]
            assert await database.get_session(OWNER, "s") == appended.session

    async def test_a_title_with_nul_is_kept_whole_or_refused_whole(self, database: DatabaseBackend):
        before = await created(database, title="old")
        patch = SessionPatch(title="before\x00after")
        try:
            after = await database.update_session(OWNER, "s", patch, at=at(1))
        except BadRequest:
            after = before
        else:
            assert (await database.list_sessions(OWNER, query="AFTER")).sessions == (after,)
        assert await database.get_session(OWNER, "s") == after

    async def test_a_lone_surrogate_in_a_message_is_refused_whole(self, database: DatabaseBackend):
        await created(database)
        before = await everything(database)
        with pytest.raises(BadRequest):
            await database.append(OWNER, "s", said(LONE, key="k"), turn=wish())
        assert await everything(database) == before
        assert not (await database.append(OWNER, "s", said("whole", key="k"))).duplicate

    async def test_a_lone_surrogate_in_an_answer_leaves_the_attempt_running(
        self, database: DatabaseBackend
    ):
        await created(database)
        await asked(database)
        before = await everything(database)
        with pytest.raises(BadRequest):
            await database.finish_turn(OWNER, "s", "turn", 1, answer(LONE))
        with pytest.raises(BadRequest):
            await database.checkpoint_turn("s", "turn", 1, partial=LONE, lease=lease())
        assert await everything(database) == before

    @pytest.mark.parametrize(
        "patch", [SessionPatch(title=LONE), SessionPatch(metadata={"a": LONE})]
    )
    async def test_a_lone_surrogate_in_a_session_is_refused_whole(
        self, database: DatabaseBackend, patch: SessionPatch
    ):
        session = await created(database, title="old")
        with pytest.raises(BadRequest):
            await database.update_session(OWNER, "s", patch, at=at(1))
        assert await database.get_session(OWNER, "s") == session
        with pytest.raises(BadRequest):
            await created(database, "t", title=LONE)
        with pytest.raises(BadRequest):
            await created(database, "t", metadata={LONE: 1})
        assert (await database.stats(OWNER)).total_sessions == 1

    @pytest.mark.parametrize("name", [LONE, "\x00", "", "s'--", "x" * 100_000])
    async def test_an_id_that_no_id_can_be_raises_one_of_our_errors(
        self, database: DatabaseBackend, name: str
    ):
        await created(database)
        with pytest.raises(CipherError):
            await database.get_session(OWNER, name)
        with pytest.raises(CipherError):
            await database.get_session(name, "s")
        with pytest.raises(CipherError):
            await database.append(OWNER, name, said())
        with pytest.raises(CipherError):
            await database.get_turn(OWNER, "s", name)
