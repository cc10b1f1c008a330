"""A listening socket passes from one process to the next, and whoever waits in its backlog with it."""

import asyncio
import itertools
import secrets
import socket
from collections.abc import Iterator

import pytest

from proxy.engines.relay import heir
from tests.support.eventually import eventually


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """One with an address of its own."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(8)
        yield one


def address_of(one: socket.socket) -> str:
    host, port = one.getsockname()
    return f"{host}:{port}"


async def inherited(address: str) -> heir.Heir:
    """It, as soon as it is offered."""
    async with asyncio.timeout(30):
        while (found := await asyncio.to_thread(heir.inherit, address)) is None:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)
    return found


async def test_who_waits_in_the_backlog_is_taken_by_the_heir(listener: socket.socket) -> None:
    address = address_of(listener)
    offer = heir.Offer(address, 0, listener)
    async with asyncio.TaskGroup() as tasks:
        offering = tasks.create_task(offer.run())
        taken_over = await inherited(address)
        with socket.create_connection(listener.getsockname()) as waiting:
            listener.close()
            taken_over.listener.setblocking(True)
            accepted, _ = taken_over.listener.accept()
            with accepted:
                accepted.sendall(b"here")
                assert waiting.recv(4) == b"here"
        offering.cancel()
    taken_over.listener.close()
    taken_over.close()


async def test_it_is_offered_again_when_an_heir_is_gone(listener: socket.socket) -> None:
    address = address_of(listener)
    offer = heir.Offer(address, 0, listener)
    async with asyncio.TaskGroup() as tasks:
        offering = tasks.create_task(offer.run())
        for _ in range(2):
            taken_over = await inherited(address)
            await eventually(lambda: offer.is_taken)
            assert heir.inherit(address) is None
            taken_over.listener.close()
            taken_over.close()
            await eventually(lambda: not offer.is_taken)
        offering.cancel()


def test_where_nobody_offers_there_is_nothing(listener: socket.socket) -> None:
    assert heir.inherit(address_of(listener)) is None


@pytest.mark.parametrize("of", [1, 2, 3, 4])
async def test_every_socket_is_taken_over_whatever_the_number_of_workers(of: int) -> None:
    """Of three workers, by one to four."""
    address = f"127.0.0.1:{secrets.randbelow(1000) + 1}"  # a name; nothing listens there
    async with asyncio.TaskGroup() as tasks:
        offering = []
        for slot in range(3):
            one = socket.create_server(("127.0.0.1", 0))
            offering.append(tasks.create_task(heir.Offer(address, slot, one).run()))
        await asyncio.sleep(0)
        workers = [await asyncio.to_thread(heir.inherit_all, address, number, of) for number in range(of)]
        assert [[one.slot for one in taken] for taken in workers] == [
            list(range(number, 3, of)) for number in range(of)
        ]
        assert all(one.is_shared for taken in workers for one in taken)
        for task in offering:
            task.cancel()
        await asyncio.wait(offering)
    for one in itertools.chain(*workers):
        assert not one.is_shared
        one.listener.close()
        one.close()
