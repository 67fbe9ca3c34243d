"""What the errors of PostgreSQL and its driver mean for the caller."""

from __future__ import annotations

import asyncpg
import msgspec

from cipher.errors import (
    BadRequest,
    CipherError,
    ReadOnly,
    StorageCorrupt,
    StorageFull,
    StorageUnavailable,
)

DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # TimeoutError and refused connections among them
    msgspec.DecodeError,
    UnicodeEncodeError,
    OverflowError,
)
"""What can come out of a verb that is none of ours."""

COLLISIONS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Two transactions were in each other's way and this one was rolled back: it may try again."""


def translate(error: BaseException) -> CipherError:
    """The error of our tree that says what an error of the driver means for the caller."""
    match error:
        case CipherError():
            return error
        case asyncpg.DataCorruptedError() | asyncpg.IndexCorruptedError() | msgspec.DecodeError():
            return StorageCorrupt()
        case UnicodeEncodeError():
            return BadRequest("The text has a lone surrogate, which no encoding can keep.")
        case OverflowError():
            return BadRequest("The number is too large.")
        case asyncpg.CharacterNotInRepertoireError() | asyncpg.UntranslatableCharacterError():
            return BadRequest("The text has U+0000, which this storage can not keep there.")
        case asyncpg.DataError() | ValueError():
            return BadRequest("The value can not be kept.")
        case asyncpg.ProgramLimitExceededError():
            return BadRequest("The value is too large to be kept.")
        case asyncpg.DiskFullError():
            return StorageFull()
        case asyncpg.ReadOnlySQLTransactionError():
            return ReadOnly()
        case _:
            return StorageUnavailable()
