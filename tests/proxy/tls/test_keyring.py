"""Credentials: loaded for a table or not at all, and looked after."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator

import pytest
from understudy.v1 import discovery_pb2, service_pb2

from proxy.policy.table import Table, compile_snapshot
from proxy.policy.tls import Files
from proxy.tls import keyring
from proxy.tls.identity import Side
from proxy.tls.keyring import Credential, Keyring, Refused
from tests.support.certificates import Authority
from tests.support.sidecars import service


@contextlib.asynccontextmanager
async def a_keyring() -> AsyncIterator[Keyring]:
    async with asyncio.TaskGroup() as tasks:
        one = Keyring(tasks)
        yield one
        one.close()


def a_table(**tls: service_pb2.VariantTls) -> Table:
    what = service(dict.fromkeys(tls, "127.0.0.1:1"))
    for variant in what.variants:
        variant.tls.CopyFrom(tls[variant.name])
    return compile_snapshot(discovery_pb2.Snapshot(version=1, service=what))


async def test_every_file_that_is_missing_is_named_with_its_field(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    fine, missing = service_pb2.VariantTls(ca=str(authority.ca)), service_pb2.VariantTls(ca="/no/ca.crt")
    own = service_pb2.VariantTls(certificate="/no/tls.crt", key="/no/tls.key")
    async with a_keyring() as one:
        with pytest.raises(Refused) as raised:
            one.take(a_table(v1=fine, v2=missing, v3=own))
    assert [str(violation) for violation in raised.value.violations] == [
        "service.variants[1].tls.ca: /no/ca.crt cannot be read: No such file or directory",
        "service.variants[2].tls.certificate: /no/tls.crt cannot be read: No such file or directory",
    ]


async def test_the_data_port_s_files_are_named_as_its_file_names_them(tmp_path: pathlib.Path) -> None:
    own = Authority(tmp_path).pair("own")
    async with a_keyring() as one:
        with pytest.raises(Refused, match=r"tls.client_ca: /no/ca.crt cannot be read"):
            one.listen(own.files(pathlib.Path("/no/ca.crt")))


async def test_what_is_in_use_stays_when_a_table_is_refused(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    fine = a_table(v1=service_pb2.VariantTls(ca=str(authority.ca), server_name="a"))
    async with a_keyring() as one:
        one.take(fine)
        before = one.security(fine.variants["v1"].tls)
        with pytest.raises(Refused):
            one.take(a_table(v1=service_pb2.VariantTls(ca="/no/ca.crt")))
        assert one.security(fine.variants["v1"].tls) == before
        # a file that is gone meanwhile is no reason to refuse what it was loaded for
        authority.ca.unlink()
        one.take(fine)
        assert one.security(fine.variants["v1"].tls) == before


async def test_variants_with_the_same_files_have_one_credential(tmp_path: pathlib.Path) -> None:
    ca = str(Authority(tmp_path).ca)
    table = a_table(
        v1=service_pb2.VariantTls(ca=ca, server_name="a"), v2=service_pb2.VariantTls(ca=ca, server_name="b")
    )
    async with a_keyring() as one:
        one.take(table)
        first, second = (one.security(table.variants[name].tls) for name in ("v1", "v2"))
    assert first is not None
    assert second is not None
    assert first.credential is second.credential
    assert (first.server_name, second.server_name) == ("a", "b")


async def test_plain_text_needs_nothing() -> None:
    async with a_keyring() as one:
        assert one.security(None) is None


async def test_files_are_taken_up_once_they_rest(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    own, other = authority.pair("own"), authority.pair("other")
    one = Credential(own.files(), Side.CALLERS)
    before = one.identity
    # when the certificate comes first, and its key between two looks
    other.certificate.replace(own.certificate)
    await one.look()
    other.key.replace(own.key)
    await one.look()
    assert one.identity is before
    # then they are tried when they are the same at two looks
    await one.look()
    assert one.version == 2
    assert one.identity.key == own.key.read_bytes()
    await one.newer_than(1)
    await one.look()
    assert one.version == 2


async def test_whoever_waits_for_new_files_is_told(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "LOOK", 0.01)
    authority = Authority(tmp_path)
    own = authority.pair("own")
    async with a_keyring() as one:
        credential = one.listen(own.files())
        own.replace_by(authority.pair("other"))
        async with asyncio.timeout(60):
            await credential.newer_than(1)
        assert credential.version == 2


def test_nothing_of_a_key_is_shown(tmp_path: pathlib.Path) -> None:
    own = Authority(tmp_path).pair("own")
    assert "PRIVATE" not in repr(Credential(own.files(), Side.CALLERS))
    assert Files().named == ()
