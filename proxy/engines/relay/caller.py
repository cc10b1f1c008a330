"""A caller's connection: its requests become exchanges."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from proxy.engines.relay.once import Once
from proxy.engines.relay.requests import Malformed, read_request
from proxy.engines.relay.socket import Socket
from proxy.http2.connection import Connection
from proxy.http2.errors import ENHANCE_YOUR_CALM, PROTOCOL_ERROR, StreamFault
from proxy.http2.fields import Block
from proxy.http2.stream import Stream

if TYPE_CHECKING:
    from proxy.engines.relay.callers import Callers
    from proxy.engines.relay.carrier import Carrier
    from proxy.engines.relay.exchange import Exchange

ROUND_TRIP = 2.0
"""Seconds at most between the GOAWAY that warns a caller and the one that ends it.

As a rule it takes as long as the caller needs to answer the PING behind the first: what it sent before that
answer is here by then, and it opens nothing after.
"""

QUIET = 0.005
PATIENCE = 0.5
"""Seconds without a call's beginning or end that a caller is warned after, and how long that is waited for.

gRPC's clients fail a call that has chosen a connection and is not on its way yet when they read GOAWAY there;
whether such a call is tried again is up to them. Most calls begin when another has ended.
"""


class CallerConnection(Socket):
    """One; `all_of_them` is where it is found as long as it is open."""

    def __init__(
        self,
        dirty: list[Connection],
        carrier: "Carrier",
        all_of_them: "Callers",
        age: float | None,
        *,
        is_late: bool = False,  # it comes while the sidecar leaves
    ) -> None:
        super().__init__(dirty, is_server=True)
        self._carrier = carrier
        self._all = all_of_them
        self._peer = ""
        self._age = 0.0 if is_late else age
        self._is_warned = False
        self._warn_by = 0.0  # by the loop's clock, once it shall be
        self._seen = (0, 0)  # the last stream and how many there are, when a quiet moment was looked for
        self.told = Once()  # which of its calls were taken up; or it is gone
        self._timer: asyncio.TimerHandle | None = None
        self.begun: list[Exchange] = []  # by the read that is being looked at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        name = transport.get_extra_info("peername")
        if not self._all.take(self, str(name[0]) if isinstance(name, tuple) else ""):
            cast("asyncio.Transport", transport).abort()
            return
        if self._age is not None:
            self._later(self._age * random.uniform(0.9, 1.1), self.warn)  # noqa: S311  # not a secret
        super().connection_made(transport)

    def read_over(self) -> None:
        """Send what came with one read and is still wanted at its end; no model server sees the rest."""
        begun = self.begun
        if begun:
            self.begun = []
            self._carrier.place(begun)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._all.drop(self)
        if self._timer is not None:
            self._timer.cancel()
        self.told.happen()
        super().connection_lost(exc)

    def warn(self, patience: float | None = None) -> None:
        """The caller shall connect anew; what it sends before it has heard of that is still taken up."""
        if self._is_warned:
            return
        now = asyncio.get_running_loop().time()
        self._warn_by = self._warn_by or now + (PATIENCE if patience is None else patience)
        seen = (self.http2.last_id, len(self.http2.streams))
        if seen != self._seen and now < self._warn_by:
            self._seen = seen
            self._later(min(QUIET, self._warn_by - now), self.warn)
            return
        self._is_warned = True
        self.http2.leave(last=False)
        self.http2.ping()
        self.flush()
        self._later(ROUND_TRIP, self.tell)

    def tell(self) -> None:
        """Nothing more is taken up. The caller closes the connection when its calls have ended."""
        if self.told.has_happened:
            return
        self.told.happen()
        self.http2.leave(last=True)
        self.flush()

    def _later(self, delay: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, then)

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
        """See Events: whatever it sent before it was warned is here."""
        if self._is_warned:
            self.tell()
