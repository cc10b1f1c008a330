"""What operators do to services: apply, deploy, switch, roll back. Each is one write and one push.

A service with a rollout under way is the rollout's: nothing here touches it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from understudy.checks.numbers import check_range
from understudy.checks.service import check_service
from understudy.v1 import service_pb2

from control.clock import Clock
from control.delivery.board import Board
from control.delivery.fleet import Fleet
from control.delivery.leadership import Leadership
from control.refusals import Invalid, NotNow, NotThere
from control.rollout import slots
from control.rollout.decisions import Refused
from control.rollout.traffic import stable_of
from control.signals import Changes
from control.store.errors import ActiveRollout
from control.store.services import Services, StoredService


class Desk:
    """Changes services and puts up what comes of it."""

    def __init__(
        self,
        services: Services,
        board: Board,
        fleet: Fleet,
        leadership: Leadership,
        clock: Clock,
        visible: Changes,
    ) -> None:
        self._leadership = leadership
        self._services = services
        self._board = board
        self._fleet = fleet
        self._clock = clock
        self._visible = visible

    def check(self, service: service_pb2.Service) -> None:
        """Invalid where it could not be applied."""
        if violations := check_service(service, "service"):
            raise Invalid(violations)

    async def apply(self, service: service_pb2.Service) -> StoredService:
        """Create or replace a service."""
        self.check(service)
        self._leadership.require(service.name)
        before = await self._services.find(service.name)
        expected = before.version if before else 0
        try:
            stored = await self._services.apply(service, self._clock.wall(), expected=expected)
        except ActiveRollout as error:
            text = f"rollout {error.name} of this service is under way; abort it first, or with the apply"
            raise NotNow(text) from None
        return self._put_up(stored)

    async def deploy(
        self, service: str, variant: service_pb2.Variant, mirror_percent: float
    ) -> StoredService:
        """Put a version into the idle slot."""
        if violations := check_range(mirror_percent, 0, 100, "mirror_percent"):
            raise Invalid(violations)
        before = await self._require(service)
        changed = _checked(slots.deployed(before.base, variant, mirror_percent))
        return await self._write(
            lambda: self._services.deploy(
                changed, self._clock.wall(), expected=before.version, variant=variant.name
            )
        )

    async def switch(self, service: str, variant: str) -> StoredService:
        """Move all traffic to a slot, by default the idle one that was deployed last."""
        before = await self._require(service)
        to = variant or await self._deployed_last(before)
        return await self._move(before, to, previous=stable_of(before.base))

    async def roll_back(self, service: str) -> StoredService:
        """Move all traffic back to the slot before the last switch."""
        before = await self._require(service)
        previous = await self._services.previous_slot(service)
        if not previous:
            raise NotNow(f"service {service} has had no switch to go back from")
        return await self._move(before, previous, previous="")

    async def _move(self, before: StoredService, to: str, *, previous: str) -> StoredService:
        changed = _checked(slots.switched(before.base, to))
        sidecars = self._fleet.connected(before.name)
        if why := why_dead(to, [(sidecar.node, sidecar.health) for sidecar in sidecars]):
            raise NotNow(f"slot {to} is dead: {why}")
        return await self._write(
            lambda: self._services.switch(
                changed, self._clock.wall(), expected=before.version, previous=previous
            )
        )

    async def _write(self, write: Callable[[], Awaitable[StoredService]]) -> StoredService:
        try:
            return self._put_up(await write())
        except ActiveRollout as error:
            raise NotNow(f"rollout {error.name} of this service is under way; it has the traffic") from None

    def _put_up(self, stored: StoredService) -> StoredService:
        self._board.put_up([stored])
        self._visible.announce()
        return stored

    async def _require(self, name: str) -> StoredService:
        stored = await self._services.find(name)
        if stored is None:
            raise NotThere(f"no service is called {name!r}")
        if stored.rollout:
            raise NotNow(f"rollout {stored.rollout} of this service is under way; it has the traffic")
        self._leadership.require(name)
        return stored

    async def _deployed_last(self, service: StoredService) -> str:
        deployed_at = await self._services.deployed_at(service.name)
        active = stable_of(service.base)
        idle = [variant.name for variant in service.base.variants if variant.name != active]
        if not idle:
            raise NotNow(f"service {service.name} has no idle slot: deploy a version into one first")
        return max(idle, key=lambda name: deployed_at.get(name, 0.0))


def why_dead(variant: str, fleet: Iterable[tuple[str, Mapping[str, tuple[bool, str]]]]) -> str:
    """Why a slot must not get traffic, by what each sidecar (node, health) sees; empty where it may."""
    seen = [(node, health[variant]) for node, health in fleet if variant in health]
    dead = [f"{node} ({reason or 'not live'})" for node, (live, reason) in seen if not live]
    if dead:
        return f"not live at {', '.join(dead)}"
    return "" if seen else "no connected sidecar has seen it live"


def _checked(changed: service_pb2.Service | Refused) -> service_pb2.Service:
    if isinstance(changed, Refused):
        raise NotNow(changed.reason)
    if violations := check_service(changed, "service"):
        raise Invalid(violations)
    return changed
