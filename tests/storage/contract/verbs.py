"""The verbs that name an owner and a session, each as one call, for promises that hold for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cipher.model import SessionPatch
from cipher.storage.base import DatabaseBackend
from tests.storage.samples import answer, at, lease, said

Verb = Callable[[DatabaseBackend, str, str], Awaitable[object]]

REFUSED_IN_TRASH: dict[str, Verb] = {
    "get_session": lambda db, owner, s: db.get_session(owner, s),
    "update_session": lambda db, owner, s: db.update_session(
        owner, s, SessionPatch(title="mine"), at=at(1)
    ),
    "delete_session": lambda db, owner, s: db.delete_session(owner, s, at=at(1)),
    "append": lambda db, owner, s: db.append(owner, s, said()),
    "branch": lambda db, owner, s: db.branch(owner, s),
    "log": lambda db, owner, s: db.log(owner, s),
    "get_turn": lambda db, owner, s: db.get_turn(owner, s, "turn"),
    "start_turn": lambda db, owner, s: db.start_turn(owner, s, lease()),
    "retry_turn": lambda db, owner, s: db.retry_turn(owner, s, "turn", lease()),
}
WELCOME_IN_TRASH: dict[str, Verb] = {
    "restore_session": lambda db, owner, s: db.restore_session(owner, s),
    "purge_session": lambda db, owner, s: db.purge_session(owner, s),
    "finish_turn": lambda db, owner, s: db.finish_turn(owner, s, "turn", 1, answer()),
}


def _named(verbs: dict[str, Verb]) -> list[object]:
    return [pytest.param(verb, id=name) for name, verb in verbs.items()]


VERBS_REFUSED_IN_TRASH = _named(REFUSED_IN_TRASH)
VERBS_ON_A_SESSION = _named(REFUSED_IN_TRASH | WELCOME_IN_TRASH)
