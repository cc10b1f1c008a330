import asyncio

from control.signals import Changes


async def test_a_change_wakes_everyone_who_waits() -> None:
    changes = Changes()
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(changes.after(0)) for _ in range(3)]
        await asyncio.sleep(0)
        changes.announce()
    assert [task.result() for task in waiting] == [1, 1, 1]


async def test_a_change_between_two_waits_is_not_lost() -> None:
    changes = Changes()
    seen = changes.count
    changes.announce()
    changes.announce()
    assert await changes.after(seen) == 2
    assert repr(changes) == "<Changes 2>"
