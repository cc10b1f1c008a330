"""TLS on either side of a sidecar: calls go through, and those that should not be trusted do not."""

import asyncio
import contextlib
import pathlib
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
from understudy.v1 import service_pb2

from proxy.engines.engine import Listening
from tests.support.callers import Caller, caller
from tests.support.certificates import Authority, caller_credentials, client, model_credentials
from tests.support.eventually import eventually
from tests.support.models import Model, model
from tests.support.sidecars import Sidecar, route, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])
LARGE = bytes(range(256)) * 64 * 1024  # 16 MB


@pytest.fixture(name="authority")
def an_authority(tmp_path: pathlib.Path) -> Authority:
    return Authority(tmp_path)


@dataclass
class Chain:
    """A caller, a sidecar and a model server, TLS between each."""

    call: Caller
    sidecar: Sidecar
    server: Model


@contextlib.asynccontextmanager
async def chain(engine: str, authority: Authority) -> AsyncIterator[Chain]:
    own = authority.pair("sidecar")
    async with model(credentials=model_credentials(authority.pair("model"))) as server:
        what = secured(service({"v1": server.address}), ca=str(authority.ca))
        listening = Listening(tls=own.files())
        async with (
            sidecar(engine, what, listening=listening) as one,
            caller(one.address, credentials=caller_credentials(authority.ca)) as call,
        ):
            yield Chain(call, one, server)


def secured(what: service_pb2.Service, variant: int = 0, **tls: str) -> service_pb2.Service:
    """The same, with TLS to one of its variants."""
    what.variants[variant].tls.CopyFrom(service_pb2.VariantTls(**tls))
    return what


@BOTH
async def test_a_call_goes_through_tls_on_both_sides(engine: str, method: str, authority: Authority) -> None:
    async with chain(engine, authority) as one:
        replies = await asyncio.gather(*(one.call.unary(method, b"%d" % number) for number in range(50)))
        assert [reply.message for reply in replies] == [b"%d" % number for number in range(50)]


async def test_a_stream_goes_both_ways(engine: str, authority: Authority) -> None:
    async with chain(engine, authority) as one:
        call = one.call.stream(STREAM)
        for number in range(20):
            await call.write(b"%d" % number)
            assert await call.read() == b"%d" % number
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK


@BOTH
async def test_a_large_message_arrives_whole(engine: str, method: str, authority: Authority) -> None:
    async with chain(engine, authority) as one:
        reply = await one.call.unary(method, LARGE, deadline=120)
        assert reply.message == LARGE


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_caller_has_to_show_a_certificate_where_one_is_asked_for(
    engine: str, *, is_known: bool, authority: Authority, tmp_path: pathlib.Path
) -> None:
    own, callers = authority.pair("sidecar"), Authority(tmp_path, "callers")
    shown = callers.pair("caller") if is_known else authority.pair("caller")
    async with model() as server:
        listening = Listening(tls=own.files(callers.ca))
        async with sidecar(engine, service({"v1": server.address}), listening=listening) as one:
            async with caller(one.address, credentials=caller_credentials(authority.ca, shown)) as call:
                reply = await call.unary(UNARY, b"x")
                assert reply.code is (grpc.StatusCode.OK if is_known else grpc.StatusCode.UNAVAILABLE)
            async with caller(one.address, credentials=caller_credentials(authority.ca)) as call:
                assert (await call.unary(UNARY, b"x")).code is grpc.StatusCode.UNAVAILABLE
    assert len(server.calls) == is_known


@pytest.mark.parametrize("is_known", [True, False])
async def test_the_sidecar_shows_its_own_certificate_to_a_model_server(
    engine: str, *, is_known: bool, authority: Authority, tmp_path: pathlib.Path
) -> None:
    own = authority.pair("sidecar") if is_known else Authority(tmp_path, "other").pair("sidecar")
    credentials = model_credentials(authority.pair("model"), authority.ca)
    async with model(credentials=credentials) as server:
        tls = {"ca": str(authority.ca), "certificate": str(own.certificate), "key": str(own.key)}
        what = secured(service({"v1": server.address}), **tls)
        async with sidecar(engine, what) as one, caller(one.address) as call:
            reply = await call.unary(UNARY, b"x")
            if is_known:
                assert reply.message == b"x"
                assert server.calls[0].who == "sidecar"
            else:
                assert (reply.code, reply.error) == (grpc.StatusCode.UNAVAILABLE, "no_live_upstream")
                await until_reason(one, "right after the TLS handshake")


WRONG = {
    "authority": "its certificate is refused: unable to get local issuer certificate",
    "name": "its certificate is refused: IP address mismatch, certificate is not valid for '127.0.0.1'.",
    "alpn": "no h2 was agreed on",
    "plain": "TLS failed: ",
}


@pytest.mark.parametrize("wrong", WRONG)
@BOTH
async def test_a_model_server_that_is_not_who_it_should_be_gets_no_call(
    engine: str, wrong: str, method: str, authority: Authority, tmp_path: pathlib.Path
) -> None:
    pair = authority.pair("model", "model.test" if wrong == "name" else "127.0.0.1")
    ca = Authority(tmp_path, "another").ca if wrong == "authority" else authority.ca
    async with contextlib.AsyncExitStack() as stack:
        fallback = await stack.enter_async_context(model())
        if wrong == "alpn":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(pair.certificate, pair.key)
            address = await stack.enter_async_context(silent(context))
        else:
            credentials = None if wrong == "plain" else model_credentials(pair)
            address = (await stack.enter_async_context(model(credentials=credentials))).address
        what = service({"v1": fallback.address, "v2": address}, route(weights={"v2": 1}))
        one = await stack.enter_async_context(sidecar(engine, secured(what, 1, ca=str(ca))))
        call = await stack.enter_async_context(caller(one.address))
        # then its calls go to the fallback, and the variant says why
        replies = [await call.unary(method, b"x") for _ in range(3)]
        assert {(reply.code, reply.variant) for reply in replies} == {(grpc.StatusCode.OK, "v1")}
        await until_reason(one, WRONG[wrong], "v2")


@contextlib.asynccontextmanager
async def silent(context: ssl.SSLContext) -> AsyncIterator[str]:
    """A server that shakes hands, and says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def until_reason(one: Sidecar, reason: str, variant: str = "v1") -> None:
    await eventually(lambda: reason in one.engine.liveness()[variant].reason)


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
async def test_a_caller_that_does_not_ask_for_h2_is_sent_away(
    engine: str, alpn: tuple[str, ...], authority: Authority
) -> None:
    async with chain(engine, authority) as one:
        host, _, port = one.sidecar.address.rpartition(":")
        with contextlib.suppress(OSError):  # gRPC core does not shake hands with it
            context = client(authority.ca, alpn=alpn)
            reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
            async with asyncio.timeout(30):
                assert await reader.read() == b""
            writer.close()
        assert (await one.call.unary(UNARY, b"x")).ok


@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2", "TLSv1_3"])
async def test_versions_from_1_2_on_are_spoken(engine: str, version: str, authority: Authority) -> None:
    context = client(authority.ca)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with chain(engine, authority) as one:
        port = int(one.sidecar.address.rpartition(":")[2])
        connecting = asyncio.open_connection("127.0.0.1", port, ssl=context)
        if version == "TLSv1_1":
            with pytest.raises(OSError):  # noqa: PT011  # by an alert, or none
                await connecting
        else:
            _, writer = await connecting
            assert writer.get_extra_info("ssl_object").version() == version.replace("_", ".")
            writer.transport.abort()


@BOTH
async def test_copies_go_through_tls_too(engine: str, method: str, authority: Authority) -> None:
    async with contextlib.AsyncExitStack() as stack:
        primary = await stack.enter_async_context(model())
        shadow = await stack.enter_async_context(
            model(credentials=model_credentials(authority.pair("model")))
        )
        mirrored = route(weights={"v1": 1}, mirrors=[{"variant": "v2", "percent": 100}])
        what = secured(
            service({"v1": primary.address, "v2": shadow.address}, mirrored), 1, ca=str(authority.ca)
        )
        one = await stack.enter_async_context(sidecar(engine, what))
        call = await stack.enter_async_context(caller(one.address))
        await one.until_live("v2")
        assert (await call.unary(method, b"x")).message == b"x"
        assert (await shadow.next_call()).method == method
        await one.until_mirrored()
        assert one.outcomes("v2") == {"match": 1}


async def test_a_caller_without_tls_is_sent_away(engine: str, authority: Authority) -> None:
    async with chain(engine, authority) as one, caller(one.sidecar.address) as plain:
        assert (await plain.unary(UNARY, b"x")).code is grpc.StatusCode.UNAVAILABLE
        assert (await one.call.unary(UNARY, b"x")).ok


async def test_a_name_for_the_certificate_may_be_given(
    engine: str, authority: Authority, tmp_path: pathlib.Path
) -> None:
    credentials = model_credentials(authority.pair("model", "model.test"))
    async with model(credentials=credentials) as server:
        for target in (server.address, f"ipv4:{server.address}", f"unix:{tmp_path}/model.sock"):
            if target.startswith("unix"):
                await server.kill()
                server.address = target
                await server.start(target)
            for authority_field in ("", "other.test:443"):
                what = secured(service({"v1": target}), ca=str(authority.ca), server_name="model.test")
                what.variants[0].authority = authority_field
                async with sidecar(engine, what) as one, caller(one.address) as call:
                    assert (await call.unary(UNARY, b"x")).message == b"x"


async def test_variants_at_one_address_share_no_connection_where_their_tls_differs(
    engine: str, authority: Authority
) -> None:
    credentials = model_credentials(authority.pair("model"), authority.ca)
    async with model(credentials=credentials) as server:
        what = service({"v1": server.address, "v2": server.address})
        for index in (0, 1):
            own = authority.pair(f"sidecar {index}")
            tls = {"ca": str(authority.ca), "certificate": str(own.certificate), "key": str(own.key)}
            secured(what, index, **tls)
        async with sidecar(engine, what) as one, caller(one.address) as call:
            for index in (0, 1):
                what.stable = f"v{index + 1}"
                one.apply(what)
                assert (await call.unary(UNARY)).ok
    assert [each.who for each in server.calls] == ["sidecar 0", "sidecar 1"]


async def test_a_push_that_turns_tls_on_counts_for_new_calls(engine: str, authority: Authority) -> None:
    async with model(credentials=model_credentials(authority.pair("model"))) as server:
        what = service({"v1": server.address})
        async with sidecar(engine, what) as one, caller(one.address) as call:
            assert (await call.unary(UNARY)).code is grpc.StatusCode.UNAVAILABLE
            one.apply(secured(what, ca=str(authority.ca)))
            assert (await call.unary(UNARY, b"x")).message == b"x"
