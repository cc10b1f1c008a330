"""The sockets of this process on its data port, for engines whose library keeps them to itself.

Found in /proc, so on Linux only; elsewhere there are none to be found.
"""

import os
import pathlib
import socket
import stat
from collections.abc import Iterator


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
