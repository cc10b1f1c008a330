"""All that the page shows, as one JSON text."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from control.rollout.model import Phase
from control.views import Views

RECENT = 8
"""Ended rollouts shown at most."""

_FINAL = frozenset(phase.value for phase in Phase if phase.is_final)


class State:
    """Reads the views, once for all who ask at the same time."""

    def __init__(self, views: Views, clock: Callable[[], float]) -> None:
        self._views = views
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked = 0
        self._covered = 0
        self._text = ""

    def __repr__(self) -> str:
        return f"State(asked={self._asked}, covered={self._covered})"

    async def text(self) -> str:
        """The state as of now: never one whose reading began before this call."""
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._covered < mine:
                covers = self._asked
                self._text = json.dumps(await self._read(), separators=(",", ":"), ensure_ascii=False)
                self._covered = covers
            return self._text

    async def _read(self) -> dict[str, Any]:
        now = Timestamp()
        now.FromMilliseconds(int(self._clock() * 1000))
        rollouts = await self._views.rollouts()
        active = [each for each in rollouts if each.phase not in _FINAL]
        ended = [each for each in rollouts if each.phase in _FINAL]
        return {
            "now": now.ToJsonString(),
            "trouble": self._views.trouble(),
            "services": [_plain(each) for each in await self._views.services()],
            "rollouts": [_plain(each) for each in [*active, *ended[:RECENT]]],
            "older_rollouts": len(ended[RECENT:]),
            "sidecars": [_plain(each) for each in await self._views.sidecars()],
        }


def _plain(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
