"""A sidecar with a primary and a shadow, both scripted, by any engine."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tests.support.callers import Caller, caller
from tests.support.models import Behaviour, Model, echo, model
from tests.support.sidecars import Sidecar, route, service, sidecar


@dataclass
class Mirrored:
    primary: Model
    shadow: Model
    sidecar: Sidecar
    call: Caller

    @property
    def outcomes(self) -> dict[str, int]:
        return self.sidecar.outcomes("v2")


@contextlib.asynccontextmanager
async def mirrored(
    engine: str,
    primary: Behaviour = echo,
    shadow: Behaviour = echo,
    *,
    options: dict[str, Any] | None = None,
    **mirror: Any,
) -> AsyncIterator[Mirrored]:
    """A primary, called v1, and its shadow, called v2; in the end every copy has exactly one outcome."""
    copies = {"variant": "v2", "percent": 100, "deadline": "20s", **mirror}
    async with model(primary) as first, model(shadow) as second:
        what = service(
            {"v1": first.address, "v2": second.address}, route(weights={"v1": 1}, mirrors=[copies])
        )
        async with sidecar(engine, what, **(options or {})) as one, caller(one.address) as call:
            yield Mirrored(first, second, one, call)
            await one.until_mirrored()
            totals = one.ledger.totals
            assert totals.mirror_seen["v2"] == sum(one.outcomes("v2").values())
            assert one.mirrors.bytes_held == 0
