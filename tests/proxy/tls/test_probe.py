"""Why there is no TLS, found by a connection of our own."""

import pathlib
import socket

import pytest

from proxy.policy.tls import Files
from proxy.tls.identity import Side
from proxy.tls.keyring import Credential, Security
from proxy.tls.probe import why_not
from tests.support.certificates import Authority, model_credentials
from tests.support.models import model


def security(ca: pathlib.Path, name: str = "localhost") -> Security:
    return Security(Credential(Files(ca=str(ca)), Side.MODELS), name)


@pytest.mark.parametrize("scheme", ["ipv4", "unix"])
async def test_there_is_nothing_to_say_of_a_server_that_speaks(tmp_path: pathlib.Path, scheme: str) -> None:
    authority = Authority(tmp_path)
    async with model(credentials=model_credentials(authority.pair("model"))) as server:
        name = f"ipv4:{server.address}"
        if scheme == "unix":
            await server.kill()
            server.address = name = f"unix:{tmp_path}/model.sock"
            await server.start(name)
        assert await why_not(name, security(authority.ca)) == ""
        other = await why_not(name, security(authority.ca, "other.test"))
        assert "certificate is not valid for 'other.test'" in other


async def test_of_whom_nobody_reaches_or_hears_there_is_nothing_to_say(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    assert await why_not("ipv4:127.0.0.1:1", security(authority.ca)) == ""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connected to, and never taken up
        host, port = silent.getsockname()
        assert await why_not(f"ipv4:{host}:{port}", security(authority.ca)) == ""
