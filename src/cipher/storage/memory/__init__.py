"""Conversations in plain dicts and lists: the promises of `base.py` in their shortest form.

For tests, for an opted-in run without a disk, and as the reference for whoever writes another
backend: what this package does is what every backend must do, and the contract suite compares them.
`database` finds the sessions of an owner and lists them; `conversation` is what happens inside one.
"""

from cipher.storage.memory.database import MemoryDatabase

__all__ = ["MemoryDatabase"]
