import json

from understudy.v1 import services_pb2

from tests.support.statuses import sidecar_statuses


async def test_sidecars_of_one_service(script, understudy):
    answer = services_pb2.ListSidecarsResponse(sidecars=sidecar_statuses())
    script.answers["Services.ListSidecars"] = answer

    result = await understudy("sidecars", "--service", "fraud")

    assert script.requests == [services_pb2.ListSidecarsRequest(service="fraud")]
    assert "pod-b refused the snapshot: routes[0].name: is required" in result.out


async def test_sidecars_in_json_are_an_array(script, understudy):
    answer = services_pb2.ListSidecarsResponse(sidecars=sidecar_statuses())
    script.answers["Services.ListSidecars"] = answer

    result = await understudy("sidecars", "-o", "json")

    assert [(each["node"], each["answer"], each["connected"]) for each in json.loads(result.out)] == [
        ("pod-a", "ack", True),
        ("pod-b", "nack", False),
    ]
