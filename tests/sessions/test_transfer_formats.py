"""What each foreign format becomes: roles, parts, branches, ids, titles, times and notes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cipher.model import (
    LOCAL_OWNER,
    Message,
    ReasoningPart,
    Session,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from cipher.sessions.transfer import ImportReport, import_stream
from cipher.storage.base import DatabaseBackend
from cipher.storage.manager import StorageManager

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
QUESTION = {"role": "user", "content": "Why is the sky blue?"}
REPLY = {"role": "assistant", "content": "Rayleigh scattering."}


@pytest.fixture
def database(storage: StorageManager) -> DatabaseBackend:
    return storage.database


async def taken(database: DatabaseBackend, value: Any) -> ImportReport:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return await import_stream(database, LOCAL_OWNER, io.BytesIO(data), at=NOW)


async def only(database: DatabaseBackend, value: Any) -> tuple[Session, tuple[Message, ...]]:
    """The one session that a record becomes."""
    report = await taken(database, value)
    assert not report.skipped
    [session_id] = report.sessions
    page = await database.log(LOCAL_OWNER, session_id)
    return page.session, page.messages


def spoken(messages: tuple[Message, ...]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


def noted(report: ImportReport) -> dict[str, int]:
    return {remark.reason: remark.count for remark in report.notes}


async def test_a_line_in_openai_style_becomes_a_session(database: DatabaseBackend) -> None:
    session, messages = await only(
        database, {"id": "sky-1", "category": "physics", "messages": [QUESTION, REPLY]}
    )
    assert (session.id, session.title) == ("sky-1", "Why is the sky blue?")
    assert spoken(messages) == [
        ("user", "Why is the sky blue?"),
        ("assistant", "Rayleigh scattering."),
    ]
    assert [(m.seq, m.parent_seq, m.status) for m in messages] == [(1, 0, None), (2, 1, "complete")]
    assert session.metadata == {"imported": {"format": "openai", "category": "physics"}}
    assert session.leaf_seq == session.head_seq == session.message_count == 2


async def test_lines_and_an_array_of_the_same_records_become_the_same(
    database: DatabaseBackend,
) -> None:
    rows = [{"messages": [QUESTION, REPLY]}, {"messages": [{"role": "user", "content": "Hi"}]}]
    lines = await taken(database, "\n".join(map(json.dumps, rows)).encode())
    array = await taken(database, rows)
    assert lines.added == 2
    assert (array.added, array.already_there) == (0, 2)


async def test_two_questions_without_an_answer_stay_two_questions(
    database: DatabaseBackend,
) -> None:
    _, messages = await only(database, {"messages": [QUESTION, QUESTION]})
    assert [message.role for message in messages] == ["user", "user"]


async def test_tool_calls_and_results_become_parts_of_one_answer(database: DatabaseBackend) -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"at":1}'},
    }
    _, messages = await only(
        database,
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                QUESTION,
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
                REPLY,
            ]
        },
    )
    assert [message.role for message in messages] == ["system", "user", "assistant"]
    assert messages[2].parts == (
        ToolCallPart(call_id="c1", name="weather", args='{"at":1}'),
        ToolResultPart(call_id="c1", name="weather", result="sunny"),
        TextPart(text="Rayleigh scattering."),
    )


async def test_anthropic_blocks_become_parts_too(database: DatabaseBackend) -> None:
    use = {"type": "tool_use", "id": "t", "name": "look", "input": {"at": "sky"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "grey", "is_error": True}
    _, messages = await only(
        database,
        {
            "messages": [
                QUESTION,
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}, use]},
                {"role": "user", "content": [result]},
                REPLY,
            ]
        },
    )
    assert messages[1].parts == (
        ReasoningPart(text="Hm"),
        ToolCallPart(call_id="t", name="look", args='{"at":"sky"}'),
        ToolResultPart(call_id="t", name="look", result="grey", ok=False),
        TextPart(text="Rayleigh scattering."),
    )


async def test_images_are_left_out_and_reported(database: DatabaseBackend) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    report = await taken(
        database,
        {
            "id": "pictures",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
                REPLY,
                {"role": "user", "content": [image]},
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            ],
        },
    )
    page = await database.log(LOCAL_OWNER, "pictures")
    assert [m.content for m in page.messages] == ["What is this?", REPLY["content"], "[image]"]
    assert noted(report) == {
        "images left out": 2,
        "content of type 'input_audio' left out": 1,
        "empty messages left out": 1,
    }


async def test_sharegpt_speakers_become_roles(database: DatabaseBackend) -> None:
    session, messages = await only(
        database,
        [
            {
                "id": "identity_0",
                "conversations": [
                    {"from": "system", "value": "Be kind."},
                    {"from": "human", "value": "Who are you?"},
                    {"from": "function_call", "value": '{"name": "self", "arguments": {"x": 1}}'},
                    {"from": "observation", "value": "a program"},
                    {"from": "gpt", "value": "A program."},
                ],
            }
        ],
    )
    assert session.id == "identity_0"
    assert [message.role for message in messages] == ["system", "user", "assistant"]
    assert messages[2].parts == (
        ToolCallPart(call_id="call-3", name="self", args='{"x":1}'),
        ToolResultPart(call_id="call-3", name="self", result="a program"),
        TextPart(text="A program."),
    )


def node(
    key: str,
    parent: str | None,
    role: str = "",
    text: str = "",
    *,
    seconds: float | None = None,
    **message: Any,
) -> dict[str, Any]:
    """A node of a ChatGPT tree; without a role it has no message."""
    said: dict[str, Any] | None = None
    if role:
        said = {
            "id": key,
            "author": {"role": role, "name": message.pop("name", None), "metadata": {}},
            "create_time": seconds,
            "content": {"content_type": "text", "parts": [text]},
            "status": "finished_successfully",
            "metadata": {},
            "recipient": "all",
            **message,
        }
    return {"id": key, "message": said, "parent": parent, "children": []}


def chatgpt(*nodes: dict[str, Any], current: str, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "title": "The sky",
            "create_time": 1_700_000_000.25,
            "update_time": 1_700_000_900.5,
            "mapping": {each["id"]: each for each in nodes},
            "current_node": current,
            "conversation_id": "68a1b2c3-0000-4000-8000-00000000abcd",
            "default_model_slug": "gpt-4o",
            **fields,
        }
    ]


async def test_a_chatgpt_tree_keeps_its_branches_times_and_leaf(database: DatabaseBackend) -> None:
    session, messages = await only(
        database,
        chatgpt(
            node("root", None),
            node("hidden", "root", "system", ""),
            node("q1", "hidden", "user", "First wording", seconds=1_700_000_001),
            node("a1", "q1", "assistant", "First answer", seconds=1_700_000_002),
            node("q2", "hidden", "user", "Second wording", seconds=1_700_000_003),
            node("a2", "q2", "assistant", "Answer", seconds=1_700_000_004),
            node("a3", "q2", "assistant", "Regenerated", seconds=1_700_000_005),
            node("q3", "a2", "user", "And at night?", seconds=1_700_000_006),
            current="q3",
        ),
    )
    assert [(m.content, m.parent_seq) for m in messages] == [
        ("First wording", 0),
        ("First answer", 1),
        ("Second wording", 0),
        ("Answer", 3),
        ("Regenerated", 3),
        ("And at night?", 4),
    ]
    assert session.leaf_seq == 6
    assert (session.title, session.id) == ("The sky", "68a1b2c3-0000-4000-8000-00000000abcd")
    assert session.created_at == datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
    assert session.last_activity == session.created_at + timedelta(seconds=900.25)
    assert messages[0].timestamp == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    branch = await database.branch(LOCAL_OWNER, session.id)
    assert [m.content for m in branch.messages] == ["Second wording", "Answer", "And at night?"]


async def test_a_chatgpt_leaf_that_is_not_kept_moves_up_to_what_is(
    database: DatabaseBackend,
) -> None:
    session, messages = await only(
        database,
        chatgpt(
            node("q", None, "user", "Hello", seconds=1),
            node("a", "q", "assistant", "Hi", seconds=2),
            node("b", "q", "assistant", "Hey", seconds=3),
            node("gone", "a", "assistant", "", seconds=4),
            current="gone",
        ),
    )
    assert messages[session.leaf_seq - 1].content == "Hi"


async def test_chatgpt_tools_thoughts_and_hidden_nodes(database: DatabaseBackend) -> None:
    hidden: dict[str, Any] = {"metadata": {"is_visually_hidden_from_conversation": True}}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Sum", "content": "Adding"}]}
    code = {"content_type": "code", "language": "python", "text": "print(1+1)"}
    output = {"content_type": "execution_output", "text": "2"}
    value = chatgpt(
        node("root", None),
        node("prompt", "root", "system", "You are ChatGPT", **hidden),
        node("q", "prompt", "user", "1+1?", seconds=1),
        node("t", "q", "assistant", seconds=2, content=thoughts),
        node("c", "t", "assistant", seconds=3, content=code, recipient="python"),
        node("o", "c", "tool", seconds=4, content=output, name="python"),
        node("a", "o", "assistant", "It is 2.", seconds=5),
        current="a",
    )
    report = await taken(database, value)
    page = await database.log(LOCAL_OWNER, report.sessions[0])
    assert [message.role for message in page.messages] == ["user", "assistant"]
    assert page.messages[1].parts == (
        ReasoningPart(text="Sum\n\nAdding"),
        ToolCallPart(call_id="c", name="python", args='{"input":"print(1+1)"}'),
        ToolResultPart(call_id="c", name="python", result="2"),
        TextPart(text="It is 2."),
    )
    assert page.session.leaf_seq == 2
    assert noted(report) == {"hidden messages left out": 1}


async def test_a_tool_result_that_was_asked_for_twice_stays_a_branch(
    database: DatabaseBackend,
) -> None:
    session, messages = await only(
        database,
        chatgpt(
            node("q", None, "user", "1+1?", seconds=1),
            node("c", "q", "assistant", '{"sum": 1}', seconds=2, recipient="calc"),
            node("o1", "c", "tool", "3", seconds=3, name="calc"),
            node("o2", "c", "tool", "2", seconds=4, name="calc"),
            node("a", "o2", "assistant", "It is 2.", seconds=5),
            current="a",
        ),
    )
    assert [(m.role, m.parent_seq) for m in messages] == [
        ("user", 0),
        ("assistant", 1),
        ("tool", 2),
        ("tool", 2),
        ("assistant", 4),
    ]
    assert session.leaf_seq == 5


async def test_a_chatgpt_answer_older_than_its_question_still_comes_after_it(
    database: DatabaseBackend,
) -> None:
    _, messages = await only(
        database,
        chatgpt(
            node("a", "q", "assistant", "Hi", seconds=5),
            node("q", None, "user", "Hello", seconds=9),
            current="a",
        ),
    )
    assert spoken(messages) == [("user", "Hello"), ("assistant", "Hi")]


async def test_a_chatgpt_answer_that_was_cut_off_is_marked_interrupted(
    database: DatabaseBackend,
) -> None:
    _, messages = await only(
        database,
        chatgpt(
            node("q", None, "user", "Hello"),
            node("a", "q", "assistant", "Hel", status="in_progress"),
            current="a",
        ),
    )
    assert messages[1].status == "interrupted"


async def test_a_chatgpt_tree_with_cycles_and_missing_parents_keeps_the_rest(
    database: DatabaseBackend,
) -> None:
    report = await taken(
        database,
        chatgpt(
            node("q", "nowhere", "user", "Hello"),
            node("x", "y", "user", "lost"),
            node("y", "x", "user", "lost"),
            current="x",
        ),
    )
    page = await database.log(LOCAL_OWNER, report.sessions[0])
    assert [message.content for message in page.messages] == ["Hello"]
    assert page.session.leaf_seq == 1
    assert noted(report) == {"messages in a cycle left out": 2}


async def test_a_very_deep_chatgpt_tree_is_read_whole(database: DatabaseBackend) -> None:
    nodes = [node("0", None, "user", "0")]
    nodes += [node(str(n), str(n - 1), "user", str(n), seconds=n) for n in range(1, 3_000)]
    session, _ = await only(database, chatgpt(*nodes, current="2999"))
    assert session.message_count == session.leaf_seq == 3_000


@pytest.mark.parametrize(
    "source_id",
    ["a b/c?", "x" * 200, "-starts-like-a-flag", "über", "\ud800", "../../etc", "'; DROP TABLE"],
)
async def test_an_id_that_may_not_be_one_becomes_one_and_the_same_each_time(
    database: DatabaseBackend, source_id: str
) -> None:
    record = {"id": source_id, "messages": [QUESTION]}
    session, _ = await only(database, record)
    assert session.id.replace("-", "").replace("_", "").isalnum()
    assert session.id.isascii()
    assert len(session.id) <= 64
    assert not session.id.startswith("-")
    again = await taken(database, record)
    assert (again.added, again.already_there) == (0, 1)


async def test_a_number_is_an_id_too(database: DatabaseBackend) -> None:
    session, _ = await only(database, {"id": 7, "messages": [QUESTION]})
    assert session.id == "7"


async def test_the_same_id_with_another_conversation_hides_neither(
    database: DatabaseBackend,
) -> None:
    first = {"id": "0", "messages": [QUESTION]}
    second = {"id": "0", "messages": [{"role": "user", "content": "Something else"}]}
    report = await taken(database, [first, second, first])
    assert (report.added, report.already_there) == (2, 1)
    assert report.sessions[0] == "0"
    assert report.sessions[1].startswith("0-")
    assert noted(report) == {"the id belongs to another conversation; took a new one": 1}
    again = await taken(database, [first, second])
    assert (again.added, again.already_there) == (0, 2)


async def test_a_conversation_that_went_on_here_is_still_there_already(
    database: DatabaseBackend,
) -> None:
    long = {"id": "s", "messages": [QUESTION, REPLY, {"role": "user", "content": "More"}]}
    await taken(database, long)
    report = await taken(database, {"id": "s", "messages": [QUESTION, REPLY]})
    assert (report.added, report.already_there) == (0, 1)


async def test_without_ids_the_same_content_is_the_same_session(database: DatabaseBackend) -> None:
    report = await taken(database, [{"messages": [QUESTION]}, {"messages": [QUESTION]}])
    assert (report.added, report.already_there) == (1, 1)
    assert report.sessions[0].startswith("imported-")


async def test_sessions_without_times_are_listed_in_the_order_of_the_file(
    database: DatabaseBackend,
) -> None:
    rows = [{"id": f"s{n}", "messages": [QUESTION, REPLY]} for n in range(100)]
    await taken(database, rows)
    page = await database.list_sessions(LOCAL_OWNER, limit=100)
    assert [session.id for session in page.sessions] == [f"s{n}" for n in range(100)]
    assert page.sessions[0].last_activity == NOW


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000_123, datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)),
        ("2024-02-03T04:05:06Z", datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2024-02-03T04:05:06+02:00", datetime(2024, 2, 3, 2, 5, 6, tzinfo=UTC)),
        ("2024-02-03", datetime(2024, 2, 3, tzinfo=UTC)),
        (-5, NOW),
        (10**30, NOW),
        ("yesterday", NOW),
        ("1969-01-01", NOW),
        ("0001-01-01T00:00:00+14:00", NOW),
        (True, NOW),
        (None, NOW),
    ],
)
async def test_times_are_read_in_any_usual_spelling_and_else_replaced(
    database: DatabaseBackend, written: object, read: datetime
) -> None:
    session, messages = await only(database, {"created_at": written, "messages": [QUESTION]})
    assert session.created_at == messages[0].timestamp == read


async def test_a_long_title_is_cut_and_made_one_line(database: DatabaseBackend) -> None:
    session, _ = await only(database, {"title": "a\nb " + "x" * 500, "messages": [QUESTION]})
    assert session.title.startswith("a b xx")
    assert len(session.title) == 200
