import json

import pytest
from understudy.v1 import services_pb2

from tests.support.statuses import service_status

SLOTS = service_status().slots


async def test_deploy_names_the_slot_and_what_to_put_there(script, understudy):
    script.answers["Services.Deploy"] = services_pb2.DeployResponse(slots=SLOTS)

    result = await understudy(
        "deploy", "fraud", "v2", "--target", "127.0.0.1:8002", "--version", "2.0.0", "--mirror", "25%"
    )

    assert result.out.splitlines()[0] == (
        "fraud: v1 takes the traffic, v2 stands by with 25% of the calls copied"
    )
    (request,) = script.requests
    assert (request.service, request.mirror_percent) == ("fraud", 25)
    assert (request.variant.name, request.variant.target, request.variant.version) == (
        "v2", "127.0.0.1:8002", "2.0.0",
    )  # fmt: skip


async def test_switch_says_by_which_snapshot(script, understudy):
    script.answers["Services.Switch"] = services_pb2.SwitchResponse(slots=SLOTS, epoch=3, version=18)

    result = await understudy("switch", "fraud")

    assert result.out.splitlines()[0] == "fraud: v1 takes the traffic, by snapshot 3.18"
    assert script.requests == [services_pb2.SwitchRequest(service="fraud")]


async def test_slots_in_json_are_the_slot_status_alone(script, understudy):
    script.answers["Services.Rollback"] = services_pb2.RollbackResponse(slots=SLOTS, epoch=3, version=18)

    result = await understudy("rollback", "fraud", "-o", "json")

    slot = {"model_name": "fraud", "deployed_at": "2026-01-01T00:00:00Z"}
    assert json.loads(result.out) == {
        "active_slot": "v1",
        "slots": {
            "v1": slot | {"model_version": "1.0.0", "is_active": True},
            "v2": slot | {"model_version": "2.0.0", "is_active": False},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("deploy", "fraud", "V2"), "must be up to 63 lower-case letters"),
        (("deploy", "fraud", ""), "is required"),
        (("deploy", "fraud", "v2", "--target", "nowhere"), "must be host:port"),
        (("deploy", "fraud", "v2", "--mirror", "101"), "must be from 0 to 100"),
        (("deploy", "fraud", "v2", "--mirror", "nan"), "must be from 0 to 100"),
        (("switch", "fraud", "no no"), "must be up to 63"),
        (("rollback",), "Missing argument 'SERVICE'"),
    ],
)
async def test_a_mistake_is_a_usage_error_and_asks_nobody(script, understudy, arguments, complaint):
    result = await understudy(*arguments)

    assert result.exit_code == 2
    assert complaint in result.err
    assert script.requests == []
