"""The parent of a sidecar's workers: brings them up, keeps them up, and takes them down together.

Start: the port is held → the doors → the first worker, then the others → announced. A worker that cannot
start then ends all. One that ends later is started anew, while the others serve on. Stop (SIGTERM, SIGINT
or /drain): not ready → `drain_delay` → every worker drains by itself → exit 0.
"""

import asyncio
import contextlib
import logging
import pathlib
import shutil
import signal
import tempfile

from understudy.serving.announce import announce
from understudy.serving.failure import CannotStart
from understudy.serving.http import HttpServer
from understudy.v1 import sidecar_pb2

from proxy.settings import Settings
from proxy.workers.child import Child
from proxy.workers.doors import Doors
from proxy.workers.port import Port

_log = logging.getLogger(__name__)

LEAVE = 15.0
"""Seconds beyond `drain_timeout` in which a worker has to be gone: it may still have things to tell."""


class Supervisor:
    """One sidecar of several workers, from start to exit; `sidecar` is checked."""

    def __init__(self, sidecar: sidecar_pb2.Sidecar, settings: Settings, log_level: str) -> None:
        self._sidecar = sidecar
        self._settings = settings
        self._log_level = log_level
        self._stopping = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Supervisor of {self._sidecar.workers}, stopping={self._stopping.is_set()}>"

    def stop(self) -> None:
        """Begin to drain; the process ends when that is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until told to stop. Raises CannotStart, and Ended where a worker said why by itself."""
        with contextlib.ExitStack() as stack:
            directory = pathlib.Path(tempfile.mkdtemp(prefix="understudy-"))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            port = Port(self._settings.listen, is_shared=self._settings.reuse_port)
            stack.callback(port.close)
            message = sidecar_pb2.Sidecar()
            message.CopyFrom(self._sidecar)
            message.listen = port.address
            of = self._sidecar.workers
            children = [
                Child(number, of, directory, self._log_level, message.SerializeToString())
                for number in range(of)
            ]
            for child in children:
                stack.callback(child.kill)
            try:
                async with asyncio.TaskGroup() as tasks:
                    await self._serve(tasks, children, directory)
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None

    async def _serve(self, tasks: asyncio.TaskGroup, children: list[Child], directory: pathlib.Path) -> None:
        settings = self._settings
        doors = Doors(children, directory, settings.mismatches, self._stopping.is_set, self.stop)
        admin, status = HttpServer(doors.admin(), settings.admin), HttpServer(doors.status(), settings.status)
        listening = {
            "admin": await _listen("admin", admin, settings.admin, tasks),
            "status": await _listen("status", status, settings.status, tasks),
        }
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        data = await _start(children)
        kept = [tasks.create_task(child.keep(), name=f"worker {child.number}") for child in children]
        listening = {"data": data, **listening}
        announce(listening)
        _log.info("listening", extra={**listening, "workers": len(children)})
        await self._stopping.wait()
        _log.info("draining")
        await asyncio.sleep(settings.drain_delay)
        for child in children:
            child.release()
        _, late = await asyncio.wait(kept, timeout=settings.drain_timeout + LEAVE)
        for child in children if late else ():
            child.kill()
        await admin.stop()
        await status.stop()
        _log.info("drained")


async def _start(children: list[Child]) -> str:
    """All of them; one goes first, so that what is wrong is said once. The data port's address."""
    first, *others = children
    listening = await first.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            for child in others:
                tasks.create_task(child.start(), name=f"start {child.number}")
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return listening["data"]


async def _listen(field: str, server: HttpServer, address: str, tasks: asyncio.TaskGroup) -> str:
    try:
        return await server.start(tasks)
    except OSError as error:
        raise CannotStart(f"{field}: {address} cannot be had: {error.strerror or error}") from None
