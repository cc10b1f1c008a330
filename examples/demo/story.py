"""What happens in the demo, told as it happens."""

import asyncio
import json
import pathlib
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from examples.demo import files
from examples.demo.processes import UNDERSTUDY, Died, Processes
from examples.demo.proof import Slice

POLL = 0.3
PATIENCE = 150.0
SETTLE = 4.0
FINAL = ("Succeeded", "RolledBack", "Aborted", "Paused")


@dataclass(slots=True)
class Told:
    """What the story leaves behind: who listens where, how the rollouts went, and when what was in force."""

    control: str = ""
    page: str = ""
    sidecar: str = ""
    admin: str = ""
    targets: dict[str, str] = field(default_factory=dict)
    rollouts: dict[str, dict[str, Any]] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    rolled_back_at: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether the story was told to its end."""
        return self.rolled_back_at > 0


class Story:
    """Tells it once; `say` takes a line."""

    def __init__(
        self, processes: Processes, folder: pathlib.Path, engine: str, say: Callable[[str], None]
    ) -> None:
        self._processes = processes
        self._folder = folder
        self._engine = engine
        self._say = say
        self.told = Told()

    async def tell(self) -> Told:
        """From nothing to one model promoted and one rolled back."""
        await self.start_processes()
        await self._command(
            "service", "apply", "-f", self._write("service", files.service(self.told.targets))
        )
        await self._sidecar_ready()
        await self.start_traffic(self._folder / "calls.jsonl")
        await self._roll_out("digits-v2", files.GOOD, "v2, a better model")
        await self._roll_out("digits-v3", files.BAD, "v3, trained wrongly and slow")
        self.told.rolled_back_at = time.time()
        await asyncio.sleep(SETTLE)
        self._processes.check()
        return self.told

    async def start_processes(self) -> None:
        """Three model servers, the control service, one sidecar."""
        self._say("training three classifiers of handwritten digits, one model server each …")
        names = ("v1", "v2", "v3")
        told = self.told
        try:
            async with asyncio.TaskGroup() as tasks:
                models = {name: tasks.create_task(self._start_model(name), name=name) for name in names}
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        told.targets = {name: model.result() for name, model in models.items()}
        control = await self._processes.start(
            "control",
            *UNDERSTUDY,
            "control",
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            *("--store", f"sqlite:///{self._folder / 'understudy.db'}"),
        )
        told.control, told.page = control["grpc"], f"http://{control['http']}/"
        config = files.SIDECAR.format(
            engine=self._engine, control=told.control, state_dir=self._folder / "state"
        )
        sidecar = await self._processes.start(
            "sidecar", *UNDERSTUDY, "proxy", "--config", self._write("sidecar", config)
        )
        told.sidecar, told.admin = sidecar["data"], sidecar["admin"]
        self._say(f"callers come to {told.sidecar}; the page is live at {told.page}")

    async def start_traffic(self, record: pathlib.Path) -> None:
        """A process of callers."""
        self._say(f"{files.USERS} users begin to call, {files.RATE} calls a second, client retries off")
        await self._processes.start(
            "traffic",
            *(sys.executable, "-m", "examples.traffic", "--target", self.told.sidecar),
            *("--rate", str(files.RATE), "--users", str(files.USERS), "--record", str(record)),
        )

    async def _start_model(self, name: str) -> str:
        command = (sys.executable, "-m", "examples.model_server", "--model", name)
        return (await self._processes.start(name, *command, "--listen", "127.0.0.1:0"))["data"]

    async def _sidecar_ready(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self._get(f"http://{self.told.admin}/readyz"))[0] != 200:
                self._processes.check()
                await asyncio.sleep(POLL)

    async def _roll_out(self, name: str, rollout: str, what: str) -> None:
        """Start a rollout and follow it to its end, remembering when each stage was in force."""
        self._say("")
        self._say(f"understudy rollout start: {what}")
        await self._command("rollout", "start", "-f", self._write(name, rollout))
        baking: dict[int, tuple[float, float]] = {}
        last = ""
        async with asyncio.timeout(PATIENCE):
            while True:
                self._processes.check()
                asked = time.time()  # what is answered holds at some moment from here to the answer
                status = await self._status(name)
                last = self._say_change(status, last)
                if status["phase"] in FINAL and 0 < status["connected"] == status["acked"]:
                    break
                if status["stages"][status["stage"]]["state"] == "baking":
                    start, _ = baking.get(status["stage"], (time.time(), 0.0))
                    baking[status["stage"]] = (start, asked)
                await asyncio.sleep(POLL)
        self.told.rollouts[name] = status
        for index, (start, end) in baking.items():
            stage = status["stages"][index]["stage"]
            candidate = status["rollout"]["candidate"]
            self.told.slices.append(Slice(name, stage["name"], candidate, stage["percent"], start, end))

    def _say_change(self, status: dict[str, Any], last: str) -> str:
        stage = status["stages"][status["stage"]]
        text = f"{status['phase']:<12} {stage['stage']['name']:<10} {stage['state']:<8} {status['reason']}"
        if text != last:
            self._say(f"  {text}".rstrip())
        return text

    async def _status(self, name: str) -> dict[str, Any]:
        _, body = await self._get(f"{self.told.page}api/state")
        for status in json.loads(body)["rollouts"]:
            if status["rollout"]["name"] == name:
                found: dict[str, Any] = status
                return found
        raise Died(f"the control service knows no rollout {name}")

    async def _command(self, *arguments: str) -> str:
        return await self._processes.run(*UNDERSTUDY, *arguments, "--control", self.told.control)

    async def _get(self, url: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(get, url)

    def _write(self, name: str, text: str) -> str:
        path = self._folder / f"{name}.yaml"
        path.write_text(text)
        return str(path)


def get(url: str) -> tuple[int, bytes]:
    """An HTTP GET; a refusal is an answer, too."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
