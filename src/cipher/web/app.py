"""The wiring: every part of a server, made once and put together here and nowhere else.

Owns the order in which parts start and stop: the port is taken, then come storage, sessions and
lost turns, then requests are answered, and the model library is imported after that, in the
background. Stopping is the reverse. Owns no behaviour. `create_app` gives an application for any
ASGI server, `serve` runs our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from cipher import __version__
from cipher.agent.agent import MemAgent
from cipher.agent.llm import LanguageModel, choose_model
from cipher.config import Settings
from cipher.errors import ModelError
from cipher.events import ServerDraining
from cipher.log import set_up_logging
from cipher.model import LOCAL_OWNER
from cipher.sessions.bus import LocalBus
from cipher.sessions.manager import SessionManager, SessionManagerConfig
from cipher.storage.manager import StorageManager
from cipher.web import server
from cipher.web.edge.access import Access
from cipher.web.edge.body import BodyLimit
from cipher.web.edge.guard import AllowList, Guard, SecurityHeaders
from cipher.web.edge.metrics import Metrics
from cipher.web.page import Page
from cipher.web.routes.answers import MAX_BODY_BYTES, install_refusals
from cipher.web.routes.docs import Docs
from cipher.web.routes.service import ServiceRoutes
from cipher.web.routes.sessions import SessionRoutes
from cipher.web.routes.stale import StaleAnswers
from cipher.web.routes.transfer import IMPORT_PATH, MAX_IMPORT_BYTES, TransferRoutes
from cipher.web.routes.turns import TurnRoutes
from cipher.web.socket.connection import SocketContext
from cipher.web.socket.endpoint import SocketEndpoint
from cipher.web.socket.hub import Hub
from cipher.web.socket.limits import SocketLimits
from cipher.web.watch import StorageWatch

DRAIN: Final = timedelta(seconds=25)
_STOP_SECONDS: Final = 1.5
"""How much longer than `DRAIN` stopping the turns may take."""
_RECONNECT_MS: Final = 2_000

log = structlog.get_logger()


class Services:
    """Everything behind the routes of one server. `open` and `close` may be called twice."""

    def __init__(self, settings: Settings, model: LanguageModel, limits: SocketLimits) -> None:
        self.settings = settings
        self.limits = limits
        self.model = model
        self.bus = LocalBus()
        self.storage = StorageManager.from_settings(settings, exclusive=True)
        self.sessions = SessionManager(
            self.storage,
            self.bus,
            SessionManagerConfig(
                max_sessions=settings.session_max_sessions,
                idle=settings.session_idle,
                ttl_action=settings.session_ttl_action,
            ),
        )
        self.agent = MemAgent(
            self.sessions,
            self.storage.database,
            model,
            self.bus,
            system_prompt=settings.llm_system_prompt,
        )
        self.hub = Hub(self.bus)
        self.metrics = Metrics()
        self.watch = StorageWatch(self.storage, self.hub.broadcast)
        self._unobserve: Callable[[], None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._drained = False

    async def open(self) -> None:
        """Open the storage and close what a dead process left. Raises: StorageError."""
        if self._unobserve is not None:
            return
        await self.storage.open()
        self._unobserve = self.bus.subscribe(LOCAL_OWNER, self.metrics.observe)
        await self.sessions.start()
        await self.agent.start()
        self.watch.start()

    def warm(self) -> None:
        """Get the model ready in the background."""
        self._warming = asyncio.create_task(self._warm(), name="model-warming")

    async def drain(self, patience: timedelta = DRAIN) -> None:
        """Refuse new messages, and let running answers finish."""
        if self._drained:
            return
        self._drained = True
        seconds = patience.total_seconds()
        log.info("draining", turns=self.agent.running_turns, patience_seconds=seconds)
        self.hub.broadcast(ServerDraining(reconnect_after_ms=_RECONNECT_MS))
        try:
            async with asyncio.timeout(seconds + _STOP_SECONDS):
                interrupted = await self.agent.close(drain=patience)
        except TimeoutError:
            log.error("running turns did not stop; the next start ends them")
        else:
            log.info("drained", interrupted=interrupted)

    async def close(self) -> None:
        """Stop everything that `open` started."""
        if self._unobserve is None:
            return
        self._unobserve()
        self._unobserve = None
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self.watch.close()
        await self.drain(timedelta(0))
        await self.sessions.close()
        await self.storage.close()

    async def _warm(self) -> None:
        try:
            await self.model.warm()
        except ModelError as error:
            log.warning("model is not ready", code=error.code)
        info = self.model.info
        log.info("model", model=info.id, provider=info.provider, demo=info.demo)


def create_app(
    settings: Settings,
    *,
    model: LanguageModel | None = None,
    limits: SocketLimits | None = None,
) -> ASGIApp:
    """The application for any ASGI server; its lifespan opens and closes what is behind it."""
    services = Services(settings, model or choose_model(settings), limits or SocketLimits())
    return _application(services)


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until a signal. `on_ready` gets the address once requests are answered.

    Raises: SettingsError for a host or port that can not be had, StorageError.
    """
    set_up_logging(settings.log_level, settings.log_format)

    async def until_signal() -> None:
        stop = asyncio.Event()
        with server.signals(stop):
            await serve_until(stop, settings, on_ready=on_ready)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(until_signal())


async def serve_until(
    stop: asyncio.Event,
    settings: Settings,
    *,
    on_ready: Callable[[str], None] | None = None,
    model: LanguageModel | None = None,
    limits: SocketLimits | None = None,
    drain: timedelta = DRAIN,
) -> None:
    """`serve` for programs with a loop and a logging of their own: ends when `stop` is set."""
    sockets = server.listen(settings)
    address = server.address_of(settings, sockets)
    try:
        services = Services(settings, model or choose_model(settings), limits or SocketLimits())
        await services.open()
    except BaseException:
        for listener in sockets:
            listener.close()
        raise

    def ready() -> None:
        log.info("ready", address=address, storage=services.storage.state)
        if on_ready is not None:
            on_ready(address)
        services.warm()

    try:
        await server.run(
            _application(services),
            sockets,
            stop,
            max_frame_bytes=services.limits.max_frame_bytes,
            on_ready=ready,
            drain=lambda: services.drain(drain),
        )
    finally:
        await services.close()


def _application(services: Services) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await services.open()
        yield
        await services.close()

    app = FastAPI(
        title="Cipher",
        version=__version__,
        description="Persistent chat sessions over REST; live events are on the socket at /ws.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    agent, storage, metrics = services.agent, services.storage, services.metrics
    install_refusals(app, storage.suspect)
    SessionRoutes(agent, StaleAnswers(storage)).install(app)
    TurnRoutes(
        agent,
        storage.database.durability,
        metrics,
        sends_per_minute=services.limits.sends_per_minute,
    ).install(app)
    TransferRoutes(agent, storage.database).install(app)
    ServiceRoutes(agent, storage, services.watch, services.hub, metrics).install(app)
    Docs(app)
    socket = SocketEndpoint(
        SocketContext(
            agent=agent,
            storage=storage,
            hub=services.hub,
            metrics=metrics,
            limits=services.limits,
        )
    )
    app.router.routes.append(WebSocketRoute("/ws", socket.serve))
    Page().install(app)
    limited = BodyLimit(app, MAX_BODY_BYTES, {IMPORT_PATH: MAX_IMPORT_BYTES})
    guarded = Guard(limited, AllowList(services.settings))
    return SecurityHeaders(Access(guarded, metrics))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
