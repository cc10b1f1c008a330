"""A store on a real file."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator

from control.store.store import Store, open_store


@contextlib.asynccontextmanager
async def opened(directory: pathlib.Path) -> AsyncIterator[Store]:
    """The store of a directory; what fails inside fails as itself."""
    async with asyncio.TaskGroup() as tasks:
        store = await open_store(f"sqlite:///{directory}/understudy.db", tasks)
        failure = None
        try:
            yield store
        except Exception as error:  # noqa: BLE001 - raised below, out of the group
            failure = error
        finally:
            await store.close()
    if failure is not None:
        raise failure
