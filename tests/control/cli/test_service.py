import json

import grpc
import pytest
from understudy.v1 import services_pb2

from tests.support.fake_control import Refusal
from tests.support.statuses import service_status

SERVICE = """\
kind: Service
name: fraud
variants:
  - {name: v1, target: "127.0.0.1:8001"}
routes:
  - name: predict
    split: {weights: {v1: 100}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text(SERVICE)
    return path


async def test_apply_sends_the_file_and_shows_the_service_in_force(script, understudy, file):
    script.answers["Services.Apply"] = services_pb2.ApplyResponse(service=service_status())

    result = await understudy("service", "apply", "-f", str(file), "--abort")

    assert (result.exit_code, result.out.splitlines()[0]) == (0, "fraud")
    (request,) = script.requests
    assert (request.service.variants[0].target, request.abort_rollout) == ("127.0.0.1:8001", True)


async def test_a_file_that_breaks_a_rule_is_not_sent(script, understudy, file):
    file.write_text(SERVICE.replace("v1: 100", "v2: 100"))

    result = await understudy("service", "apply", "-f", str(file))

    assert result.exit_code == 2
    assert result.err.startswith(f"{file}:7: routes[0].split.weights")
    assert script.requests == []


async def test_what_the_control_service_finds_in_the_file_names_its_line(script, understudy, file):
    violations = (("service.variants[0].target", "is another service's"),)
    script.answers["Services.Apply"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "1 problem", violations)

    result = await understudy("service", "apply", "-f", str(file))

    assert (result.exit_code, result.err) == (2, f"{file}:4: variants[0].target: is another service's\n")


async def test_a_missing_file_is_one_line(understudy, tmp_path):
    result = await understudy("service", "apply", "-f", str(tmp_path / "none.yaml"))

    assert result.exit_code == 2
    assert result.err == f"{tmp_path}/none.yaml: cannot be read: No such file or directory\n"


async def test_get_in_json_has_false_and_empty_fields_and_the_protos_names(script, understudy):
    script.answers["Services.Get"] = services_pb2.ServicesGetResponse(service=service_status())

    result = await understudy("service", "get", "fraud", "-o", "json")
    found = json.loads(result.out)

    assert found["slots"]["slots"]["v2"] == {
        "model_name": "fraud",
        "model_version": "2.0.0",
        "deployed_at": "2026-01-01T00:00:00Z",
        "is_active": False,
    }
    assert found["variants"][0]["live"]["latency_p99"] == "0.088s"
    assert found["service"]["fallback"] == ""


async def test_a_list_is_a_json_array_also_when_empty(script, understudy):
    script.answers["Services.List"] = services_pb2.ServicesListResponse()

    result = await understudy("service", "list", "-o", "json")

    assert json.loads(result.out) == []


async def test_yaml_keeps_the_protos_names_and_quotes_what_looks_like_a_time(script, understudy):
    script.answers["Services.List"] = services_pb2.ServicesListResponse(services=[service_status()])

    result = await understudy("service", "list", "-o", "yaml")

    assert result.out.startswith("- service:\n")
    assert "updated_at: '2026-01-01T00:00:00Z'\n" in result.out
