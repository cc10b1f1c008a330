"""Evidence that the control service itself came by: rows beside those of sidecars, in one order."""

from collections.abc import Iterable

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import telemetry_pb2

from control.store.schema import evidence


async def append_own(
    connection: AsyncConnection, entries: Iterable[tuple[str, telemetry_pb2.Evidence]], node: str, now: float
) -> None:
    """Within a transaction: append entries, each of a service; `node` says where they came from."""
    rows = [
        {
            "service": service,
            "route": entry.route,
            "variant": entry.variant,
            "mirrored": entry.mirrored,
            "epoch": entry.epoch,
            "version": entry.version,
            "node": node,
            "window_start": now,
            "window_end": now,
            "codes": {},
            "message": entry.SerializeToString(deterministic=True),
            "received_at": now,
        }
        for service, entry in entries
    ]
    if rows:
        await connection.execute(insert(evidence), rows)
