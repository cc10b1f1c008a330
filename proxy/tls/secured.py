"""TLS between a transport and a protocol: each takes it for the other.

    transport ── bytes of records ──▶ Secured ── what they hold ──▶ protocol, which writes to Secured

The protocol has its connection from the first byte on, so whatever counts and times connections sees one that
is still in its handshake; what it writes meanwhile waits. One write of the protocol is one of the transport.
asyncio's own layer is not used: it tells a protocol of a connection only after the handshake, and uvloop's
holds a quarter of a megabyte for each.
"""

import asyncio
import contextlib
import ssl
from typing import Any, Protocol, cast

from proxy.tls.identity import ALPN

RECORD = 16 * 1024
"""Bytes that one record can hold."""

UNREAD = 256 * 1024
"""Bytes of answers to TLS's own messages that may lie here because the peer reads nothing."""


class Failed(ConnectionError):
    """There is no TLS with that peer; says why."""


class Inner(Protocol):
    """The protocol inside; see asyncio.Protocol."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...


class Secured(asyncio.Protocol):
    """One connection; with the peer's `server_name` as its client, else as the server."""

    def __init__(self, context: ssl.SSLContext, inner: Inner, server_name: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        is_server = server_name is None
        self._tls = context.wrap_bio(self._incoming, self._outgoing, is_server, server_name)
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._is_open = False  # the handshake is done
        self._may_be_unwanted = not is_server  # nothing has come since then
        self._problem: Failed | None = None
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]  # the transport asks the protocol itself
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return f"<Secured {'open' if self._is_open else 'in its handshake'} {self._inner!r}>"

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(cast("asyncio.BaseTransport", self))
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._incoming.write(data)
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._problem is None and not self._is_open:
            self._problem = Failed(f"it ended in the TLS handshake: {exc or 'closed by the peer'}")
        if self._problem is None and self._may_be_unwanted:
            text = "it was closed right after the TLS handshake: does the server take our certificate?"
            self._problem = Failed(text)
        self._inner.connection_lost(self._problem or exc)

    # What the protocol asks for.

    def write(self, data: bytes) -> None:
        """See asyncio.WriteTransport."""
        if not self._is_open:
            self._early.append(data)
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except ssl.SSLError as error:
            self._fail(_reason(error))
            return
        self._send()

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """See asyncio.BaseTransport. The peer is told that this is the end, and not waited for."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._is_open:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._send()
        self._transport.close()

    def abort(self) -> None:
        """See asyncio.WriteTransport."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """See asyncio.ReadTransport: at most what is here already comes until it is resumed."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio.ReadTransport."""
        if self._transport is not None:
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    # In between.

    def _go_on(self) -> None:
        """Whatever came."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            if not self._is_open and not self._shake_hands():
                return
            data, is_last = self._read()
        except (ssl.SSLError, Failed) as error:
            self._fail(str(error) if isinstance(error, Failed) else _reason(error))
            return
        if self._outgoing.pending:
            self._send()
            if self._transport.get_write_buffer_size() > UNREAD:
                self._transport.abort()
                return
        if data:
            self._may_be_unwanted = False
            self._inner.data_received(data)
        if is_last:
            self.close()

    def _shake_hands(self) -> bool:
        """Whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return False
        if self._tls.selected_alpn_protocol() != ALPN:
            raise Failed(f"no {ALPN} was agreed on (ALPN)")
        self._is_open = True
        early, self._early = b"".join(self._early), []
        if early:
            self.write(early)
        return True

    def _read(self) -> tuple[bytes, bool]:
        """What there is, and whether it is the last."""
        pieces: list[bytes] = []
        with contextlib.suppress(ssl.SSLWantReadError):
            while self._incoming.pending:
                piece = self._tls.read(RECORD)
                if not piece:
                    return b"".join(pieces), True
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), False

    def _send(self) -> None:
        if self._outgoing.pending and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    def _fail(self, why: str) -> None:
        """Tell the peer, and end."""
        self._problem = Failed(why)
        if self._transport is not None:
            self._send()
            self._transport.close()


def _reason(error: ssl.SSLError) -> str:
    """In words for a log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    reason = (error.reason or "unknown").lower().replace("_", " ")
    return f"TLS failed: {reason}"
