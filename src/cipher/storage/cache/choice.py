"""Which cache the settings ask for, around a database.

Owns the secret that seals what is cached. Servers on one PostgreSQL derive it from its URL, which
has the password, so that they read what the others wrote. On SQLite there is one server, and the
secret ends with it: what an earlier one left in a Redis is unknown to the next.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b

from cipher.config import Settings
from cipher.storage.base import DatabaseBackend
from cipher.storage.cache.base import CacheBackend
from cipher.storage.cache.database import CachedDatabase
from cipher.storage.cache.memory import MemoryCache


def cached(database: DatabaseBackend, settings: Settings) -> CachedDatabase:
    """The database behind the configured cache, neither of them open. Raises: SettingsError."""
    cache: CacheBackend = MemoryCache()
    if settings.storage_cache_type == "redis":
        # Here, for the driver takes longer to import than everything else together.
        from cipher.storage.cache.guard import GuardedCache
        from cipher.storage.cache.redis import RedisCache

        cache = GuardedCache(RedisCache(settings.storage_cache_url.get_secret_value()))
    secret = secrets.token_bytes(32)
    if settings.storage_database_type == "postgres":
        url = settings.storage_database_url.get_secret_value()
        secret = blake2b(url.encode(), digest_size=32).digest()
    return CachedDatabase(database, cache, secret=secret)
