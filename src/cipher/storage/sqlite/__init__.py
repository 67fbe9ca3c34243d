"""SQLite: the default database, one file, nothing to install.

`database` has the verbs of `storage/base.py`; `writer` is the one thread that writes, with group
commit; `sessions`, `messages` and `turns` are what the verbs do inside a transaction; `connection`
opens files and translates errors; `schema` migrates. The file as a whole: `files` names, moves and
locks it, `backup` copies it in use, `restore` puts a copy in its place, `check` looks whether every
log is whole, `recover` and `mend` save what a damaged one still holds.
"""

from cipher.storage.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
