"""Numbered SQL steps, one folder per database; released files never change, new ones are added."""

from __future__ import annotations

import re
from importlib.resources import files

import msgspec


class Migration(msgspec.Struct, frozen=True):
    """One step: `number` is the schema version that it leads to."""

    number: int
    name: str
    sql: str


def migrations_for(database: str) -> list[Migration]:
    """All steps of a database (`sqlite`), in order. Numbers are 1, 2, 3… without gap."""
    steps = []
    for file in files(__name__).joinpath(database).iterdir():
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", file.name)
        if match:
            steps.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    steps.sort(key=lambda step: step.number)
    return steps
