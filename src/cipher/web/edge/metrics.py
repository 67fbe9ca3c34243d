"""What is counted, in Prometheus' form.

Owns the registry and every metric's name. Owns no decision about what happens: rooms call the
methods here, and turns are watched on the bus. Promises bounded labels: routes by template, codes
and outcomes from closed sets, never an id.
"""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from cipher.events import Event, MessageDelta, TurnEnded, TurnStarted

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """All counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.sessions_active = Gauge(
            "cipher_sessions_active", "Sessions held in memory.", registry=self.registry
        )
        self.sessions_total = Gauge(
            "cipher_sessions_total", "Sessions stored, the trash left out.", registry=self.registry
        )
        self.storage_connected = Gauge(
            "cipher_storage_connected", "Whether storage takes writes.", registry=self.registry
        )
        self.cache_connected = Gauge(
            "cipher_cache_connected", "Whether the cache is asked.", registry=self.registry
        )
        self._cache_reads = Counter(
            "cipher_cache_reads",
            "First pages that were read through the cache.",
            ["outcome"],
            registry=self.registry,
        )
        self._cache_counts = {"hit": 0, "miss": 0}
        self.sockets = Gauge("cipher_sockets", "Open WebSockets.", registry=self.registry)
        self.turns = Counter(
            "cipher_turns", "Ended attempts to answer.", ["status"], registry=self.registry
        )
        self.first_token = Histogram(
            "cipher_first_token_seconds",
            "From the start of an attempt to its first piece of text.",
            buckets=_SLOW,
            registry=self.registry,
        )
        self.append = Histogram(
            "cipher_append_seconds",
            "From a message's arrival to its durable commit.",
            buckets=_FAST,
            registry=self.registry,
        )
        self.http_requests = Counter(
            "cipher_http_requests",
            "HTTP requests by route template.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.http_seconds = Histogram(
            "cipher_http_request_seconds",
            "Time to answer by route template.",
            ["route"],
            buckets=_FAST,
            registry=self.registry,
        )
        frames = Counter(
            "cipher_socket_frames", "WebSocket frames.", ["direction"], registry=self.registry
        )
        bytes_ = Counter(
            "cipher_socket_bytes",
            "WebSocket payload bytes.",
            ["direction"],
            registry=self.registry,
        )
        self.frames_in, self.frames_out = frames.labels("in"), frames.labels("out")
        self.bytes_in, self.bytes_out = bytes_.labels("in"), bytes_.labels("out")
        self._started: dict[tuple[str, int], float] = {}

    def count_cache(self, *, connected: bool, hits: int, misses: int) -> None:
        """Take over what the cache has counted since the start."""
        self.cache_connected.set(connected)
        for outcome, count in (("hit", hits), ("miss", misses)):
            self._cache_reads.labels(outcome).inc(count - self._cache_counts[outcome])
            self._cache_counts[outcome] = count

    def observe(self, event: Event) -> None:
        """Follow turns on the bus."""
        match event:
            case TurnStarted():
                self._started[event.turn_id, event.attempt] = time.perf_counter()
            case MessageDelta():
                began = self._started.pop((event.turn_id, event.attempt), None)
                if began is not None:
                    self.first_token.observe(time.perf_counter() - began)
            case TurnEnded():
                self._started.pop((event.turn_id, event.attempt), None)
                self.turns.labels(event.status).inc()
            case _:
                pass

    def render(self) -> bytes:
        """Everything, in the text format."""
        return generate_latest(self.registry)
