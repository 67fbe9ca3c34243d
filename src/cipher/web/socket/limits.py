"""The limits of one socket, as the protocol publishes them.

Owns the numbers, nothing else; `welcome` tells clients those that they can act on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """How much one socket may ask, and how long it may keep silent or be deaf."""

    max_frame_bytes: int = 262_144
    inflight: int = 16
    """Sends that may wait for their ack."""
    sends_per_minute: int = 120
    subscriptions: int = 100
    bad_frames: int = 10
    """Frames that were no frames before the socket is closed."""

    hello_seconds: float = 5.0
    ping_seconds: float = 20.0
    heartbeat_seconds: float = 60.0
    blocked_seconds: float = 10.0

    queue_frames: int = 256
    queue_bytes: int = 1_048_576
    replay_messages: int = 1_000
    """A longer gap is not replayed: loading the history is faster."""
