"""The control service, followed and reported to, as long as a sidecar serves."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc

from proxy.config.subscription import CHANNEL_OPTIONS, Subscription
from proxy.engines.engine import Engine
from proxy.policy.table import Table
from proxy.settings import Settings
from proxy.stats.ledger import Ledger
from proxy.telemetry.reporter import Reporter

LAST_REPORT = 2.0
"""Seconds that the last report may hold up the exit."""


class Following:
    """One channel to the control service: a subscription and a reporter."""

    def __init__(self, subscription: Subscription, reporter: Reporter) -> None:
        self._subscription = subscription
        self._reporter = reporter

    def __repr__(self) -> str:
        return f"<Following {self._subscription}>"

    @property
    def rejected(self) -> int:
        """Snapshots that were refused."""
        return self._subscription.rejected

    @property
    def is_connected(self) -> bool:
        """Whether the control service is there."""
        return self._subscription.connected

    async def last_report(self) -> None:
        """Tell what was not told yet, if the control service takes it in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_REPORT):
                await self._reporter.report()  # the pending one, where there is one
                await self._reporter.report()


@contextlib.asynccontextmanager
async def following(
    settings: Settings,
    engine: Engine,
    ledger: Ledger,
    apply: Callable[[Table], Awaitable[None]],
    tasks: asyncio.TaskGroup,
) -> AsyncIterator[Following]:
    """While inside, what the control service pushes is applied, and what happens is reported to it."""
    boot_id = secrets.token_hex(8)
    async with grpc.aio.insecure_channel(settings.control, options=CHANNEL_OPTIONS) as channel:
        subscription = Subscription(
            channel,
            service=settings.subscribe,
            node=settings.node,
            boot_id=boot_id,
            in_force=engine.table,
            apply=apply,
        )
        reporter = Reporter(
            channel,
            ledger,
            engine.liveness,
            node=settings.node,
            boot_id=boot_id,
            service=settings.subscribe,
            interval=settings.report_interval,
        )
        running = [
            tasks.create_task(subscription.run(), name="subscription"),
            tasks.create_task(reporter.run(), name="reports"),
        ]
        yield Following(subscription, reporter)
        for one in running:
            one.cancel()
