"""Certificates that are renewed under a running sidecar: new connections use them, and no call is cut off."""

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
from understudy.v1 import service_pb2

from proxy.engines.engine import Listening
from proxy.tls import keyring
from tests.support.callers import Caller, caller
from tests.support.certificates import (
    Authority,
    Pair,
    caller_credentials,
    client,
    common_name,
    model_credentials,
)
from tests.support.eventually import eventually
from tests.support.models import Model, model
from tests.support.sidecars import Sidecar, service, sidecar

STREAM = "/any.Service/Method"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LOOK", 0.02)


@dataclass
class Served:
    """A sidecar behind TLS, with the files that it shows."""

    sidecar: Sidecar
    own: Pair
    authority: Authority
    call: Caller

    async def shown(self) -> str:
        """The name in the certificate that a new connection gets."""
        host, _, port = self.sidecar.address.rpartition(":")
        context = client(self.authority.ca)
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        name = common_name(writer.get_extra_info("peercert"))
        writer.transport.abort()
        return name

    async def until_shown(self, name: str) -> None:
        async with asyncio.timeout(60):
            while await self.shown() != name:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def served(engine: str, authority: Authority) -> AsyncIterator[Served]:
    own = authority.pair("first")
    async with model() as server:
        what, listening = service({"v1": server.address}), Listening(tls=own.files())
        async with (
            sidecar(engine, what, listening=listening) as one,
            caller(one.address, credentials=caller_credentials(authority.ca)) as call,
        ):
            yield Served(one, own, authority, call)


async def test_new_callers_see_the_new_certificate_and_a_stream_goes_on(
    engine: str, tmp_path: pathlib.Path
) -> None:
    authority = Authority(tmp_path)
    async with served(engine, authority) as one:
        call = one.call.stream(STREAM)
        await call.write(b"before")
        assert await call.read() == b"before"
        # when the files are renewed
        one.own.replace_by(authority.pair("second"))
        await one.until_shown("second")
        # then the stream is none the wiser
        await call.write(b"after")
        assert await call.read() == b"after"
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK


async def test_a_secret_that_is_swapped_by_its_directory_s_link_is_noticed(
    engine: str, tmp_path: pathlib.Path
) -> None:
    """As the kubelet does it: the files are links into a directory that is a link itself."""
    authority = Authority(tmp_path)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        made = authority.pair(name)
        made.certificate.rename(tmp_path / name / "tls.crt")
        made.key.rename(tmp_path / name / "tls.key")
    (tmp_path / "data").symlink_to("first")
    files = [tmp_path / "tls.crt", tmp_path / "tls.key"]
    for file in files:
        file.symlink_to(pathlib.Path("data") / file.name)
    async with model() as server:
        what, listening = service({"v1": server.address}), Listening(tls=Pair(*files).files())
        async with (
            sidecar(engine, what, listening=listening) as one,
            caller(one.address, credentials=caller_credentials(authority.ca)) as call,
        ):
            setup = Served(one, Pair(*files), authority, call)
            assert await setup.shown() == "first"
            (tmp_path / "new").symlink_to("second")
            (tmp_path / "new").rename(tmp_path / "data")
            await setup.until_shown("second")


BROKEN = {
    "gone": "cannot be read: No such file or directory",
    "empty": "is empty",
    "no certificate": "holds no PEM certificate that can be read",
    "another key": "is not the key of",
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_files_that_cannot_be_used_leave_what_there_was(
    engine: str, broken: str, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    async with served(engine, authority) as one:
        match broken:
            case "gone":
                one.own.certificate.unlink()
            case "empty":
                one.own.certificate.write_bytes(b"")
            case "no certificate":
                one.own.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\nno\n")
            case _:
                authority.pair("second").key.replace(one.own.key)
        # then that is said once
        await eventually(lambda: errors(caplog))
        assert await one.shown() == "first"
        assert BROKEN[broken] in errors(caplog)[0].reason  # type: ignore[attr-defined]
        # and whole files are taken up again
        one.own.replace_by(authority.pair("third"))
        await one.until_shown("third")
        assert len(errors(caplog)) == 1
    caplog.clear()


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.levelno >= logging.ERROR]


def trusting(server: Model, ca: pathlib.Path, own: Pair) -> service_pb2.Service:
    what = service({"v1": server.address})
    tls = service_pb2.VariantTls(ca=str(ca), certificate=str(own.certificate), key=str(own.key))
    what.variants[0].tls.CopyFrom(tls)
    return what


async def test_new_connections_to_a_model_server_show_the_new_certificate(
    engine: str, tmp_path: pathlib.Path
) -> None:
    authority = Authority(tmp_path)
    own = authority.pair("first")
    credentials = model_credentials(authority.pair("model"), authority.ca)
    async with model(credentials=credentials) as server:
        what = trusting(server, authority.ca, own)
        async with sidecar(engine, what) as one, caller(one.address) as call:
            stream = call.stream(STREAM)
            await stream.write(b"before")
            assert await stream.read() == b"before"
            # when the files are renewed
            own.replace_by(authority.pair("second"))
            await renewed(one)
            await stream.write(b"after")
            assert await stream.read() == b"after"
            await stream.done_writing()
            assert await stream.code() is grpc.StatusCode.OK
            # then new connections show them
            await server.kill()
            await one.until_dead("v1")
            await server.start()
            await one.until_live("v1")
            # grpc.aio may connect once more with the files before, and moves as soon as the new ones stand
            async with asyncio.timeout(60):
                while server.calls[-1].who != "second":
                    assert (await call.unary(STREAM, b"x")).ok
    assert server.calls[0].who == "first"


async def test_new_calls_of_grpc_move_to_a_connection_of_the_new_files(tmp_path: pathlib.Path) -> None:
    """Its channels take their credentials once: each change makes another, beside the one in use."""
    authority = Authority(tmp_path)
    own = authority.pair("sidecar 0")
    credentials = model_credentials(authority.pair("model"), authority.ca)
    async with model(credentials=credentials) as server:
        what = trusting(server, authority.ca, own)
        async with sidecar("grpc-aio", what) as one, caller(one.address) as call:
            streams = []
            for number in range(4):
                if number:
                    own.replace_by(authority.pair(f"sidecar {number}"))
                while not server.calls or server.calls[-1].who != f"sidecar {number}":
                    assert (await call.unary(STREAM, b"x")).ok
                streams.append(call.stream(STREAM))
                await streams[-1].write(b"x")
                assert await streams[-1].read() == b"x"
            # those that began on the channels before go on there
            for stream in streams:
                await stream.write(b"y")
                assert await stream.read() == b"y"
                await stream.done_writing()
                assert await stream.code() is grpc.StatusCode.OK


async def test_what_a_model_server_refuses_does_not_replace_what_stands(
    engine: str, tmp_path: pathlib.Path
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    own = authority.pair("sidecar")
    credentials = model_credentials(authority.pair("model"), authority.ca)
    async with model(credentials=credentials) as server:
        what = trusting(server, authority.ca, own)
        async with sidecar(engine, what) as one, caller(one.address) as call:
            own.replace_by(other.pair("unknown"))
            await renewed(one)
            for _ in range(100):
                assert (await call.unary(STREAM, b"x")).ok
                await asyncio.sleep(0.001)  # a second channel has time to fail
            assert one.engine.liveness()["v1"].live
    assert {each.who for each in server.calls} == {"sidecar"}


async def test_a_new_authority_lets_a_model_server_s_new_certificate_in(
    engine: str, tmp_path: pathlib.Path
) -> None:
    before, after = Authority(tmp_path, "before"), Authority(tmp_path, "after")
    own = before.pair("sidecar")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(model(credentials=model_credentials(before.pair("model"))))
        one = await stack.enter_async_context(sidecar(engine, trusting(server, before.ca, own)))
        call = await stack.enter_async_context(caller(one.address))
        assert (await call.unary(STREAM, b"x")).ok
        # when the model server comes back with a certificate of another authority
        await server.kill()
        server.credentials = model_credentials(after.pair("model"))
        await server.start()
        await eventually(lambda: "certificate is refused" in one.engine.liveness()["v1"].reason)
        # then that is trusted as soon as the file says so
        after.ca.replace(before.ca)
        await one.until_live("v1")
        assert (await call.unary(STREAM, b"x")).ok


async def renewed(one: Sidecar) -> None:
    """Until what the sidecar connects with is of its files as they are now."""
    (credential,) = one.engine._keyring._models.values()  # type: ignore[attr-defined]
    await credential.newer_than(1)
