"""Sends what was seen to the control service, window by window.

A report that was sent once is sent again, unchanged and under its own number, until it is confirmed; only
then is the next window closed. While the control service is away one window grows: nothing is lost and
nothing piles up.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import grpc
from understudy.v1 import telemetry_pb2, telemetry_pb2_grpc

from proxy.engines.engine import Liveness
from proxy.stats.ledger import Ledger
from proxy.telemetry.report import build_report

_log = logging.getLogger(__name__)

TIMEOUT = 5.0


class Reporter:
    """Reports for one service under one boot id; `interval` in seconds."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        ledger: Ledger,
        liveness: Callable[[], Mapping[str, Liveness]],
        *,
        node: str,
        boot_id: str,
        service: str,
        interval: float,
    ) -> None:
        self._stub = telemetry_pb2_grpc.TelemetryStub(channel)
        self._ledger = ledger
        self._liveness = liveness
        self._node = node
        self._boot_id = boot_id
        self._service = service
        self._interval = interval
        self._sequence = 0
        self._start = time.time()
        self._pending: telemetry_pb2.TelemetryReportRequest | None = None

    def __repr__(self) -> str:
        return f"<Reporter {self._node} sequence {self._sequence}, pending={self._pending is not None}>"

    async def run(self) -> None:
        """Report at every interval for ever."""
        while True:
            await asyncio.sleep(self._interval)
            await self.report()

    async def report(self) -> bool:
        """Send the pending report, else what was seen since the last; whether it was confirmed."""
        if self._pending is None:
            self._pending = self._close_window()
        try:
            await self._stub.Report(self._pending, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                # It will never be taken; keeping it would hold back all that follow.
                _log.error("report refused", extra={"details": error.details()})
                self._pending = None
            return False
        self._pending = None
        return True

    def _close_window(self) -> telemetry_pb2.TelemetryReportRequest:
        self._sequence += 1
        end = time.time()
        start, self._start = self._start, end
        self._ledger.overtake(time.perf_counter())
        return build_report(
            self._ledger.take_window(),
            self._liveness(),
            node=self._node,
            boot_id=self._boot_id,
            sequence=self._sequence,
            service=self._service,
            start=start,
            end=end,
        )
