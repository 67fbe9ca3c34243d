"""A machine that plays random conversations on a backend and on the model beside it.

Hypothesis draws the verbs; each is called on both, and both must return the same or raise the same.
`MemoryDatabase` is the model. Only what is random by promise, a session's epoch, is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cipher.errors import CipherError
from cipher.model import Answer, MessagePage, NewMessage, SessionPatch, text_parts
from cipher.storage.base import DatabaseBackend, Lease, OpenTurn
from cipher.storage.memory import MemoryDatabase
from tests.storage.samples import OWNER, STRANGER, at

SESSIONS = ("s0", "s1", "s2")
STATES = ("active", "archived", "trash")

texts = st.sampled_from(("", "one", "Two words", "100%", "Ärger 🦊", "x" * 70))
moments = st.integers(0, 40).map(at)
keys = st.none() | st.sampled_from(("k0", "k1", "k2"))
parents = st.none() | st.none() | st.integers(-1, 5)
leases = st.builds(Lease, owner=st.sampled_from(("worker", "worker", "other")), until=moments)
endings = st.sampled_from(("complete", "cancelled", "failed", "interrupted"))
metadata = st.dictionaries(st.sampled_from(("a", "b")), st.integers(0, 2), max_size=2)
patches = st.builds(
    SessionPatch,
    title=st.just(msgspec.UNSET) | texts,
    pinned=st.just(msgspec.UNSET) | st.booleans(),
    archived=st.just(msgspec.UNSET) | st.booleans(),
    metadata=st.just(msgspec.UNSET) | metadata,
    leaf_seq=st.just(msgspec.UNSET) | st.integers(-1, 9),
)
# Most calls go to sessions that a person has; some to a stranger's and to ones that are not there.
places = st.sampled_from(
    [(OWNER, name) for name in SESSIONS] * 4 + [(STRANGER, "s0"), (OWNER, "no-such")]
)
Place = tuple[str, str]


class Comparison(RuleBasedStateMachine):
    """The machine; a subclass says which backend is compared."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.subject = self.new_backend()
        self.model = MemoryDatabase()
        self.turns: list[tuple[Place, str]] = []
        self.made = 0

    def new_backend(self) -> DatabaseBackend:
        """A closed, empty backend."""
        raise NotImplementedError

    @initialize(title=texts, given=metadata)
    def begin(self, title: str, given: dict[str, int]) -> None:
        self.run(self.subject.open())
        self.run(self.model.open())
        for name in SESSIONS:
            self.both("create_session", OWNER, name, title=title, metadata=given, at=at(0))

    def teardown(self) -> None:
        try:
            self.everything_is_the_same()
        finally:
            self.run(self.subject.close())
            self.runner.close()

    @rule(
        place=places,
        text=texts,
        role=st.sampled_from(("user", "system")),
        moment=moments,
        key=keys,
        parent=parents,
    )
    def append(self, place: Place, **fields: Any) -> None:
        self.both("append", *place, self.message(**fields))

    @rule(
        place=places,
        text=texts,
        moment=moments,
        key=keys,
        parent=parents,
        lease=leases,
        when_busy=st.sampled_from(("enqueue", "enqueue", "reject")),
    )
    def ask(self, place: Place, lease: Lease, when_busy: Any, **fields: Any) -> None:
        turn_id = self.fresh("turn")
        self.turns.append((place, turn_id))
        wish = OpenTurn(turn_id=turn_id, lease=lease, when_busy=when_busy)
        self.both("append", *place, self.message(role="user", **fields), turn=wish)

    @rule(
        place=places,
        lease=leases,
        moment=moments,
        attempts=st.lists(endings, max_size=3),
        then_retry=st.booleans(),
        leaf=st.none() | st.none() | st.integers(0, 6),
    )
    def converse(self, place: Place, lease: Lease, moment: Any, **course: Any) -> None:
        """A question with several attempts at an answer, the person wandering off in between."""
        turn_id = self.fresh("turn")
        self.turns.append((place, turn_id))
        question = self.message("Again?", "user", moment, None, None)
        self.both("append", *place, question, turn=OpenTurn(turn_id=turn_id, lease=lease))
        for attempt, status in enumerate(course["attempts"], start=1):
            if course["leaf"] is not None:
                patch = SessionPatch(leaf_seq=course["leaf"])
                self.both("update_session", *place, patch, at=moment)
            answer = self.answer(f"Attempt {attempt}", status, moment)
            self.both("finish_turn", *place, turn_id, attempt, answer)
            if attempt < len(course["attempts"]) or course["then_retry"]:
                self.both("retry_turn", *place, turn_id, lease)
            self.both("start_turn", *place, lease)

    @rule(data=st.data(), text=texts, moment=moments, status=endings)
    def finish(self, data: Any, **fields: Any) -> None:
        waiting = self.run(self.model.unfinished_turns())
        if waiting:
            owned = data.draw(st.sampled_from(waiting))
            turn = owned.turn
            where = owned.owner_id, turn.session_id, turn.id, turn.attempt
            self.both("finish_turn", *where, self.answer(**fields))

    @rule(data=st.data(), attempt=st.integers(0, 3), text=texts, moment=moments, status=endings)
    def finish_anything(self, data: Any, attempt: int, **fields: Any) -> None:
        place, turn_id = self.a_turn(data)
        self.both("finish_turn", *place, turn_id, attempt, self.answer(**fields))

    @rule(data=st.data(), lease=leases)
    def retry(self, data: Any, lease: Lease) -> None:
        place, turn_id = self.a_turn(data)
        self.both("retry_turn", *place, turn_id, lease)
        self.both("get_turn", *place, turn_id)

    @rule(place=places, lease=leases)
    def start(self, place: Place, lease: Lease) -> None:
        self.both("start_turn", *place, lease)

    @rule(data=st.data(), attempt=st.sampled_from((1, 1, 2)), partial=texts, lease=leases)
    def checkpoint(self, data: Any, attempt: int, **fields: Any) -> None:
        (_, session_id), turn_id = self.a_turn(data)
        self.both("checkpoint_turn", session_id, turn_id, attempt, **fields)

    @rule(place=places, patch=patches, moment=moments)
    def update(self, place: Place, patch: SessionPatch, moment: Any) -> None:
        self.both("update_session", *place, patch, at=moment)

    @rule(
        place=places,
        way=st.sampled_from(("trash", "trash and back", "purge", "empty", "create", "expire")),
        action=st.sampled_from(("archive", "delete")),
        moment=st.integers(0, 9).map(at),
    )
    def go_and_come(self, place: Place, way: str, action: Any, moment: Any) -> None:
        """The way of a session out of sight and, some of the time, back."""
        match way:
            case "trash":
                self.both("delete_session", *place, at=moment)
            case "trash and back":
                self.both("delete_session", *place, at=moment)
                for name in SESSIONS:
                    self.both("restore_session", OWNER, name)
            case "purge":
                self.both("purge_session", *place)
            case "empty":
                self.both("purge_deleted", deleted_before=moment)
            case "create":
                self.both("create_session", *place, at=moment)
            case _:
                self.both_sorted("expire_sessions", action, idle_since=moment, at=at(40))

    @rule(source=places, cut=st.integers(0, 9))
    def copy(self, source: Place, cut: int) -> None:
        """Import what a session's log holds, or the beginning of it, under another id."""
        page = self.both("log", *source)
        if isinstance(page, MessagePage):
            copy = msgspec.structs.replace(page.session, id=self.fresh("copy"))
            self.both("import_session", copy, page.messages[:cut])
            self.both("import_session", copy, page.messages)
            self.both("log", OWNER, copy.id)

    @rule(
        place=places,
        before=st.none() | st.integers(-1, 9),
        after=st.integers(0, 9),
        limit=st.integers(1, 4),
    )
    def read(self, place: Place, before: Any, after: int, limit: int) -> None:
        self.both("branch", *place, before=before, limit=limit)
        self.both("log", *place, after=after, limit=limit)

    @rule(
        owner=st.sampled_from((OWNER, OWNER, STRANGER)),
        state=st.sampled_from(STATES),
        limit=st.integers(1, 3),
        query=texts | st.sampled_from(("O", "w", "%", "ä")),
        moment=moments,
    )
    def list_everything(self, owner: str, state: Any, limit: int, query: str, moment: Any) -> None:
        self.both_sorted("unfinished_turns", lease_before=moment)
        wanted: dict[str, Any] = {"state": state, "limit": limit, "query": query}
        page = self.both("list_sessions", owner, **wanted)
        while page.next_cursor is not None:
            page = self.both("list_sessions", owner, **wanted, cursor=page.next_cursor)

    @invariant()
    def the_logs_are_the_same(self) -> None:
        for name in SESSIONS:
            page = self.both("log", OWNER, name)
            if isinstance(page, MessagePage):
                _hold_together(page)

    def everything_is_the_same(self) -> None:
        self.both_sorted("unfinished_turns")
        for owner in (OWNER, STRANGER):
            self.both("stats", owner)
            for state in STATES:
                self.both("list_sessions", owner, state=state)

    def both(self, verb: str, *args: Any, **options: Any) -> Any:
        """Call a verb on both and compare; returns what both gave."""
        found = self.run(_outcome(getattr(self.subject, verb)(*args, **options)))
        expected = self.run(_outcome(getattr(self.model, verb)(*args, **options)))
        assert _comparable(found) == _comparable(expected), f"{verb}{args}{options}"
        return found

    def both_sorted(self, verb: str, *args: Any, **options: Any) -> None:
        """Compare where the order across sessions is no promise; that within one is kept."""
        found, expected = (
            sorted(
                _comparable(self.run(getattr(backend, verb)(*args, **options))),
                key=lambda one: one["turn"]["sessionId"] if "turn" in one else one["id"],
            )
            for backend in (self.subject, self.model)
        )
        assert found == expected, f"{verb}{args}{options}"

    def run(self, verb: Awaitable[Any]) -> Any:
        return self.runner.get_loop().run_until_complete(verb)

    def fresh(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"

    def a_turn(self, data: Any) -> tuple[Place, str]:
        """A turn that was asked for lately, and where."""
        turn: tuple[Place, str] = data.draw(
            st.sampled_from([*self.turns[-5:], ((OWNER, "s0"), "no-such")])
        )
        return turn

    def message(self, text: str, role: Any, moment: Any, key: Any, parent: Any) -> NewMessage:
        return NewMessage(
            id=self.fresh("message"),
            role=role,
            parts=text_parts(text),
            timestamp=moment,
            client_msg_id=key,
            parent_seq=parent,
        )

    def answer(self, text: str, status: Any, moment: Any) -> Answer:
        return Answer(
            message_id=self.fresh("message"),
            parts=text_parts(text),
            status=status,
            timestamp=moment,
        )


async def _outcome(verb: Awaitable[object]) -> object:
    try:
        return await verb
    except CipherError as error:
        return type(error)


def _comparable(value: Any) -> Any:
    """A value as plain data without epochs."""
    return value if isinstance(value, type) else _without_epoch(msgspec.to_builtins(value))


def _without_epoch(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_epoch(one) for name, one in value.items() if name != "epoch"}
    if isinstance(value, list | tuple):
        return [_without_epoch(one) for one in value]
    return value


def _hold_together(page: MessagePage) -> None:
    """What is true of every log, whatever the model says."""
    session, messages = page.session, page.messages
    assert [message.seq for message in messages] == list(range(1, session.head_seq + 1))
    assert session.message_count == session.head_seq
    assert 0 <= session.leaf_seq <= session.head_seq
    assert all(0 <= message.parent_seq < message.seq for message in messages)
    assert sum(turn.status == "running" for turn in page.turns) <= 1
    ended = [(m.turn_id, m.attempt) for m in messages if m.status is not None]
    assert len(ended) == len(set(ended))
