"""The sockets of this process, whoever made them."""

import socket

from proxy.engines.sockets import connections, listeners


def listener() -> socket.socket:
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen(8)
    return one


async def test_finds_its_own_sockets_whoever_made_them() -> None:
    with listener() as one, socket.create_connection(one.getsockname()):
        port = one.getsockname()[1]
        assert connections(port) == 0
        accepted = one.accept()[0]
        (found,) = listeners(port)
        assert found.getsockname() == one.getsockname()
        assert found.fileno() != one.fileno()
        assert connections(port) == 1
        accepted.close()
        assert connections(port) == 0
        found.close()
