"""Conversations in PostgreSQL, for many servers at once.

`PostgresDatabase` is the whole public face. Imported only where it is configured: the driver stays
unloaded everywhere else.
"""

from cipher.storage.postgres.database import PostgresDatabase

__all__ = ["PostgresDatabase"]
