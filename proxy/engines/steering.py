"""How a sidecar that shares its port lets another take over: closing one of several listeners on a port
resets the connections that wait in its backlog, so new ones are steered to the others before.

The kernel picks among the listeners of a port (SO_REUSEPORT) by a hash, or by a filter program that any of
them may attach and that returns a listener's index. Which one has which index it does not tell: so for each
a connection is made, and it is looked who got it. An index that there is no more goes by the hash again. What
is attached outlives whoever attached it; so, once the old sidecar is gone, its successor detaches it.

All that is read from /proc, so on Linux only; elsewhere nothing is steered.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

from proxy.engines.sockets import listeners
from proxy.workers.place import ONLY, Place

_ATTACH_REUSEPORT_CBPF = 51  # SO_ATTACH_REUSEPORT_CBPF of Linux, on x86-64 and ARM
_DETACH_REUSEPORT_BPF = 68
_RETURN, _LOAD_WORD, _MODULO, _IF_EQUAL = 0x06, 0x20, 0x94, 0x15
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: a place in no packet
_LISTEN = "0A"

ANSWER = 0.5
"""Seconds in which a listener has to take a connection to count as there."""

GATHER = 0.02
"""Seconds between two looks whether the other workers are ready to leave."""

LOOK = 2.0
"""Seconds between two looks whether the old sidecar is gone."""


async def hand_over(port: int, place: Place = ONLY) -> bool:
    """Steer new connections on a port to another sidecar that listens there; False where none does.

    The workers of a sidecar leave together: the first to come here does it for all.
    """
    if place.of == 1:
        return await _steer_away(port, place)
    with (place.directory / "steered").open("a+") as done:
        await asyncio.to_thread(fcntl.flock, done, fcntl.LOCK_EX)
        done.seek(0)
        if not (verdict := done.read()):
            verdict = "yes" if await _steer_away(port, place) else "no"
            done.write(verdict)
    return verdict == "yes"


@contextlib.asynccontextmanager
async def away(port: int, place: Place = ONLY) -> AsyncIterator[bool]:
    """While inside, new connections go to another sidecar, where one listens there, and no listener of ours
    is closed for good; yields whether. Each that is closed changes the others' indices: so the workers of a
    sidecar leave at one moment.
    """
    if not await hand_over(port, place):
        yield False
        return
    held = listeners(port)
    try:
        yield True
        await _leave_together(place)
    finally:
        for one in held:
            one.close()


async def _leave_together(place: Place) -> None:
    """Until a moment after every worker has come here; the last one to come says which."""
    if place.of == 1:
        return
    moment = place.directory / "leave-at"
    (place.directory / f"{os.getpid()}.leaves").touch()
    while not moment.exists():
        if all(_leaves(process, place) for process in place.family()):
            written = place.directory / f"{os.getpid()}.leave-at"
            written.write_text(repr(time.monotonic() + 3 * GATHER))
            with contextlib.suppress(FileExistsError):
                moment.hardlink_to(written)
        else:
            await asyncio.sleep(GATHER)
    await asyncio.sleep(float(moment.read_text()) - time.monotonic())


def _leaves(process: int, place: Place) -> bool:
    is_there = pathlib.Path(f"/proc/{process}").exists()
    return not is_there or (place.directory / f"{process}.leaves").exists()


async def settle(port: int, place: Place = ONLY) -> None:
    """As soon as no other sidecar listens on the port, let the kernel pick among the listeners by itself."""
    while _others(port, place):  # noqa: ASYNC110  # no event tells
        await asyncio.sleep(LOOK)
    for one in listeners(port)[:1]:
        with one, contextlib.suppress(OSError):
            _detach(one)


async def _steer_away(port: int, place: Place) -> bool:
    count = _others(port, place)
    found = listeners(port)
    with contextlib.ExitStack() as stack:
        for one in found:
            stack.enter_context(one)
        if not count:
            return False
        try:
            to = [
                index
                for index in range(count + len(_of_family(port, place)))
                if await _reaches_another(found[0], index, place)
            ]
            if to:
                _attach(found[0], _program(to))
            else:
                _detach(found[0])
        except OSError:
            return False
    return bool(to)


def _program(to: Sequence[int]) -> bytes:
    """Any of those indices, each as likely as any other."""
    steps = [(_LOAD_WORD, 0, 0, _RANDOM), (_MODULO, 0, 0, len(to))] if len(to) > 1 else []
    for number, index in enumerate(to[:-1]):
        steps += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, index)]
    return b"".join(struct.pack("HBBI", *step) for step in [*steps, (_RETURN, 0, 0, to[-1])])


def _attach(listener: socket.socket, program: bytes) -> None:
    steps = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(steps))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_REUSEPORT_CBPF, header)


def _detach(listener: socket.socket) -> None:
    listener.setsockopt(socket.SOL_SOCKET, _DETACH_REUSEPORT_BPF, 0)


async def _reaches_another(listener: socket.socket, index: int, place: Place) -> bool:
    """Whether the listener of that index is in no process of this sidecar."""
    _attach(listener, _program([index]))
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, host)
    try:
        async with asyncio.timeout(ANSWER):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        peer = writer.get_extra_info("sockname")[1]
        async with asyncio.timeout(ANSWER):
            while not (taken := _taken(port, peer)):  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.001)
        return taken not in _inodes(place.family())
    except OSError:
        return False
    finally:
        writer.close()


def _taken(port: int, peer: int) -> int:
    """The inode of a connection on `port` from port `peer`, once somebody has taken it; else 0."""
    for row in _rows():
        if row.port == port and row.peer == peer:
            return row.inode
    return 0


def _others(port: int, place: Place) -> int:
    """How many listeners on the port no process of this sidecar has."""
    family = _of_family(port, place)
    addresses = {row.address for row in family}
    return sum(row.state == _LISTEN and row.address in addresses for row in _rows()) - len(family)


def _of_family(port: int, place: Place) -> "list[_Row]":
    """The listeners of this sidecar's processes."""
    rows = [row for row in _rows() if row.port == port and row.state == _LISTEN]
    inodes = _inodes(place.family()) if rows else frozenset()
    return [row for row in rows if row.inode in inodes]


class _Row(NamedTuple):
    """A socket in /proc/net/tcp; `address` with the port, as it stands there."""

    address: str
    port: int
    peer: int
    state: str
    inode: int


def _rows() -> Iterator[_Row]:
    for name in ("tcp", "tcp6"):
        try:
            lines = pathlib.Path("/proc/self/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            (_, own), (_, peer) = fields[1].split(":"), fields[2].split(":")
            yield _Row(name + fields[1], int(own, 16), int(peer, 16), fields[3], int(fields[9]))


def _inodes(processes: Iterable[int]) -> frozenset[int]:
    """Of all sockets of some processes."""
    found = set()
    for process in processes:
        with contextlib.suppress(OSError):
            for entry in pathlib.Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    kind, _, inode = str(entry.readlink()).partition(":[")
                    if kind == "socket":
                        found.add(int(inode.rstrip("]")))
    return frozenset(found)
