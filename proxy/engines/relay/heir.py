"""A listening socket that passes from one sidecar to the next, with whoever waits in its backlog.

The one that listens offers it under a name that the kernel keeps for the network namespace (an abstract unix
socket, Linux only), to processes of the same user. Its successor asks there before it binds the port. Then
both accept from one and the same socket until the old one closes it; nothing is reset by that. The successor
holds on to the connection by which it got the socket, so that the old one knows whether it is still alive.

A sidecar of several workers has a socket for each, in numbered slots. Of the slots that are offered, worker
I of N takes I, I + N, I + 2 N …: whether there are more workers than before or fewer, none is left behind.
"""

import array
import asyncio
import os
import socket
import struct
import sys

PATIENCE = 1.0
"""Seconds in which who has the name has to answer."""

TAKEN = 0.05
"""Seconds until a name that was taken is tried again: whoever gave the socket away is just leaving it."""

SLOTS = 128
"""Sockets on one address, at most: as many as the most workers there may be, twice."""

_CREDENTIALS = struct.Struct("3i")  # process, user, group
_GIVEN = b"\0"


class Heir:
    """What a sidecar inherited with its socket: `listener`, its slot, and the line to who gave it."""

    def __init__(self, listener: socket.socket, slot: int, line: socket.socket) -> None:
        self.listener = listener
        self.slot = slot
        self._line = line
        line.setblocking(False)  # noqa: FBT003

    def __repr__(self) -> str:
        return f"<Heir to {self.listener}>"

    @property
    def is_shared(self) -> bool:
        """Whether who gave the socket still has it."""
        try:
            return self._line.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """End, for whoever gave the socket to know."""
        self._line.close()


class Offer:
    """A listening socket for whoever comes next."""

    def __init__(self, address: str, slot: int, listener: socket.socket) -> None:
        self._name = name_of(address, slot)
        self._listener = listener
        self.is_taken = False

    def __repr__(self) -> str:
        return f"<Offer {self._name!r}, {'' if self.is_taken else 'not '}taken>"

    async def run(self) -> None:
        """Give it to one successor at a time, and to another if that one is gone; closes it in the end."""
        with self._listener:
            while True:
                with await self._asked() as line:
                    await self._give_to(line)

    async def _give_to(self, line: socket.socket) -> None:
        if _user_of(line) != os.getuid():
            return
        try:
            _give(line, self._listener)
            self.is_taken = True
            await asyncio.get_running_loop().sock_recv(line, 1)
        except OSError:
            pass
        self.is_taken = False

    async def _asked(self) -> socket.socket:
        with socket.socket(socket.AF_UNIX) as door:
            door.setblocking(False)  # noqa: FBT003
            while True:
                try:
                    door.bind(self._name)
                except OSError:
                    await asyncio.sleep(TAKEN)
                    continue
                door.listen(1)
                line, _ = await asyncio.get_running_loop().sock_accept(door)
                line.setblocking(False)  # noqa: FBT003
                return line


def is_possible(address: str) -> bool:
    """Whether a socket of that address can be handed over here."""
    return sys.platform == "linux" and not address.startswith("unix:") and not address.endswith(":0")


def name_of(address: str, slot: int) -> str:
    """Where it is offered."""
    return f"\0understudy/{os.getuid()}/{address}/{slot}"


def inherit_all(address: str, number: int, of: int) -> list[Heir]:
    """What the `number`th `of` so many workers takes over of the sockets that listen on an address."""
    found = [inherit(address, slot) for slot in range(number, SLOTS, of)]
    return [heir for heir in found if heir is not None]


def inherit(address: str, slot: int = 0) -> Heir | None:
    """The socket in that slot of an address, from the sidecar that has it; None where none gives it."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(PATIENCE)
    try:
        line.connect(name_of(address, slot))
        if _user_of(line) != os.getuid():
            line.close()
            return None
        size = array.array("i").itemsize
        _, received, _, _ = line.recvmsg(1, socket.CMSG_SPACE(size), socket.MSG_CMSG_CLOEXEC)
    except OSError:
        line.close()
        return None
    for level, kind, numbers in received:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(numbers) == size:
            listener = socket.socket(fileno=struct.unpack("i", numbers)[0])
            if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listener.setblocking(False)  # noqa: FBT003
                return Heir(listener, slot, line)
            listener.close()
    line.close()
    return None


def _give(line: socket.socket, listener: socket.socket) -> None:
    rights = array.array("i", [listener.fileno()])
    line.sendmsg([_GIVEN], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _user_of(line: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    found = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(found)[1])
