import asyncio
import pathlib
import socket

import pytest
from understudy.v1 import control_pb2, rollouts_pb2

from control import notify
from control.notify import FIRST_PAUSE, LONGEST_PAUSE, next_pause
from tests.support.eventually import eventually
from tests.support.fake_sidecar import copies, fake_sidecar, live
from tests.support.plane import control_plane
from tests.support.rollouts import make_service, progressive
from tests.support.webhooks import receiver


def hook(url: str, *events: str) -> control_pb2.Notify:
    return control_pb2.Notify(url=url, events=events)


async def test_a_rollback_is_told_everywhere_it_is_wanted(tmp_path: pathlib.Path) -> None:
    async with (
        receiver() as everything,
        receiver() as rollbacks,
        control_plane(tmp_path, notify=[hook(everything.url)]) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await plane.apply()
        rollout = progressive()
        rollout.notify.append(hook(rollbacks.url, "rollback"))
        await plane.start(rollout)
        await plane.stage("shadow")
        await sidecar.report(live("v1"), copies("v2", 1, 99))
        await plane.bake("shadow", 60)
        await eventually(lambda: len(everything.received) == 4 and len(rollbacks.received) == 1)
        events = sorted(each["event_id"] for each in everything.received)
        assert events == [f"fraud-v2-1/{event}" for event in ("1/phase", "1/stage", "2/phase", "2/rollback")]
        [told] = rollbacks.received
        assert told["event"] == "rollback"
        assert (told["rollout"], told["service"], told["stage"]) == ("fraud-v2-1", "fraud", "shadow")
        assert (told["phase"], told["from_phase"]) == ("RolledBack", "Progressing")
        assert "match_rate" in told["reason"]
        assert told["time"].endswith("Z")


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_was_not_taken_is_told_again(tmp_path: pathlib.Path, status: int) -> None:
    async with receiver(status) as hooked, control_plane(tmp_path) as plane:
        await plane.apply()
        rollout = progressive()
        rollout.notify.append(hook(hooked.url, "stage"))
        await plane.start(rollout)
        await eventually(lambda: len(hooked.received) == 1)
        plane.clock.advance(FIRST_PAUSE)
        await eventually(lambda: len(hooked.received) == 2)
        first, second = hooked.received
        assert first == second


async def test_what_was_not_delivered_is_after_a_restart(tmp_path: pathlib.Path) -> None:
    async with receiver(500) as hooked:
        async with control_plane(tmp_path) as plane:
            await plane.apply()
            rollout = progressive()
            rollout.notify.append(hook(hooked.url, "stage"))
            await plane.start(rollout)
            await eventually(lambda: len(hooked.received) == 1)
        plane.clock.advance(FIRST_PAUSE)
        async with control_plane(tmp_path, plane.clock):
            await eventually(lambda: len(hooked.received) == 2)
        assert hooked.received[0] == hooked.received[1]


async def test_an_address_that_hangs_holds_up_no_other(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "TRY_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        async with receiver() as hooked, control_plane(tmp_path, notify=[hook(url)]) as plane:
            await plane.apply()
            rollout = progressive()
            rollout.notify.append(hook(hooked.url, "stage"))
            await plane.start(rollout)
            await eventually(lambda: len(hooked.received) == 1)
            await plane.rollouts.Abort(rollouts_pb2.AbortRequest(name="fraud-v2-1"))


async def test_many_events_for_an_address_that_hangs_hold_up_no_other(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "TRY_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        async with receiver() as hooked, control_plane(tmp_path, notify=[hook(url)]) as plane:
            for number in range(8):  # each with two events for the address that hangs
                await plane.apply(make_service(name=f"s{number}"))
                await plane.start(progressive(service=f"s{number}"))
            await plane.apply()
            rollout = progressive()
            rollout.notify.append(hook(hooked.url, "stage"))
            began = asyncio.get_running_loop().time()
            await plane.start(rollout)
            await eventually(lambda: len(hooked.received) == 1)
            assert asyncio.get_running_loop().time() - began < 2 * notify.TRY_SECONDS


async def test_an_answer_that_is_no_http_is_one_that_was_not_taken(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    garbled = 0

    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal garbled
        await reader.readuntil(b"\r\n\r\n")
        garbled += 1
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, receiver() as hooked:
        hooks = [hook(f"http://127.0.0.1:{port}/"), hook(hooked.url, "stage")]
        async with control_plane(tmp_path, notify=hooks) as plane:
            await plane.apply()
            await plane.start(progressive())
            await eventually(lambda: caplog.text.count("a webhook was not taken") == 2)
            plane.clock.advance(FIRST_PAUSE)
            await eventually(lambda: garbled == 4)
            assert "could not be delivered" not in caplog.text
            assert len(hooked.received) == 1


def test_pauses_double_up_to_a_bound() -> None:
    assert [next_pause(attempts, 1.0) for attempts in (0, 1, 2)] == [1.0, 2.0, 4.0]
    assert next_pause(1000, 1.0) == LONGEST_PAUSE
    assert next_pause(0, 0.0) == FIRST_PAUSE / 2
