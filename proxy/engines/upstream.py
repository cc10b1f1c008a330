"""A variant's target: its addresses, re-resolved where it is a name, and the choice among them.

Nobody waits for a name: it is resolved in a task of its own, and a failure leaves the last addresses.
"""

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from understudy.checks.targets import parse_target

from proxy.engines.engine import Liveness
from proxy.engines.resolving import host_of, resolve, written
from proxy.policy import balancing
from proxy.policy.balancing import choose, usable
from proxy.policy.table import Variant
from proxy.policy.tls import VariantTls

UNLIMITED = -1
RESOLVE_EVERY = 10.0
RESOLVE_PAUSE = 1.0
"""Seconds between two look-ups of a name: in general, and once a connection was lost."""
CHANNEL_GRACE = 30.0
"""Seconds that calls on an address that is gone may still take."""

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]


class Address(balancing.Address, Protocol):
    """Connections to one place where a target listens."""

    @property
    def name(self) -> str:
        """In gRPC name syntax."""
        ...

    @property
    def is_fine(self) -> bool:
        """Connected, and nothing is held against it."""
        ...

    @property
    def problem(self) -> str:
        """Why it is not connected, where that is more than that nobody takes connections."""
        ...

    async def watch(self) -> None:
        """Keep connected until closed."""
        ...

    async def close(self, grace: float | None = None) -> None:
        """Close after the calls in flight, or after `grace` seconds."""
        ...


A = TypeVar("A", bound=Address)

Connect = Callable[[str, str, int, asyncio.Event, VariantTls | None], A]
"""Makes an address of its name, the authority that its calls are for, the largest answer in bytes, what to
set whenever a connection fails, and TLS with the name of the server to expect.
"""

_log = logging.getLogger(__name__)


class Upstream(Generic[A]):
    """Connections to every address of a target."""

    def __init__(
        self,
        variant: Variant,
        connect: Connect[A],
        max_receive: int = UNLIMITED,
        resolver: Resolve = resolve,
        pause: float = RESOLVE_PAUSE,
    ) -> None:
        target = parse_target(variant.target)
        self.target = variant.target
        self._name = target.endpoints[0] if target.endpoints else ("", 0)
        name = target.text.removeprefix("dns:///") if target.scheme == "dns" else ""
        self._tls = variant.tls
        self._host = target.endpoints[0][0].rstrip(".") if target.scheme == "dns" else ""
        # A name that was given for the certificate is who the calls are for, too.
        self._authority = variant.authority or ("" if variant.tls and variant.tls.server_name else name)
        self._connect = connect
        self._max_receive = max_receive
        self._resolver = resolver
        self._pause = pause
        self._lost = asyncio.Event()
        self._addresses: dict[str, A] = {}
        self._only: A | None = None  # where there is one: most targets, and then nothing to choose
        self._leaving: set[A] = set()
        self._watching: asyncio.Task[None] | None = None
        self._is_closed = False
        self._is_failing = False  # the last look-up did
        self._problem = "not resolved yet"
        self._known = asyncio.Event()  # a first look-up ended
        fixed = written(target)
        self._is_fixed = fixed is not None
        if fixed is not None:
            self._use(fixed)

    def __repr__(self) -> str:
        return f"<Upstream {self.target} {list(self._addresses.values())}>"

    @property
    def addresses(self) -> tuple[A, ...]:
        """Those that the target has now."""
        return tuple(self._addresses.values())

    @property
    def liveness(self) -> Liveness:
        """Live while any address takes calls."""
        addresses = self.addresses
        if any(each.connected for each in usable(addresses, time.monotonic())):
            return Liveness(live=True)
        if not self._known.is_set() or any(each.connected is None for each in addresses):
            return Liveness(None, "not connected yet")
        met = next((each.problem for each in addresses if each.problem), "")
        problem = f"{self.target}: {met}" if met else f"{self.target} does not take connections"
        return Liveness(live=False, reason=self._problem or problem)

    async def known(self) -> None:
        """Until the target's addresses are known, or are known not to be."""
        await self._known.wait()

    def address(self) -> A | None:
        """Where a call goes; one that is not usable where none is, None where there is none at all."""
        return self.usable_address() or self._choose(self.addresses)

    def usable_address(self, without: A | None = None) -> A | None:
        """Where a call can be expected to get through."""
        if self._only is not None and self._only.is_fine and self._only is not without:
            return self._only
        addresses = usable(self.addresses, time.monotonic())
        return self._choose([each for each in addresses if each is not without])

    async def watch(self) -> None:
        """Keep every address connected, and the addresses those of the name, until closed."""
        if self._is_closed:
            return
        self._watching = asyncio.current_task()
        async with asyncio.TaskGroup() as tasks:
            for address in self.addresses:
                tasks.create_task(address.watch(), name=f"watch {address.name}")
            while not self._is_fixed:
                self._lost.clear()
                await self._look_up(tasks)
                await asyncio.sleep(self._pause)
                await self._until_stale()

    async def close(self, grace: float | None = None) -> None:
        """Close after the calls in flight, or after `grace` seconds."""
        self._is_closed = True
        if self._watching is not None:
            self._watching.cancel()
        async with asyncio.TaskGroup() as tasks:
            for address in (*self.addresses, *self._leaving):
                tasks.create_task(address.close(grace), name=f"close {address.name}")

    async def _look_up(self, tasks: asyncio.TaskGroup) -> None:
        try:
            found = tuple(await self._resolver(*self._name))
        except OSError as error:
            if not self._is_failing:  # once, not at every try
                _log.warning("cannot resolve %s: %s", self.target, error)
            self._is_failing = True
            self._problem = "" if self._addresses else f"{self.target} cannot be resolved"
            self._known.set()
            return
        self._is_failing = False
        before = set(self.addresses)
        gone = self._use(found)
        for address in set(self.addresses) - before:
            tasks.create_task(address.watch(), name=f"watch {address.name}")
        for address in gone:
            self._leaving.add(address)
            tasks.create_task(self._leave(address), name=f"close {address.name}")

    def _use(self, names: Iterable[str]) -> list[A]:
        """Make these the addresses; returns those that are not any more."""
        before, self._addresses = self._addresses, {}
        for name in names:
            known = before.pop(name) if name in before else None
            self._addresses[name] = known or self._address(name)
        self._only = self.addresses[0] if len(self._addresses) == 1 else None
        self._problem = "" if self._addresses else f"{self.target} has no address"
        self._known.set()
        return list(before.values())

    def _address(self, name: str) -> A:
        tls = self._tls
        if tls is not None and not tls.server_name:
            tls = dataclasses.replace(tls, server_name=self._host or host_of(name))
        return self._connect(name, self._authority, self._max_receive, self._lost, tls)

    async def _leave(self, address: A) -> None:
        await address.close(CHANNEL_GRACE)
        self._leaving.discard(address)

    async def _until_stale(self) -> None:
        """Until a connection is lost, at most `RESOLVE_EVERY` times the pause."""
        try:
            async with asyncio.timeout(self._pause * (RESOLVE_EVERY / RESOLVE_PAUSE)):
                await self._lost.wait()
        except TimeoutError:
            return

    def _choose(self, addresses: Sequence[A]) -> A | None:
        return choose(addresses, random.random(), random.random())  # noqa: S311  # not a secret
