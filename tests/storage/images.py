"""The files that a disk was found with, put into a folder and read as the store reads them.

Fast, because there are thousands: one connection, no threads. Opening is made of the store's own
calls, in its order.
"""

from __future__ import annotations

from pathlib import Path

from cipher.errors import SessionNotFound
from cipher.model import Message
from cipher.storage.sqlite import connection, messages
from cipher.storage.sqlite.schema import migrate
from tests.storage.samples import OWNER


def put_down(image: dict[str, bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in image.items():
        (folder / name).write_bytes(content)


def read_at_once(path: Path) -> tuple[Message, ...] | None:
    """The log of an image, None without a session, with the calls that opening is made of."""
    if not path.exists():
        return None  # a database gets its name once its tables are in it
    opened = connection.connect(path)
    try:
        migrate(opened)
        assert opened.pragma("integrity_check") == "ok"
        return messages.log(opened, OWNER, "s", 0, 100_000).messages
    except SessionNotFound:
        return None
    finally:
        opened.close()
