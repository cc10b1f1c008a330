import asyncio
import json

import grpc
from understudy.v1 import rollouts_pb2

from tests.support.command import run
from tests.support.fake_control import Refusal, Script, fake_control
from tests.support.statuses import rollout_status


def at(phase: str, reason: str, state: str) -> rollouts_pb2.WatchResponse:
    status = rollout_status()
    status.phase, status.reason = phase, reason
    status.stages[1].state = state
    return rollouts_pb2.WatchResponse(rollout=status)


BAKING = at("Progressing", "canary-5 is baking", "baking")
ROLLED_BACK = at("RolledBack", "latency_p99 < 200ms failed", "failed")
SUCCEEDED = at("Succeeded", "v2 is stable", "passed")


def without_times(text: str) -> list[str]:
    return [line.partition("Z  ")[2] for line in text.splitlines()]


async def test_into_a_pipe_each_change_is_a_line_and_the_end_tells_the_exit_code(script, understudy):
    script.answers["Rollouts.Watch"] = [BAKING, BAKING, ROLLED_BACK]

    result = await understudy("rollout", "watch", "fraud-v2")

    assert result.exit_code == 1
    lines = without_times(result.out)
    assert lines[0] == "fraud-v2  Progressing: canary-5 is baking (v1 -> v2)"
    assert lines[-2:] == ["canary-5: failed", "fraud-v2  RolledBack: latency_p99 < 200ms failed"]
    assert len(lines) == 9
    assert "\x1b" not in result.out


async def test_a_success_is_exit_code_0(script, understudy):
    script.answers["Rollouts.Watch"] = [SUCCEEDED]

    assert (await understudy("rollout", "watch", "fraud-v2")).exit_code == 0


async def test_in_json_each_status_is_a_line(script, understudy):
    script.answers["Rollouts.Watch"] = [BAKING, SUCCEEDED]

    result = await understudy("rollout", "watch", "fraud-v2", "-o", "json")

    assert [json.loads(line)["phase"] for line in result.out.splitlines()] == ["Progressing", "Succeeded"]


async def test_in_yaml_each_status_is_a_document(script, understudy):
    script.answers["Rollouts.Watch"] = [BAKING, SUCCEEDED]

    result = await understudy("rollout", "watch", "fraud-v2", "-o", "yaml")

    assert result.out.count("---\nrollout:\n") == 2


async def test_a_rollout_that_is_not_there_is_one_line(script, understudy):
    script.answers["Rollouts.Watch"] = Refusal(grpc.StatusCode.NOT_FOUND, "no rollout is called 'x'")

    result = await understudy("rollout", "watch", "x")

    assert (result.exit_code, result.err) == (1, "understudy: no rollout is called 'x'\n")


async def test_a_control_service_that_comes_back_is_watched_on():
    """Its stream ends early, as at a restart; the second stream carries the rollout's end."""
    streams = iter([[BAKING], [SUCCEEDED]])

    async def stream():
        for message in next(streams):
            yield message

    script = Script({"Rollouts.Watch": stream, "Rollouts.Get": rollouts_pb2.RolloutsGetResponse()})
    async with fake_control(script) as address:
        result = await asyncio.to_thread(run, "rollout", "watch", "fraud-v2", "--control", address)

    assert result.exit_code == 0
    assert result.err == "understudy: the control service is away; waiting for it to come back\n"
    assert without_times(result.out)[-1] == "fraud-v2  Succeeded: v2 is stable"
