"""What a disk holds after its power was cut: rebuilt from the tape of what happened before.

Owns the rules. What was synced is there. Of the writes since, each may be there or not, whole or in
sectors of 512 bytes, in any order. A sync that failed has lost what it was to make safe, and a
later one does not bring it back: that is what Linux does. A file that was deleted may still be
there until its folder is synced, which SQLite does with the first sync of a journal or WAL.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

from tests.storage.disk import Cut, Deleted, Event, Heard, Opened, Synced, Wrote

Manner: TypeAlias = Literal["dropped", "kept", "torn"]
"""What becomes of unsynced writes: none is there, some are, parts of some are."""
SECTOR = 512
JOURNALS = ("-journal", "-wal")


class Platter:
    """Play the tape with `follow`, and look at any moment with `image`."""

    def __init__(self) -> None:
        self._certain: dict[str, bytearray] = {}
        self._pending: dict[str, list[Wrote | Cut]] = {}
        self._deleted: dict[str, bytes] = {}

    def hold(self, name: str, content: bytes) -> None:
        """A file that was there before the tape began."""
        self._certain[name], self._pending[name] = bytearray(content), []

    def follow(self, event: Event) -> None:
        """Do what the disk did next."""
        match event:
            case Opened(file=name, content=content):
                if name not in self._certain:
                    self._deleted.pop(name, None)
                    self._certain[name], self._pending[name] = bytearray(content), []
            case Wrote() | Cut():
                self._pending[event.file].append(event)
            case Synced(file=name, failed=failed):
                if not failed:
                    for change in self._pending[name]:
                        _apply(self._certain[name], change)
                    if name.endswith(JOURNALS):
                        self._deleted.clear()
                self._pending[name].clear()
            case Deleted(file=name, synced=synced):
                last = self._certain.pop(name)
                del self._pending[name]
                if not synced:
                    self._deleted[name] = bytes(last)
            case Heard():
                pass

    def image(self, manner: Manner, luck: Random) -> dict[str, bytes]:
        """The files by their bare names, as they are found after a cut at this moment."""
        found: dict[str, bytes] = {}
        share = luck.choice((0.1, 0.5, 0.9, 0.99))
        for name, last in self._deleted.items():
            if manner != "dropped" or luck.random() < 0.5:
                found[Path(name).name] = last
        for name, certain in self._certain.items():
            content = bytearray(certain)
            for change in self._pending[name] if manner != "dropped" else ():
                for part in _parts(change) if manner == "torn" else (change,):
                    if luck.random() < share:
                        _apply(content, part)
            found[Path(name).name] = bytes(content)
        return found


def _parts(change: Wrote | Cut) -> list[Wrote | Cut]:
    """A change in the pieces of which each may reach the disk alone."""
    if isinstance(change, Cut):
        return [change]
    parts: list[Wrote | Cut] = []
    begin = 0
    while begin < len(change.data):
        end = begin + SECTOR - (change.offset + begin) % SECTOR
        parts.append(Wrote(change.file, change.offset + begin, change.data[begin:end]))
        begin = end
    return parts


def _apply(content: bytearray, change: Wrote | Cut) -> None:
    if isinstance(change, Cut):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data
