"""The statuses of a rollout as they come, from a thread of their own.

The thread waits for the network, so that a resize of the window or Ctrl-C never does. A control service
that goes away while it is watched, to be updated say, is waited for: the rollout goes on where it stood.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from understudy.v1 import rollouts_pb2

from control.cli.connection import Client
from control.rollout.model import Phase

RECONNECT_WITHIN = 30.0
"""Seconds to wait for a control service that went away."""

_PAUSE = 1.0
_FINAL = frozenset(phase.value for phase in Phase if phase.is_final)


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing came for a while; `is_lost` while the control service is away."""

    is_lost: bool


@dataclass(frozen=True, slots=True)
class _End:
    error: grpc.RpcError | None


_Item = rollouts_pb2.RolloutStatus | Tick | _End


def follow(client: Client, name: str, tick: float) -> Iterator[rollouts_pb2.RolloutStatus | Tick]:
    """Every status until the rollout's end, and a Tick each `tick` seconds without one."""
    arrived: queue.SimpleQueue[_Item] = queue.SimpleQueue()
    closing = threading.Event()
    reader = threading.Thread(target=_read, args=(client, name, arrived.put, closing), daemon=True)
    reader.start()
    is_lost = False
    try:
        while True:
            try:
                item = arrived.get(timeout=tick)
            except queue.Empty:
                item = Tick(is_lost)
            match item:
                case _End(error=grpc.RpcError() as error):
                    with client.translated():
                        raise error
                case _End():
                    return
                case Tick():
                    is_lost = item.is_lost
                    yield item
                case _:
                    is_lost = False
                    yield item
    finally:
        closing.set()


def _read(client: Client, name: str, put: Callable[[_Item], None], closing: threading.Event) -> None:
    try:
        for status in _statuses(client, name, lambda: put(Tick(is_lost=True)), closing):
            put(status)
    except grpc.RpcError as error:
        put(_End(error))
    else:
        put(_End(None))


def _statuses(
    client: Client, name: str, lost: Callable[[], None], closing: threading.Event
) -> Iterator[rollouts_pb2.RolloutStatus]:
    """The stream, taken up again as long as the rollout runs and its control service comes back."""
    is_known = False
    while True:
        try:
            for response in client.rollouts.Watch(rollouts_pb2.WatchRequest(name=name)):
                is_known = True
                yield response.rollout
                if response.rollout.phase in _FINAL:
                    return
        except grpc.RpcError as error:
            if not is_known or error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        lost()
        if closing.wait(_PAUSE):
            return
        request = rollouts_pb2.RolloutsGetRequest(name=name)
        client.rollouts.Get(request, wait_for_ready=True, timeout=RECONNECT_WITHIN)
