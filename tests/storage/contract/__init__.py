"""The contract suite: every promise of `storage/base.py` as a test that any backend must pass.

Subclass `StorageContract` with a `database` fixture that yields an open, empty backend; the tests
come along. Each module here holds the promises about one subject. What only one backend promises
stands in the tests of that backend.
"""

from tests.storage.contract.answers import AnswerPromises
from tests.storage.contract.concurrency import ConcurrencyPromises
from tests.storage.contract.imports import ImportPromises
from tests.storage.contract.lifecycle import LifecyclePromises
from tests.storage.contract.lists import ListPromises
from tests.storage.contract.messages import MessagePromises
from tests.storage.contract.sessions import SessionPromises
from tests.storage.contract.texts import TextPromises
from tests.storage.contract.trash import TrashPromises
from tests.storage.contract.turns import TurnPromises

__all__ = ["StorageContract"]


class StorageContract(
    LifecyclePromises,
    SessionPromises,
    TrashPromises,
    ListPromises,
    MessagePromises,
    TextPromises,
    TurnPromises,
    AnswerPromises,
    ImportPromises,
    ConcurrencyPromises,
):
    """All promises of a backend, to be inherited by the test class of one."""
