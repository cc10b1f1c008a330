"""Refusals reach the one who asked, whatever they have to say."""

import pathlib

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from understudy.v1 import services_pb2

from tests.support.plane import control_plane
from tests.support.rollouts import make_service


def broken_routes(count: int, name: str) -> list[dict[str, object]]:
    return [{"name": f"r{number}", "split": {"weights": {name: 1}}} for number in range(count)]


@pytest.mark.parametrize("name", ["v9", "ü" * 500])
async def test_more_violations_than_fit_are_counted(tmp_path: pathlib.Path, name: str) -> None:
    async with control_plane(tmp_path) as plane:
        with pytest.raises(grpc.aio.AioRpcError) as found:
            await plane.apply(make_service(routes=broken_routes(500, name)))
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert str(found.value.details()).startswith("service.routes[0].split.weights.")
        trailers = dict(found.value.trailing_metadata())
        details = error_details_pb2.BadRequest()
        status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(details)
        *shown, more = details.field_violations
        assert more.description == f"and {500 - len(shown)} more"
        assert len(shown) > 1


async def test_a_long_name_is_no_way_to_a_long_answer(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        with pytest.raises(grpc.aio.AioRpcError) as found:
            await plane.services.Get(services_pb2.ServicesGetRequest(name="x" * 100_000))
        assert found.value.code() is grpc.StatusCode.NOT_FOUND
        assert str(found.value.details()).startswith("no service is called 'xxx")
