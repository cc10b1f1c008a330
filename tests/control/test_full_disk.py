"""The real process over a disk that fills up or turns read-only, and gets room again."""

import asyncio
import contextlib
import json
import os
import pathlib
import resource
import subprocess
import urllib.request
from collections.abc import Callable, Iterator

import grpc
import pytest
from understudy.v1 import services_pb2, services_pb2_grpc

from tests.support.fake_sidecar import FakeSidecar, fake_sidecar, live
from tests.support.processes import Control, control_process, understudy
from tests.support.rollouts import make_service


async def _answered(sidecar: FakeSidecar) -> bool:
    """Whether a report is kept; big enough that the store must grow."""
    try:
        await sidecar.report(*(live(f"v{number}") for number in range(200)))
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - else it is no refusal
        assert "the store: its disk" in (error.details() or "")  # noqa: PT017
        return False
    return True


def _page(control: Control) -> str:
    with urllib.request.urlopen(f"http://{control.listening['http']}/api/state") as answer:
        return str(json.load(answer)["trouble"])


async def _suffer(
    directory: pathlib.Path,
    log: pathlib.Path,
    break_it: Callable[[int], object],
    mend: Callable[[int], object],
) -> None:
    """Everybody is told; sidecars keep what they have; all goes on once it can."""
    large = _large_service(log.parent)
    async with control_process(directory, log) as control, fake_sidecar(control.address) as sidecar:
        services = services_pb2_grpc.ServicesStub(sidecar.channel)
        await services.Apply(services_pb2.ApplyRequest(service=make_service()))
        await sidecar.has(1)
        assert await _answered(sidecar)
        assert await asyncio.to_thread(_page, control) == ""
        break_it(control.pid)
        while await _answered(sidecar):
            pass
        assert "its disk" in await asyncio.to_thread(_page, control)
        applied = await understudy("service", "apply", "-f", str(large), "--control", control.address)
        assert (applied.code, len(applied.err.splitlines())) == (1, 1), applied
        assert "the store: its disk" in applied.err
        assert sidecar.in_force[1] == 1
        async with fake_sidecar(control.address, node="pod-2") as newcomer:
            await newcomer.has(1)  # what is in force is still given to whoever comes
        mend(control.pid)
        assert await _answered(sidecar)
        assert await asyncio.to_thread(_page, control) == ""
        await services.Apply(services_pb2.ApplyRequest(service=make_service()))
        await sidecar.has(2)
    _check_log(log)


def _large_service(directory: pathlib.Path) -> pathlib.Path:
    """A file with a service that needs more room than what is left over."""
    variants = [{"name": f"v{number}", "target": f"10.0.0.1:{8000 + number}"} for number in range(1000)]
    file = directory / "large.json"
    file.write_text(json.dumps({"kind": "Service", "name": "large", "variants": variants}))
    return file


def _check_log(log: pathlib.Path) -> None:
    """It says once that it cannot, and once that it can again."""
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines if "store" in line["message"]] == [
        "the store cannot be written; trying again",
        "the store can be written again",
    ]
    assert "Traceback" not in text


async def test_a_store_that_may_grow_no_more(tmp_path: pathlib.Path) -> None:
    def limit(pid: int) -> None:
        size = (tmp_path / "understudy.db").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def lift(pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    await _suffer(tmp_path, tmp_path / "control.err", limit, lift)


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_disk_that_is_full(small_disk: pathlib.Path, tmp_path: pathlib.Path) -> None:
    filler = small_disk / "filler"

    def fill(_pid: int) -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    await _suffer(small_disk, tmp_path / "control.err", fill, lambda _pid: filler.unlink())
