"""The sockets of this process on its data port, for engines whose library keeps them to itself.

Found in /proc, so on Linux only; elsewhere there are none to be found. And the way in which a sidecar that
shares its port lets another take over: closing one of several listeners on a port resets the connections that
wait in its backlog, so new ones are steered to the other listener before.

The kernel picks among the listeners of a port (SO_REUSEPORT) by a hash, or by a filter program that any of
them may attach; one of a single instruction, "return N", always picks the Nth. Which one that is, it does not
tell: so a connection is made and it is looked who got it.
"""

import asyncio
import ctypes
import os
import pathlib
import socket
import stat
import struct
from collections.abc import Iterator

_ATTACH_REUSEPORT_CBPF = 51  # SO_ATTACH_REUSEPORT_CBPF of Linux, on x86-64 and ARM
_RETURN = 0x06  # BPF_RET | BPF_K
MOST_LISTENERS = 4
ANSWER = 0.5
"""Seconds in which a listener has to take a connection and say something to count as there."""


def listeners(port: int) -> list[socket.socket]:
    """Listening sockets of this process on a port: duplicates, each of which holds the port until closed."""
    found = []
    for one in _on(port):
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.append(one)
        else:
            one.close()
    return found


def connections(port: int) -> int:
    """How many connections to a port this process holds."""
    count = 0
    for one in _on(port):
        with one:
            count += not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return count


async def hand_over(port: int) -> bool:
    """Steer new connections on a port to another process that listens there; False where none does."""
    is_other = False
    for listener in listeners(port):
        with listener:
            is_other = await _steer_away(listener) or is_other
    return is_other


async def _steer_away(listener: socket.socket) -> bool:
    for index in range(MOST_LISTENERS):
        try:
            _steer(listener, index)
        except OSError:
            return False
        if await _reaches_another(listener):
            return True
    return False


def _steer(listener: socket.socket, index: int) -> None:
    """Give every new connection on the listener's port to its `index`th listener."""
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, index), 8)
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(instruction))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_REUSEPORT_CBPF, program)


async def _reaches_another(listener: socket.socket) -> bool:
    """Whether a connection is taken by another process; a gRPC server speaks first."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, host)
    try:
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        async with asyncio.timeout(ANSWER):
            if not await reader.read(1):
                return False
        return not _holds(port, writer.get_extra_info("sockname")[1])
    except OSError:
        return False
    finally:
        writer.close()


def _holds(port: int, peer: int) -> bool:
    """Whether this process has the connection on `port` that comes from port `peer`."""
    is_ours = False
    for one in _on(port):
        with one:
            try:
                is_ours = is_ours or one.getpeername()[1] == peer
            except OSError:
                continue
    return is_ours


def _on(port: int) -> Iterator[socket.socket]:
    """Duplicates of this process's sockets that are bound to a port, whoever made them."""
    try:
        numbers = [int(entry.name) for entry in pathlib.Path("/proc/self/fd").iterdir()]
    except OSError:
        return
    seen = set()  # a duplicate may take a number that was listed
    for number in numbers:
        try:
            status = os.fstat(number)
            if not stat.S_ISSOCK(status.st_mode) or status.st_ino in seen:
                continue
            one = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        seen.add(status.st_ino)
        name = _name_of(one)
        if isinstance(name, tuple) and name[1] == port:
            yield one
        else:
            one.close()


def _name_of(one: socket.socket) -> object:
    try:
        return one.getsockname()
    except OSError:
        return None
