import json

import grpc
import pytest
from understudy.v1 import rollouts_pb2

from tests.support.fake_control import Refusal
from tests.support.statuses import rollout_status, transitions

ROLLOUT = """\
kind: Rollout
name: fraud-v2
service: fraud
candidate: v2
progressive:
  stages:
    - {name: canary-5, percent: 5, bake: 30m, require: ["latency_p99 < 200ms"]}
    - {name: full, percent: 100}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rollout.yaml"
    path.write_text(ROLLOUT)
    return path


async def test_start_sends_the_file_and_says_how_it_stands(script, understudy, file):
    script.answers["Rollouts.Start"] = rollouts_pb2.StartResponse(rollout=rollout_status())

    result = await understudy("rollout", "start", "-f", str(file))

    assert (result.exit_code, result.out) == (0, "fraud-v2  Progressing: canary-5 is baking\n")
    assert script.requests[0].rollout.progressive.stages[0].percent == 5


async def test_start_supersedes_where_it_is_told_to(script, understudy, file):
    script.answers["Rollouts.Start"] = rollouts_pb2.StartResponse(rollout=rollout_status())

    await understudy("rollout", "start", "-f", str(file), "--supersede")

    assert script.requests[0].supersede


async def test_what_the_control_service_finds_in_the_rollout_names_its_line(script, understudy, file):
    violations = (("progressive.stages[0].require[0]", "is no criterion"), ("candidate", "is not there"))
    script.answers["Rollouts.Start"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "2 problems", violations)

    result = await understudy("rollout", "start", "-f", str(file))

    assert result.exit_code == 2
    assert result.err == (
        f"{file}:7: progressive.stages[0].require[0]: is no criterion\n{file}:4: candidate: is not there\n"
    )


async def test_a_file_of_another_kind_is_refused(understudy, file):
    file.write_text("kind: Service\nname: x\n")

    result = await understudy("rollout", "start", "-f", str(file))

    assert (result.exit_code, result.err) == (2, f"{file}:1: kind: must be Rollout, got 'Service'\n")


@pytest.mark.parametrize(
    ("verb", "request_type", "response"),
    [
        ("pause", rollouts_pb2.PauseRequest, rollouts_pb2.PauseResponse),
        ("resume", rollouts_pb2.ResumeRequest, rollouts_pb2.ResumeResponse),
        ("abort", rollouts_pb2.AbortRequest, rollouts_pb2.AbortResponse),
        ("retry", rollouts_pb2.RetryRequest, rollouts_pb2.RetryResponse),
        ("undo", rollouts_pb2.UndoRequest, rollouts_pb2.UndoResponse),
        ("promote", rollouts_pb2.PromoteRequest, rollouts_pb2.PromoteResponse),
    ],
)
async def test_a_command_names_its_rollout_and_shows_where_it_stands(
    script, understudy, verb, request_type, response
):
    script.answers[f"Rollouts.{verb.title()}"] = response(rollout=rollout_status())

    result = await understudy("rollout", verb, "fraud-v2")

    assert (result.exit_code, result.out) == (0, "fraud-v2  Progressing: canary-5 is baking\n")
    (asked,) = script.requests
    assert "@" in asked.by
    assert asked == request_type(name="fraud-v2", by=asked.by)


async def test_promote_full_skips_what_is_left(script, understudy):
    script.answers["Rollouts.Promote"] = rollouts_pb2.PromoteResponse(rollout=rollout_status())

    await understudy("rollout", "promote", "fraud-v2", "--full")

    (asked,) = script.requests
    assert asked == rollouts_pb2.PromoteRequest(name="fraud-v2", full=True, by=asked.by)


async def test_a_command_that_comes_at_the_wrong_time_is_exit_code_1(script, understudy):
    script.answers["Rollouts.Undo"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "'x' has not succeeded")

    result = await understudy("rollout", "undo", "x")

    assert (result.exit_code, result.err) == (1, "understudy: 'x' has not succeeded\n")


@pytest.mark.parametrize(("phase", "exit_code"), [("Succeeded", 0), ("Progressing", 0), ("Paused", 1)])
async def test_the_status_shows_and_its_exit_code_tells(script, understudy, phase, exit_code):
    status = rollout_status()
    status.phase = phase
    script.answers["Rollouts.Get"] = rollouts_pb2.RolloutsGetResponse(rollout=status)

    result = await understudy("rollout", "status", "fraud-v2")

    assert result.exit_code == exit_code
    assert result.out.startswith(f"fraud-v2  {phase}: ")


async def test_the_status_in_json_is_whole_and_links_its_traces(script, understudy):
    script.answers["Rollouts.Get"] = rollouts_pb2.RolloutsGetResponse(rollout=rollout_status())

    found = json.loads((await understudy("rollout", "status", "fraud-v2", "-o", "json")).out)

    assert (found["stable_version"], found["canary_version"], found["canary_percentage"]) == (
        "1.0.0", "2.0.0", 5.0,
    )  # fmt: skip
    assert (found["failing"], found["stages"][1]["elapsed"]) == (False, "725s")
    assert "value" not in found["stages"][1]["criteria"][1]
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert [(each["trace_id"], each["trace_link"]) for each in found["exemplars"]] == [
        (trace, f"https://traces.example/t/{trace}"),
        ("", ""),
    ]


async def test_list_takes_a_service_and_get_shows_the_plan(script, understudy):
    script.answers["Rollouts.List"] = rollouts_pb2.RolloutsListResponse(rollouts=[rollout_status()])
    script.answers["Rollouts.Get"] = rollouts_pb2.RolloutsGetResponse(rollout=rollout_status())

    listed = await understudy("rollout", "list", "fraud")
    plan = await understudy("rollout", "get", "fraud-v2")

    assert script.requests[0] == rollouts_pb2.RolloutsListRequest(service="fraud")
    assert listed.out.startswith("NAME ")
    assert "MAX BAKE" in plan.out


@pytest.mark.parametrize(("verb", "line"), [("history", "every criterion passed"), ("explain", "9000 pairs")])
async def test_the_past_is_shown_with_the_names_of_its_stages(script, understudy, verb, line):
    script.answers["Rollouts.Get"] = rollouts_pb2.RolloutsGetResponse(rollout=rollout_status())
    script.answers["Rollouts.Explain"] = rollouts_pb2.ExplainResponse(transitions=transitions())

    shown = (await understudy("rollout", verb, "fraud-v2")).out
    plain = json.loads((await understudy("rollout", verb, "fraud-v2", "-o", "json")).out)

    assert line in shown
    assert "shadow -> canary-5" in shown
    assert [each["event"] for each in plain] == ["started", "stage"]
