"""Addresses of a name: resolved off the call path, renewed, and kept when the resolver fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from proxy.engines.grpc_aio.address import Address
from proxy.engines.resolving import name_of, resolve
from proxy.engines.upstream import Upstream
from proxy.policy.table import Variant
from tests.support.eventually import eventually
from tests.support.models import Model, model

METHOD = "/a.B/C"


def plain(name: str, authority: str, max_receive: int, lost: asyncio.Event, tls: object) -> Address:
    assert tls is None
    return Address(name, authority, max_receive, lost)


class Resolver:
    """Answers by script."""

    def __init__(self, *found: str) -> None:
        self.found: tuple[str, ...] | None = found
        self.asked = asyncio.Event()

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        assert (host, port) == ("model", 80)
        self.asked.set()
        if self.found is None:
            raise OSError("no such name")
        return self.found

    async def again(self) -> None:
        """Until it was asked after now, and its answer is in force."""
        for _ in range(2):
            self.asked.clear()
            async with asyncio.timeout(15):
                await self.asked.wait()


@contextlib.asynccontextmanager
async def upstream(resolver: Resolver) -> AsyncIterator[Upstream]:
    variant = Variant("v1", "dns:///model:80", "", "")
    async with asyncio.TaskGroup() as tasks:
        one = Upstream(variant, plain, resolver=resolver, pause=0.005)
        tasks.create_task(one.watch())
        try:
            yield one
        finally:
            await one.close()


def names(one: Upstream) -> list[str]:
    return [address.name for address in one.addresses]


async def ask(one: Upstream) -> bytes:
    address = one.address()
    assert address is not None
    return await address.counted(address.unary(METHOD)(b"x", timeout=15))


def at(server: Model) -> str:
    return f"ipv4:{server.address}"


async def test_a_name_is_followed_wherever_it_goes() -> None:
    async with model() as first, model() as second:
        resolver = Resolver(at(first))
        async with upstream(resolver) as one:
            await eventually(lambda: one.liveness.live is True)
            assert await ask(one) == b"x"
            resolver.found = (at(second),)
            await eventually(lambda: names(one) == [at(second)])
            assert await ask(one) == b"x"

    assert (len(first.calls), len(second.calls)) == (1, 1)


async def test_a_resolver_that_fails_takes_no_address_away() -> None:
    async with model() as server:
        resolver = Resolver(at(server))
        async with upstream(resolver) as one:
            await eventually(lambda: one.liveness.live is True)
            resolver.found = None
            await resolver.again()
            assert names(one) == [at(server)]
            assert await ask(one) == b"x"


async def test_addresses_that_stay_keep_their_connection() -> None:
    async with model() as server:
        resolver = Resolver(at(server))
        async with upstream(resolver) as one:
            await eventually(lambda: one.liveness.live is True)
            (before,) = one.addresses
            resolver.found = ("ipv4:127.0.0.1:1", at(server))
            await eventually(lambda: len(one.addresses) == 2)
            assert before in one.addresses
            await eventually(lambda: one.addresses[0].connected is False)
            assert one.liveness.live is True
            assert all(one.address() is before for _ in range(20))


async def test_a_name_that_is_unknown_is_not_live_until_it_is_known() -> None:
    async with model() as server:
        resolver = Resolver()
        resolver.found = None
        async with upstream(resolver) as one:
            assert one.liveness.live is None
            await eventually(lambda: one.liveness.live is False)
            assert "cannot be resolved" in one.liveness.reason
            assert one.address() is None
            resolver.found = (at(server),)
            await eventually(lambda: one.liveness.live is True)
            assert await ask(one) == b"x"


async def test_the_systems_resolver_gives_addresses_as_grpc_takes_them() -> None:
    assert "ipv4:127.0.0.1:80" in await resolve("localhost", 80)


def test_what_is_an_address_already() -> None:
    assert name_of("127.0.0.1", 80) == "ipv4:127.0.0.1:80"
    assert name_of("::1", 80) == "ipv6:[::1]:80"
    assert name_of("localhost", 80) is None
