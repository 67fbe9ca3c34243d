"""The endpoints about the server itself: health, metrics, statistics, models.

Owns what "ready" means: not about to stop, and a durable write worked just now. Promises that
`/livez` answers as long as the event loop turns, whatever the storage does.
"""

from __future__ import annotations

import time
from functools import partial

from fastapi import FastAPI
from fastapi.responses import Response

from cipher import __version__
from cipher.agent.agent import MemAgent
from cipher.errors import Draining, StorageError
from cipher.model import LOCAL_OWNER
from cipher.storage.manager import StorageManager
from cipher.web.edge.metrics import CONTENT_TYPE, Metrics
from cipher.web.routes.answers import Answer, answer, answers, sends_file
from cipher.web.socket.hub import Hub
from cipher.web.watch import StorageWatch
from cipher.web.wire import Health, Model, Models, Stats


class ServiceRoutes:
    """What operators and the page ask of a server."""

    def __init__(
        self,
        agent: MemAgent,
        storage: StorageManager,
        watch: StorageWatch,
        hub: Hub,
        metrics: Metrics,
    ) -> None:
        self._agent = agent
        self._storage = storage
        self._watch = watch
        self._hub = hub
        self._metrics = metrics
        self._began = time.monotonic()

    def install(self, app: FastAPI) -> None:
        """Put the endpoints into the application."""
        add = partial(app.add_api_route, tags=["service"])
        add("/api/stats", self.stats, methods=["GET"], **answers(Stats, "What is held and stored."))
        add("/api/models", self.models, methods=["GET"], **answers(Models, "What can answer."))
        add("/livez", self.alive, methods=["GET"], **answers(Health, "The process is alive."))
        add("/readyz", self.ready, methods=["GET"], **answers(Health, "Send traffic."))
        add("/metrics", self.metrics, **sends_file("Everything that is counted.", "text/plain"))

    async def stats(self) -> Answer:
        """The brief's session metrics and a few more."""
        stats = await self._agent.sessions.stats(LOCAL_OWNER)
        return answer(
            Stats(
                active_sessions=stats.active_sessions,
                total_sessions=stats.total_sessions,
                total_messages=stats.total_messages,
                storage_connected=stats.storage_connected,
                average_message_count=stats.average_message_count,
                storage=self._storage.state,
                sockets=self._hub.sockets,
                version=__version__,
                uptime_seconds=int(time.monotonic() - self._began),
            )
        )

    async def models(self) -> Answer:
        """The language models that can be used now."""
        info = self._agent.model
        model = Model(id=info.id, demo=info.demo, notice=info.notice)
        return answer(Models(models=(model,), current=info.id))

    async def alive(self) -> Answer:
        """Whether the process answers."""
        return answer(Health(status="alive", storage=self._storage.state))

    async def ready(self) -> Answer:
        """Whether to send traffic here: green only if a durable write just worked."""
        if self._agent.draining:
            raise Draining
        await self._watch.check()
        return answer(Health(status="ready", storage=self._storage.state))

    async def metrics(self) -> Response:
        """Everything that is counted."""
        metrics = self._metrics
        metrics.storage_connected.set(self._storage.connected)
        cached = self._storage.cached
        if cached is not None:
            metrics.count_cache(
                connected=cached.cache_connected, hits=cached.hits, misses=cached.misses
            )
        try:
            stats = await self._agent.sessions.stats(LOCAL_OWNER)
        except StorageError:
            # The other counters matter most just when the storage is away.
            metrics.storage_connected.set(0)
        else:
            metrics.sessions_active.set(stats.active_sessions)
            metrics.sessions_total.set(stats.total_sessions)
        return Response(metrics.render(), media_type=CONTENT_TYPE)
