"""The sidecar as a process: put together, brought up, drained and taken down.

Start: last known good, else the file's service → engine → doors → announced. Stop (SIGTERM, SIGINT or
/drain): not ready → `drain_delay` → calls in flight end → a last report → exit 0.
"""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import pathlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from understudy.serving.announce import announce
from understudy.serving.failure import CannotStart
from understudy.serving.http import HttpServer

from proxy.admin import Doors, admin_app, status_app
from proxy.beginning import begin
from proxy.config.acceptance import Refusal
from proxy.config.last_known_good import LastKnownGood
from proxy.engines.engine import Engine, Listening
from proxy.policy.admission import CallLimits, MirrorLimits
from proxy.policy.table import Table
from proxy.policy.trust import TrustedPeers
from proxy.settings import Settings
from proxy.stats.ledger import Ledger
from proxy.telemetry.exporting import provider_from
from proxy.telemetry.metrics import Seen, registry
from proxy.telemetry.tracing import Tracing
from proxy.tls.keyring import Refused

if TYPE_CHECKING:
    from proxy.following import Following

_log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005
"""Seconds that another thread (one that compares large predictions) may keep the event loop waiting."""

LAST_SPANS = 3.0
"""Seconds that the last spans may hold up the exit."""


class Sidecar:
    """One sidecar, from start to exit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger = Ledger(settings.mismatches, settings.ticket_secret)
        self._stopping = asyncio.Event()
        self._applied_at = time.monotonic()
        self._state = (
            LastKnownGood(settings.state_dir, settings.subscribe, _root(settings))
            if settings.state_dir and settings.control
            else None
        )
        self._following: Following | None = None

    def __repr__(self) -> str:
        return f"<Sidecar {self._settings.node}, stopping={self._stopping.is_set()}>"

    def stop(self) -> None:
        """Begin to drain; the process ends when that is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until told to stop. Raises CannotStart."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        tracing = Tracing(self._settings.tracing_ratio, provider_from(os.environ))
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._serve(tasks, tracing)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await asyncio.to_thread(tracing.shutdown, LAST_SPANS)

    async def _serve(self, tasks: asyncio.TaskGroup, tracing: Tracing) -> None:
        settings = self._settings
        engine = _engine(settings.engine)(
            tasks,
            self._ledger,
            tracing,
            CallLimits(settings.in_flight, settings.in_flight_per_variant),
            MirrorLimits(settings.mirror_bytes, settings.place.of),
            TrustedPeers(settings.trusted_peers),
            Listening(settings.reuse_port, settings.max_connection_age, settings.place, settings.tls),
            settings.ticket_secret,
        )
        begin(engine, self._state, settings.service)
        doors = Doors(
            engine,
            registry(self._ledger, lambda: self._seen(engine)),
            self._stopping.is_set,
            self.stop,
            self._ledger.mismatches,
        )
        admin = HttpServer(admin_app(doors), settings.admin)
        status = HttpServer(status_app(doors), settings.status) if settings.status else None
        try:
            listening = {
                "data": await engine.start(settings.listen),
                "admin": await _listen("admin", admin, settings.admin, tasks),
            }
            if status is not None:
                listening["status"] = await _listen("status", status, settings.status, tasks)
        except CannotStart:
            await engine.drain(0)
            raise
        async with self._control_service(engine, tasks):
            self._obey()
            # What is there now stays: nobody waits while the collector walks through it again and again.
            gc.collect()
            gc.freeze()
            announce(listening)
            _log.info("listening", extra=listening)
            await self._stopping.wait()
            _log.info("draining")
            await asyncio.sleep(settings.drain_delay)
            await engine.drain(settings.drain_timeout)
            if self._following is not None:
                await self._following.last_report()
        await admin.stop()
        if status is not None:
            await status.stop()
        _log.info("drained")

    def _obey(self) -> None:
        """Whoever asks it to stop: signals, or, where it is one of several workers, its parent alone."""
        loop = asyncio.get_running_loop()
        if self._settings.place.of > 1:
            loop.add_reader(sys.stdin.fileno(), self._listen_to_parent)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def _listen_to_parent(self) -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop()

    @contextlib.asynccontextmanager
    async def _control_service(self, engine: Engine, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """While inside, follow the control service and report to it, where one is configured."""
        settings = self._settings
        if not settings.control:
            drop = tasks.create_task(self._forget_windows(), name="windows")
            yield
            drop.cancel()
            return
        # gRPC's library takes 10 MB, and a sidecar of engine relay has no other use for it.
        from proxy.following import following  # noqa: PLC0415

        applied = functools.partial(self._apply, engine)
        async with following(settings, engine, self._ledger, applied, tasks) as self._following:
            yield

    async def _apply(self, engine: Engine, table: Table) -> None:
        """Bring a table into force, then keep it; a disk that fails is no reason to refuse it."""
        try:
            engine.apply(table)
        except Refused as refused:
            raise Refusal(str(refused), refused.violations) from None
        self._applied_at = time.monotonic()
        if self._state is not None:
            try:
                await asyncio.to_thread(self._state.save, table.snapshot)
            except OSError as error:
                _log.warning("snapshot not kept", extra={"path": str(self._state.path), "reason": str(error)})

    async def _forget_windows(self) -> None:
        """Without a control service nobody takes the windows away."""
        while True:
            await asyncio.sleep(60)
            self._ledger.take_window()

    def _seen(self, engine: Engine) -> Seen:
        following = self._following
        return Seen(
            table=engine.table(),
            in_flight=engine.in_flight(),
            config_age=time.monotonic() - self._applied_at if engine.table() else None,
            config_rejected=following.rejected if following else 0,
            control_connected=following.is_connected if following else None,
        )


def _engine(name: str) -> Callable[..., Engine]:
    """Imported only where it is used."""
    if name == "relay":
        from proxy.engines.relay.engine import RelayEngine  # noqa: PLC0415

        return RelayEngine
    from proxy.engines.grpc_aio.engine import GrpcAioEngine  # noqa: PLC0415

    return GrpcAioEngine


def _root(settings: Settings) -> pathlib.Path | None:
    """The whole sidecar's directory, where each worker has one in it."""
    return settings.state_dir.parent if settings.state_dir and settings.place.of > 1 else None


async def _listen(field: str, server: HttpServer, address: str, tasks: asyncio.TaskGroup) -> str:
    try:
        return await server.start(tasks)
    except OSError as error:
        raise CannotStart(f"{field}: {address} cannot be had: {error.strerror or error}") from None
