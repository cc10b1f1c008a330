"""Sidecars: an engine inside this process, and the services they serve."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import ParseDict
from understudy.v1 import discovery_pb2, service_pb2

from proxy.engines.engine import ALONE, Engine, Listening
from proxy.engines.grpc_aio.engine import GrpcAioEngine
from proxy.engines.relay.engine import RelayEngine
from proxy.policy.admission import CallLimits, MirrorLimits
from proxy.policy.table import compile_snapshot
from proxy.policy.trust import TrustedPeers
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import Tracing
from tests.support.callers import Caller, caller
from tests.support.eventually import eventually
from tests.support.models import Behaviour, Model, echo, model

KINDS = {"grpc-aio": GrpcAioEngine, "relay": RelayEngine}

ENGINES = tuple(os.environ.get("ENGINES", ",".join(KINDS)).split(","))
"""Every engine that the same tests run over; from the environment, to run them over some."""

MIB = 1024 * 1024


def service(
    targets: Mapping[str, str],
    *routes: Mapping[str, Any],
    name: str = "fraud",
    stable: str = "",
    fallback: str = "",
) -> service_pb2.Service:
    """A service of variants by name and target; routes as a file has them."""
    variants = [
        {"name": variant, "target": target, "version": f"{variant}.0"} for variant, target in targets.items()
    ]
    fields = {"name": name, "stable": stable, "fallback": fallback, "variants": variants}
    return ParseDict({**fields, "routes": list(routes)}, service_pb2.Service())


def route(name: str = "all", /, **fields: Any) -> dict[str, Any]:
    """A route; `weights` may stand for a split with nothing else."""
    weights = fields.pop("weights", None)
    if weights is not None:
        fields["split"] = {"weights": weights}
    return {"name": name, **fields}


@dataclass
class Sidecar:
    """An engine with the books it keeps."""

    engine: Engine
    ledger: Ledger
    calls: CallLimits
    mirrors: MirrorLimits
    tasks: asyncio.TaskGroup
    address: str = ""
    version: int = 0

    def apply(
        self, what: service_pb2.Service, bounds: Sequence[float] = (), epoch: int = 1, rollout: str = ""
    ) -> None:
        """Bring a service into force, as the next version."""
        self.version += 1
        snapshot = discovery_pb2.Snapshot(epoch=epoch, version=self.version, service=what, rollout=rollout)
        for bound in bounds:
            snapshot.latency_bounds.add().FromNanoseconds(round(bound * 1e9))
        self.engine.apply(compile_snapshot(snapshot))

    async def until_live(self, *variants: str) -> None:
        """Until their targets take connections."""
        await eventually(lambda: all(self.engine.liveness()[name].live for name in variants))

    async def until_dead(self, variant: str) -> None:
        """Until its target is known not to."""
        await eventually(lambda: self.engine.liveness()[variant].live is False)

    async def until_idle(self) -> None:
        """Until no call is under way and no copy holds anything."""
        await eventually(lambda: self.calls.in_flight == 0 and not any(self.calls.by_variant.values()))
        await self.until_mirrored()

    async def until_mirrored(self) -> None:
        """Until every copy has its outcome."""
        totals = self.ledger.totals
        await eventually(lambda: totals.mirror_seen.total() == totals.mirror_outcomes.total())
        await eventually(lambda: self.mirrors.bytes_held == 0)

    def outcomes(self, variant: str) -> dict[str, int]:
        """Copies to a shadow by what became of them."""
        return {
            outcome: count
            for (name, outcome), count in self.ledger.totals.mirror_outcomes.items()
            if name == variant
        }

    def codes(self, variant: str) -> dict[str, int]:
        """Calls that a variant served, by status code."""
        found: dict[str, int] = {}
        for (name, _, code), count in self.ledger.totals.requests.items():
            if name == variant:
                found[code] = found.get(code, 0) + count
        return found


@contextlib.asynccontextmanager
async def sidecar(
    engine: str,
    what: service_pb2.Service | None,
    *,
    in_flight: int = 4096,
    per_variant: int = 4096,
    mirror_bytes: int = 256 * MIB,
    trusted: Sequence[str] = (),
    tracing: Tracing | None = None,
    listen: str = "127.0.0.1:0",
    listening: Listening = ALONE,
    secret: bytes = b"",
) -> AsyncIterator[Sidecar]:
    """A running engine of the kind named; every variant's target has been tried before it is handed out."""
    assert engine in ENGINES
    ledger, calls, mirrors = Ledger(), CallLimits(in_flight, per_variant), MirrorLimits(mirror_bytes)
    async with asyncio.TaskGroup() as tasks:
        made = KINDS[engine](
            tasks,
            ledger,
            tracing or Tracing(0.0, None),
            calls,
            mirrors,
            TrustedPeers(trusted),
            listening,
            secret,
        )
        one = Sidecar(made, ledger, calls, mirrors, tasks)
        one.address = await made.start(listen)
        if what is not None:
            one.apply(what)
            await eventually(lambda: all(found.live is not None for found in made.liveness().values()))
        try:
            yield one
        finally:
            await made.drain(5.0)


@contextlib.asynccontextmanager
async def fronted(
    engine: str, behaviour: Behaviour = echo, *routes: Mapping[str, Any], **options: Any
) -> AsyncIterator[tuple[Model, Sidecar, Caller]]:
    """A model server, called v1, a sidecar in front of it and a caller of that."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(model(behaviour))
        what = service({"v1": server.address}, *routes)
        one = await stack.enter_async_context(sidecar(engine, what, **options))
        yield server, one, await stack.enter_async_context(caller(one.address))
