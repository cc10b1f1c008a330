"""The data port is held for workers, and kept from others."""

import socket

import pytest
from understudy.serving.failure import CannotStart

from proxy.workers.port import Port


def listening(port: Port, *, reuse: bool = True) -> socket.socket:
    host, _, number = port.address.rpartition(":")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuse))
    try:
        one.bind((host, int(number)))
        one.listen()
    except OSError:
        one.close()
        raise
    return one


@pytest.mark.parametrize("is_shared", [True, False])
def test_every_worker_can_listen_and_no_caller_meets_who_holds_it(is_shared):
    port = Port("127.0.0.1:0", is_shared=is_shared)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port.address.rpartition(":")[2])))
    with listening(port) as one, listening(port) as other:
        assert one.getsockname() == other.getsockname()
        for _ in range(20):
            socket.create_connection(one.getsockname()).close()
    port.close()


def test_nobody_else_has_it_unless_it_is_shared():
    first = Port("127.0.0.1:0", is_shared=True)
    with listening(first):
        with pytest.raises(CannotStart, match=f"listen: {first.address} cannot be had; is it taken"):
            Port(first.address, is_shared=False)
        with pytest.raises(OSError, match="in use"):
            listening(first, reuse=False)
        Port(first.address, is_shared=True).close()
    first.close()


def test_a_port_of_another_kind_is_taken_too():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for is_shared in (True, False):
            with pytest.raises(CannotStart, match="is it taken"):
                Port(address, is_shared=is_shared)


def test_every_address_of_the_name_is_held_under_one_number():
    port = Port("localhost:0", is_shared=False)
    assert port.address.startswith("localhost:")
    with socket.socket() as one, pytest.raises(OSError, match="in use"):
        one.bind(("127.0.0.1", int(port.address.rpartition(":")[2])))
    port.close()
