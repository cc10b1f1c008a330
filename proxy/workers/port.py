"""The data port, held for all workers: by sockets that are bound and never listen, so no caller meets them.

Each worker binds the port by itself, which the kernel allows where every socket on it says SO_REUSEPORT. That
would let in another sidecar of the same user, too. So, unless that is asked for, the port is bound without it
first, which fails where anybody else listens there.
"""

import socket

from understudy.serving.addresses import join_address, parse_address
from understudy.serving.failure import CannotStart


class Port:
    """Held from now on; `address` has the real port."""

    def __init__(self, address: str, *, is_shared: bool) -> None:
        host, port = parse_address(address)
        self._sockets: list[socket.socket] = []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, place in found:
                one = socket.socket(family, kind, protocol)
                self._sockets.append(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if is_shared:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                one.bind((place[0], port, *place[2:]))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                port = one.getsockname()[1]
        except OSError:
            self.close()
            raise CannotStart(f"listen: {address} cannot be had; is it taken?") from None
        self.address = join_address(host, port)

    def __repr__(self) -> str:
        return f"<Port {self.address}>"

    def close(self) -> None:
        """Nobody's any more."""
        for one in self._sockets:
            one.close()
