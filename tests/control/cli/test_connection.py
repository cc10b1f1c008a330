import socket

import grpc
import pytest

from tests.support.command import run
from tests.support.fake_control import Refusal


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_control_service_that_is_not_there_is_one_line_that_says_what_to_do():
    address = f"127.0.0.1:{closed_port()}"

    result = run("service", "list", "--control", address)

    assert (result.exit_code, result.out) == (1, "")
    assert result.err == (
        f"understudy: no control service at {address} (connection refused); start one with "
        "`understudy control`, or name another with --control HOST:PORT or UNDERSTUDY_CONTROL\n"
    )


def test_the_address_can_come_from_the_environment(monkeypatch):
    address = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv("UNDERSTUDY_CONTROL", address)

    assert address in run("sidecars").err


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:0", "127.0.0.1:99999", "http://x:1"])
def test_an_address_that_does_not_parse_is_a_usage_error(address):
    result = run("service", "list", "--control", address)

    assert result.exit_code == 2
    assert "Invalid value for '--control': must " in result.err or "is not known" in result.err


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (Refusal(grpc.StatusCode.NOT_FOUND, "no service is called 'x'"), "no service is called 'x'"),
        (Refusal(grpc.StatusCode.INTERNAL, ""), "the control service answered INTERNAL"),
        (Refusal(grpc.StatusCode.FAILED_PRECONDITION, "two\nlines"), "two lines"),
        (Refusal(grpc.StatusCode.ABORTED, "changed meanwhile; ask again"), "changed meanwhile; ask again"),
    ],
)
async def test_what_the_control_service_refuses_is_one_line_and_exit_code_1(
    script, understudy, refusal, line
):
    script.answers["Services.Get"] = refusal

    result = await understudy("service", "get", "x")

    assert (result.exit_code, result.err) == (1, f"understudy: {line}\n")


async def test_an_address_where_something_else_listens_says_so(script, understudy):
    script.answers["Services.List"] = Refusal(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

    result = await understudy("service", "list")

    assert result.exit_code == 1
    assert "is not a control service of this version" in result.err


async def test_field_violations_without_a_file_are_a_line_each_and_exit_code_2(script, understudy):
    violations = (("variant.target", "is required"), ("variant.name", "is taken"))
    script.answers["Services.Deploy"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "2 problems", violations)

    result = await understudy("deploy", "fraud", "green")

    assert (result.exit_code, result.err) == (2, "variant.target: is required\nvariant.name: is taken\n")


async def test_an_invalid_argument_without_details_is_its_message(script, understudy):
    script.answers["Services.Deploy"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "no")

    result = await understudy("deploy", "fraud", "green")

    assert (result.exit_code, result.err) == (2, "no\n")


async def test_a_control_service_that_is_there_and_cannot_is_not_called_missing(script, understudy, address):
    script.answers["Services.List"] = Refusal(grpc.StatusCode.UNAVAILABLE, "the store failed: disk is full")

    result = await understudy("service", "list")

    assert result.exit_code == 1
    assert result.err == (
        f"understudy: the control service at {address} cannot: the store failed: disk is full\n"
    )


def test_a_name_that_does_not_resolve_says_so():
    result = run("service", "list", "--control", "no-such-host.invalid:7080")

    assert result.exit_code == 1
    assert result.err.startswith("understudy: no control service at no-such-host.invalid:7080 (")
