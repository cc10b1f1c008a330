"""A real Prometheus server, that scrapes one page."""

import asyncio
import contextlib
import json
import pathlib
import re
import shutil
from collections.abc import AsyncIterator

PROMETHEUS = shutil.which("prometheus")

PATIENCE = 60.0
"""Seconds to come up."""

_LISTENS = re.compile(r'msg="Listening on".* address=(\S+)')


@contextlib.asynccontextmanager
async def prometheus(directory: pathlib.Path, scraped: str) -> AsyncIterator[str]:
    """Where it answers, while it asks `scraped` (host:port) for `/metrics` five times a second."""
    assert PROMETHEUS is not None
    config = directory / "prometheus.yml"
    job = {"job_name": "models", "static_configs": [{"targets": [scraped]}]}
    every = {"scrape_interval": "200ms", "scrape_timeout": "200ms"}
    config.write_text(json.dumps({"global": every, "scrape_configs": [job]}))
    process = await asyncio.create_subprocess_exec(
        PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'series'}",
        "--web.listen-address=127.0.0.1:0",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            address = await _up(process.stderr)
        async with asyncio.TaskGroup() as tasks:
            log = tasks.create_task(process.stderr.read())  # or its pipe fills up
            yield address
            process.terminate()
            await log
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _up(log: asyncio.StreamReader) -> str:
    """Where it listens, once it also said that it is ready: either may come first."""
    address, is_ready = "", False
    while not (address and is_ready):
        line = (await log.readline()).decode()
        assert line, "Prometheus did not come up"
        if found := _LISTENS.search(line):
            address = found[1]
        is_ready = is_ready or "ready to receive web requests" in line
    return address
