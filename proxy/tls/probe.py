"""Why TLS with a model server does not come about, for an engine whose library keeps that to itself."""

import asyncio

from proxy.tls.keyring import Security
from proxy.tls.secured import Failed, Secured

PATIENCE = 1.0
"""Seconds for the server to speak HTTP/2."""


async def why_not(name: str, security: Security) -> str:
    """The reason, by a connection of our own to an address in gRPC name syntax; empty where it is not TLS."""
    loop = asyncio.get_running_loop()
    greeting = _Greeting(loop.create_future())
    outer = Secured(security.credential.identity.context, greeting, security.server_name)
    scheme, _, place = name.partition(":")
    try:
        async with asyncio.timeout(PATIENCE):
            if scheme == "unix":
                await loop.create_unix_connection(lambda: outer, place.removeprefix("//"))
            else:
                host, _, port = place.rpartition(":")
                await loop.create_connection(lambda: outer, host.strip("[]"), int(port))
            return await greeting.met
    except OSError:
        return ""
    finally:
        outer.abort()


class _Greeting(asyncio.Protocol):
    """The server's first bytes, which come only when it has taken our certificate; or why there are none."""

    def __init__(self, met: "asyncio.Future[str]") -> None:
        self.met = met

    def data_received(self, data: bytes) -> None:
        del data
        self._settle("")

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(str(exc) if isinstance(exc, Failed) else "")

    def _settle(self, what: str) -> None:
        if not self.met.done():
            self.met.set_result(what)
