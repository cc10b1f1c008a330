"""TLS of a whole sidecar: what it does not start with, and what it refuses to be pushed."""

import asyncio
import pathlib
import socket
from typing import Any

import pytest
from understudy.v1 import discovery_pb2, service_pb2

from proxy.config.last_known_good import LastKnownGood
from tests.support.callers import caller
from tests.support.certificates import Authority, caller_credentials, model_credentials
from tests.support.discovery import scripted_control
from tests.support.models import model
from tests.support.processes import proxy, sidecar_file, understudy
from tests.support.sidecars import ENGINES, service

METHOD = "/understudy.v1.PredictionService/Predict"
MISSING = "/no/ca.crt cannot be read: No such file or directory"


def secured(target: str, ca: str) -> service_pb2.Service:
    what = service({"v1": target})
    what.variants[0].tls.ca = ca
    return what


def at(version: int, what: service_pb2.Service) -> discovery_pb2.Snapshot:
    return discovery_pb2.Snapshot(epoch=3, version=version, service=what)


@pytest.mark.parametrize(("engine", "workers"), [*((each, 1) for each in ENGINES), (ENGINES[-1], 2)])
async def test_a_sidecar_speaks_tls_on_both_sides(engine: str, workers: int, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    own = authority.pair("sidecar")
    async with model(credentials=model_credentials(authority.pair("model"))) as server:
        tls = {"certificate": str(own.certificate), "key": str(own.key)}
        what = secured(server.address, str(authority.ca))
        file = sidecar_file(tmp_path, what, engine=engine, workers=workers, tls=tls)
        async with proxy(file) as one:
            await one.until_ready()
            async with caller(one.listening["data"], credentials=caller_credentials(authority.ca)) as call:
                assert (await call.unary(METHOD, b"x")).message == b"x"
            one.terminate()
            assert await one.ended() == 0


async def test_a_socket_is_handed_over_with_tls(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    own = authority.pair("sidecar")
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    async with model() as server:
        tls = {"certificate": str(own.certificate), "key": str(own.key)}
        fields = {"engine": "relay", "listen": listen, "reuse_port": True, "tls": tls}
        file = sidecar_file(tmp_path, service({"v1": server.address}), **fields)
        async with proxy(file) as old, caller(listen, credentials=caller_credentials(authority.ca)) as call:
            await old.until_ready()
            assert (await call.unary(METHOD, b"x")).ok
            async with proxy(file) as new:
                await new.until_ready()
                assert new.logged("took the port over")
                old.terminate()
                while old.process.returncode is None:
                    assert (await call.unary(METHOD, b"x")).ok
                assert await old.ended() == 0
                assert (await call.unary(METHOD, b"x")).ok


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"tls": {"certificate": "/no/tls.crt", "key": "/no/tls.key"}},
            "tls.certificate: /no/tls.crt cannot be read: No such file or directory",
        ),
        ({"ca": "/no/ca.crt"}, f"service.variants[0].tls.ca: {MISSING}"),
    ],
)
async def test_it_does_not_start_without_a_file_that_it_needs(
    engine: str, fields: dict[str, Any], problem: str, tmp_path: pathlib.Path
) -> None:
    fields = dict(fields)
    ca = fields.pop("ca", "")
    what = secured("127.0.0.1:1", ca) if ca else service({"v1": "127.0.0.1:1"})
    ended = await understudy("proxy", "--config", str(sidecar_file(tmp_path, what, engine=engine, **fields)))
    assert (ended.code, ended.err) == (1, f"understudy: {problem}\n")


async def test_a_push_that_needs_a_file_that_is_not_there_is_refused_whole(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    async with (
        model(credentials=model_credentials(authority.pair("model"))) as server,
        scripted_control() as control,
    ):
        good = secured(server.address, str(authority.ca))
        file = sidecar_file(tmp_path, control=control.address, subscribe="fraud")
        async with proxy(file) as one:
            stream = await control.next_stream()
            await stream.next()
            assert not (await stream.ask(at(1, good))).HasField("error_detail")
            # when a push names a file that this machine does not have
            answer = await stream.ask(at(2, secured("127.0.0.1:1", "/no/ca.crt")))
            # then it is told which, and the one before serves on
            (violation,) = answer.error_detail.violations
            assert (violation.field, violation.description) == ("service.variants[0].tls.ca", MISSING)
            assert (answer.epoch, answer.version) == (3, 1)
            await one.until_ready()
            async with caller(one.listening["data"]) as call:
                assert (await call.unary(METHOD, b"x")).message == b"x"


async def test_a_kept_snapshot_whose_files_are_gone_is_said_and_not_used(tmp_path: pathlib.Path) -> None:
    async with model() as server:
        kept = LastKnownGood(tmp_path / "state", "fraud")
        kept.prepare()
        kept.save(at(1, secured(server.address, "/no/ca.crt")))
        follows = {"control": "127.0.0.1:1", "subscribe": "fraud", "state_dir": str(tmp_path / "state")}
        file = sidecar_file(tmp_path, service({"v1": server.address}), **follows)
        async with proxy(file) as one:
            await one.until_ready()
            (line,) = one.logged("last known good snapshot refused")
            assert line["reason"] == f"service.variants[0].tls.ca: {MISSING}"


async def test_a_model_server_that_is_not_trusted_is_said_where_readiness_is_asked_for(
    tmp_path: pathlib.Path,
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    async with model(credentials=model_credentials(authority.pair("model"))) as server:
        file = sidecar_file(tmp_path, secured(server.address, str(other.ca)), engine="relay")
        async with proxy(file) as one:
            async with asyncio.timeout(60):
                while "certificate is refused" not in (await one.get("status", "/readyz"))[1]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            (line,) = one.logged("no TLS connection")
            assert line["address"] == f"ipv4:{server.address}"
