"""The control service as one process: what it is made of, in the order it starts; it stops in reverse.

store ─▶ board (all that is in force) ─▶ rollouts under way ─▶ gRPC door ─▶ HTTP door ─▶ announce
"""

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import grpc
from understudy.serving.addresses import join_address, parse_address
from understudy.serving.announce import announce
from understudy.serving.failure import CannotStart
from understudy.serving.http import HttpServer, bind
from understudy.v1 import (
    control_pb2,
    discovery_pb2_grpc,
    outcomes_pb2_grpc,
    rollouts_pb2_grpc,
    services_pb2_grpc,
    telemetry_pb2_grpc,
)

from control.api.outcomes import OutcomesApi
from control.api.rollouts import RolloutsApi
from control.api.services import ServicesApi
from control.clock import Clock, SystemClock
from control.delivery.board import Board
from control.delivery.discovery import Discovery
from control.delivery.fleet import Fleet
from control.delivery.leadership import Leadership
from control.delivery.recent import Recent
from control.delivery.telemetry import Telemetry
from control.desk import Desk
from control.external.reader import Reader
from control.forgetting import forget
from control.notify import Notifier
from control.outcomes.intake import DEFAULT_HORIZON, Rules
from control.reconciler import Reconciler
from control.replay import Replay
from control.retirement import Retirement
from control.rollout.model import Settings
from control.signals import Changes
from control.status.live import LiveViews
from control.store.retention import Keep
from control.store.store import open_store
from control.surroundings import Surroundings
from control.times import to_seconds
from control.web.app import build_app

GRACE = 1.5
"""Seconds that calls under way have at the end."""

TICK = 0.25
"""Seconds between two looks at a rollout."""

SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),  # a stopped peer's kernel goes on to ACK: only this ends it
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Config:
    """A checked Control message, with its defaults."""

    listen: str
    http: str
    store: str
    settings: Settings
    notify: tuple[control_pb2.Notify, ...]
    trace_url: str
    keep: Keep = Keep()  # noqa: RUF009 - it is frozen
    outcomes: Rules = field(default_factory=Rules, repr=False)  # with secrets in it

    @classmethod
    def from_proto(cls, control: control_pb2.Control, secrets: Sequence[bytes] = ()) -> "Config":
        settings = Settings()
        return cls(
            listen=control.listen or "127.0.0.1:7080",
            http=control.http or "127.0.0.1:7081",
            store=control.store or "sqlite:///understudy.db",
            settings=Settings(
                min_acked=control.min_acked if control.HasField("min_acked") else settings.min_acked,
                ack_timeout=to_seconds(control.ack_timeout)
                if control.HasField("ack_timeout")
                else settings.ack_timeout,
            ),
            notify=tuple(control.notify),
            trace_url=control.trace_url,
            keep=_keep(control),
            outcomes=Rules(
                horizon=to_seconds(control.outcome_horizon)
                if control.HasField("outcome_horizon")
                else DEFAULT_HORIZON,
                secrets=secrets,
            ),
        )


def _keep(control: control_pb2.Control) -> Keep:
    """For how long what is kept, by the fields `keep_…`."""
    asked = {
        name: to_seconds(getattr(control, f"keep_{name}"))
        for name in ("evidence", "audit", "sidecars")
        if control.HasField(f"keep_{name}")  # type: ignore[arg-type]  # it is one of three literals
    }
    return Keep(**asked)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a running control service really listens."""

    grpc: str
    http: str


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT; CannotStart says why it could not begin."""
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    async with running(config) as listening:
        announce({"grpc": listening.grpc, "http": listening.http})
        await asked_to_stop.wait()
        logger.info("stopping")


@contextlib.asynccontextmanager
async def running(config: Config, clock: Clock | None = None, tick: float = TICK) -> AsyncIterator[Listening]:
    """A control service at work, inside a process that owns its loop and its signals."""
    try:
        async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as undo:
            yield await _start(config, clock or SystemClock(), tick, tasks, undo)
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1 and isinstance(group.exceptions[0], CannotStart):
            raise group.exceptions[0] from None
        raise


async def _start(
    config: Config,
    clock: Clock,
    tick: float,
    tasks: asyncio.TaskGroup,
    undo: contextlib.AsyncExitStack,
) -> Listening:
    store = await open_store(config.store, tasks)
    undo.push_async_callback(store.close)
    visible, posted = Changes(), Changes()
    board, fleet, recent = Board(await store.next_epoch()), Fleet(visible), Recent()
    leadership = Leadership(store, board, fleet, visible)
    board.put_up(await store.services.every())

    notifying = tasks.create_task(Notifier(store.outbox, posted, clock, random.random).run(), name="notify")
    undo.push_async_callback(_end, notifying)
    reader = Reader(store.evidence, clock)
    around = Surroundings(
        store, board, fleet, clock, config.settings, config.notify, visible, posted, reader, leadership
    )
    retiring = tasks.create_task(
        Retirement(store, board, leadership, clock, visible).run(tick * 4), name="retirement"
    )
    undo.push_async_callback(_end, retiring)
    forgetting = tasks.create_task(forget(store, fleet, clock, config.keep), name="forgetting")
    undo.push_async_callback(_end, forgetting)
    reconciler = Reconciler(around, tasks, tick)
    await reconciler.begin()
    undo.push_async_callback(reconciler.stop)

    views = LiveViews(store, board, fleet, leadership, recent, reconciler, clock, visible, config.trace_url)
    discovery = Discovery(board, fleet, leadership, clock)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    desk = Desk(store.services, board, fleet, leadership, clock, visible)
    services_pb2_grpc.add_ServicesServicer_to_server(ServicesApi(desk, reconciler, views, leadership), server)
    rollouts_pb2_grpc.add_RolloutsServicer_to_server(RolloutsApi(reconciler, views, Replay(store)), server)
    telemetry_pb2_grpc.add_TelemetryServicer_to_server(
        Telemetry(store.evidence, fleet, recent, clock), server
    )
    outcomes_pb2_grpc.add_OutcomesServicer_to_server(
        OutcomesApi(store.outcomes, board, clock, config.outcomes), server
    )
    discovery_pb2_grpc.add_ConfigDiscoveryServicer_to_server(discovery, server)
    bound = _add_port(server, config.listen)
    page = HttpServer(build_app(views), config.http)
    try:
        http = await page.start(tasks)
    except OSError as error:
        raise CannotStart(f"http: {config.http} cannot be had: {_why(error)}") from None
    undo.push_async_callback(page.stop)
    await server.start()
    undo.push_async_callback(server.stop, GRACE)
    undo.callback(discovery.stop)
    undo.callback(views.stop)
    return Listening(grpc=bound, http=http)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _add_port(server: grpc.aio.Server, address: str) -> str:
    """Bind the gRPC port; the address that was really bound."""
    host, port = parse_address(address)
    try:
        bind(address).close()  # gRPC would not say why it cannot
        return join_address(host, server.add_insecure_port(join_address(host, port)))
    except (OSError, RuntimeError) as error:
        raise CannotStart(f"listen: {address} cannot be had: {_why(error)}") from None


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
