"""A model server's status passes untouched; what the sidecar says itself is marked."""

import asyncio

import grpc
import pytest

from tests.support.callers import caller
from tests.support.models import Received, fails, hangs
from tests.support.sidecars import fronted, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
TRAILERS = (("grpc-status-details-bin", b"\x08\x05\xff\x00rich"), ("x-why", "a"), ("x-why", "b"))


@BOTH
@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_every_code_passes_with_details_and_trailers(
    engine: str, method: str, code: grpc.StatusCode
) -> None:
    server_says = fails(code, f"because {code.name}", *TRAILERS)
    async with fronted(engine, server_says) as (_server, one, call):
        reply = await call.unary(method)

    assert (reply.code, reply.details) == (code, f"because {code.name}")
    assert [pair for pair in reply.trailing if pair in TRAILERS] == list(TRAILERS)
    assert reply.error == ""
    assert reply.variant == "v1"
    assert one.codes("v1") == {code.name: 1}


@BOTH
@pytest.mark.parametrize(
    "details",
    [
        "",
        "50% of a\nline\r\nand\ta tab",
        "modèle introuvable",
        "モデルが見つかりません",
        "النموذج",
        "🦜 %25 %zz",
    ],
)
async def test_a_message_in_any_language_passes(engine: str, method: str, details: str) -> None:
    server_says = fails(grpc.StatusCode.FAILED_PRECONDITION, details)
    async with fronted(engine, server_says) as (_server, _one, call):
        reply = await call.unary(method)

    assert reply.details == details


@BOTH
async def test_nothing_but_trailers_stays_nothing_but_trailers(engine: str, method: str) -> None:
    """An answer without a header block: what the sidecar says stands in the trailers, too."""
    server_says = fails(grpc.StatusCode.NOT_FOUND, "no such model")
    async with fronted(engine, server_says) as (_server, _one, call):
        replies = [await call.unary(method) for _ in range(50)]

    assert {reply.initial for reply in replies} == {()}
    assert {tuple(key for key, _ in reply.trailing) for reply in replies} == {
        ("x-request-id", "x-understudy-variant", "x-understudy-ticket")
    }


@BOTH
async def test_headers_before_a_failure_stay_headers(engine: str, method: str) -> None:
    async def behave(call: Received) -> None:
        await call.read()
        await call.begin(("x-model", "busy"))
        call.end(grpc.StatusCode.ABORTED, "no", ("x-why", "busy"))

    async with fronted(engine, behave) as (_server, _one, call):
        reply = await call.unary(method)

    assert ("x-model", "busy") in reply.initial
    assert reply.trailing == (("x-why", "busy"),)
    assert reply.code is grpc.StatusCode.ABORTED


@pytest.mark.parametrize("size", [1, 10_000])
async def test_a_stream_that_fails_after_answers_delivers_them(engine: str, size: int) -> None:
    async def behave(call: Received) -> None:
        await call.read_all()
        for _ in range(50):
            await call.write(b"x" * size)
        call.end(grpc.StatusCode.DATA_LOSS, "the rest is gone", *TRAILERS)

    async with fronted(engine, behave) as (_server, _one, call):
        reply = await call.exchange(STREAM, [b"1", b"2"])

    assert len(reply.messages) == 50
    assert (reply.code, reply.details) == (grpc.StatusCode.DATA_LOSS, "the rest is gone")
    assert [pair for pair in reply.trailing if pair in TRAILERS] == list(TRAILERS)


@BOTH
async def test_trailers_of_a_success_pass(engine: str, method: str) -> None:
    async def behave(call: Received) -> None:
        await call.read()
        await call.write(b"fine")
        call.end(grpc.StatusCode.OK, "", *TRAILERS)

    async with fronted(engine, behave) as (_server, _one, call):
        reply = await call.unary(method)

    assert reply.message == b"fine"
    assert reply.trailing == TRAILERS


@BOTH
@pytest.mark.parametrize("details", ["Deadline Exceeded", "model too slow"])
async def test_a_model_servers_own_deadline_is_not_the_sidecars(
    engine: str, method: str, details: str
) -> None:
    server_says = fails(grpc.StatusCode.DEADLINE_EXCEEDED, details)
    async with fronted(engine, server_says) as (_server, _one, call):
        reply = await call.unary(method)

    assert (reply.code, reply.details) == (grpc.StatusCode.DEADLINE_EXCEEDED, details)
    assert reply.error == ""


async def test_many_early_ends_keep_their_status(engine: str) -> None:
    """A server that refuses at once, while requests are still on their way.

    The caller's own grpc.aio may make INTERNAL of it (https://github.com/grpc/grpc/issues/36066); the
    sidecar does not.
    """

    async def refuse(call: Received) -> None:
        call.end(grpc.StatusCode.PERMISSION_DENIED, "not you")

    async with fronted(engine, refuse) as (_server, one, call):
        replies = await asyncio.gather(
            *(call.exchange(STREAM, [b"x" * 1000] * 3) for _ in range(200)),
        )
        await one.until_idle()

    assert one.codes("v1") == {"PERMISSION_DENIED": 200}
    assert {reply.code for reply in replies} <= {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL}


@BOTH
async def test_without_a_configuration_calls_are_unavailable(engine: str, method: str) -> None:
    async with sidecar(engine, None) as one, caller(one.address) as call:
        reply = await call.unary(method)

    assert (reply.code, reply.error) == (grpc.StatusCode.UNAVAILABLE, "no_configuration")
    assert one.ledger.totals.refused == {"no_configuration": 1}


@BOTH
async def test_a_call_cut_by_its_model_servers_death_is_unavailable(engine: str, method: str) -> None:
    async with fronted(engine, hangs) as (server, _one, call), asyncio.TaskGroup() as tasks:
        pending = tasks.create_task(call.unary(method))
        await server.next_call()
        await server.kill()

    reply = pending.result()
    # The server says it itself, in its last breath; grpc.aio's client says the same of a lost connection.
    assert reply.error == ("" if engine == "relay" else "upstream_reset")
    assert (reply.code, reply.variant) == (grpc.StatusCode.UNAVAILABLE, "v1")
