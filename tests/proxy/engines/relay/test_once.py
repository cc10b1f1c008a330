import asyncio

from proxy.engines.relay.once import Once


async def test_whoever_waits_goes_on_when_it_happens_and_nobody_waits_after() -> None:
    once, waiting = Once(), asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await once.wait()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        waiters = [tasks.create_task(wait()) for _ in range(2)]
        await waiting.wait()
        assert not any(each.done() for each in waiters)
        once.happen()
    once.happen()
    assert once.has_happened
    await once.wait()
