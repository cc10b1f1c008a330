"""A caller's connection: its requests become exchanges."""

import asyncio
import functools
import random
from typing import TYPE_CHECKING, cast

from proxy.engines.relay.requests import Malformed, read_request
from proxy.engines.relay.socket import Socket
from proxy.http2.connection import Connection
from proxy.http2.errors import ENHANCE_YOUR_CALM, PROTOCOL_ERROR, StreamFault
from proxy.http2.fields import Block
from proxy.http2.stream import Stream

if TYPE_CHECKING:
    from proxy.engines.relay.callers import Callers
    from proxy.engines.relay.carrier import Carrier

ROUND_TRIP = 0.25
"""Seconds between the GOAWAY that warns callers and the one that ends it: for calls that are on their way."""


class CallerConnection(Socket):
    """One; `all_of_them` is where it is found as long as it is open."""

    def __init__(
        self,
        dirty: list[Connection],
        carrier: "Carrier",
        all_of_them: "Callers",
        age: float | None,
    ) -> None:
        super().__init__(dirty, is_server=True)
        self._carrier = carrier
        self._all = all_of_them
        self._peer = ""
        self._age = age
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        name = transport.get_extra_info("peername")
        if not self._all.take(self, str(name[0]) if isinstance(name, tuple) else ""):
            cast("asyncio.Transport", transport).abort()
            return
        if self._age is not None:
            self._later(self._age * random.uniform(0.9, 1.1), last=False)  # noqa: S311  # not a secret
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._all.drop(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _later(self, delay: float, *, last: bool) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, functools.partial(self._retire, last=last))

    def _retire(self, *, last: bool) -> None:
        """Old enough: the caller shall connect anew. It closes this one when its calls have ended."""
        self.http2.leave(last=last)
        self.flush()
        if not last:
            self._later(ROUND_TRIP, last=True)

    def peer(self) -> str:
        """The caller's address, in gRPC name syntax."""
        if not self._peer and self.transport is not None:
            name = self.transport.get_extra_info("peername")
            if isinstance(name, tuple):
                self._peer = f"ipv6:[{name[0]}]:{name[1]}" if ":" in name[0] else f"ipv4:{name[0]}:{name[1]}"
        return self._peer or "unix:"

    def headers_came(self, stream: Stream, block: Block, *, ended: bool) -> None:
        """See Events."""
        if stream.owner is not None:
            stream.owner.caller_sent(b"", ended=ended)  # gRPC knows no trailers of a request
            return
        if block.fault:
            raise StreamFault(stream.id, ENHANCE_YOUR_CALM, block.fault)
        try:
            request = read_request(block)
        except Malformed as malformed:
            raise StreamFault(stream.id, PROTOCOL_ERROR, str(malformed)) from None
        self._carrier.begin(stream, request, self, ended=ended)

    def data_came(self, stream: Stream, payload: bytes, *, ended: bool) -> None:
        """See Events."""
        stream.owner.caller_sent(payload, ended=ended)

    def reset_came(self, stream: Stream, code: int) -> None:
        """See Events."""
        del code
        if stream.owner is not None:
            stream.owner.caller_reset()

    def settings_came(self) -> None:
        """See Events."""

    def went_away(self, code: int) -> None:
        """See Events: it opens no more streams, and will close."""
        del code

    def ping_answered(self) -> None:
        """See Events."""
