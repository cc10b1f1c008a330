"""Files as they are read: what is wrong with them is said of the one that it is wrong with."""

import os
import pathlib
import ssl

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.policy.tls import Files
from proxy.tls import identity
from proxy.tls.identity import Side, Unusable, read, signature, system_roots
from tests.support.certificates import Authority, Pair


@pytest.fixture(name="authority")
def an_authority(tmp_path: pathlib.Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(name="own")
def a_pair(authority: Authority) -> Pair:
    return authority.pair("own")


def test_a_whole_identity_is_read(authority: Authority, own: Pair) -> None:
    found = read(own.files(authority.ca), Side.CALLERS)
    assert found.certificate == own.certificate.read_bytes()
    assert found.key == own.key.read_bytes()
    assert found.ca == authority.ca.read_bytes()
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_callers_are_asked_for_nothing_without_an_authority(own: Pair) -> None:
    assert read(own.files(), Side.CALLERS).context.verify_mode is ssl.CERT_NONE


def test_model_servers_are_always_checked() -> None:
    context = read(Files(), Side.MODELS).context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_its_representation_shows_no_key(own: Pair) -> None:
    assert "PRIVATE" not in repr(read(own.files(), Side.CALLERS))


@pytest.mark.parametrize("field", ["certificate", "key", "ca"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\n", "is empty"),
        (b"nothing", "holds no PEM"),
        (b"\xff\xfe", "holds no PEM"),
    ],
)
def test_what_is_wrong_with_a_file(
    authority: Authority, own: Pair, field: str, content: bytes | None, problem: str
) -> None:
    files = own.files(authority.ca)
    path = pathlib.Path(getattr(files, field))
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(Unusable, match=problem) as raised:
        read(files, Side.CALLERS)
    assert raised.value.field == field
    assert str(path) in str(raised.value)


def test_a_directory_is_no_file(own: Pair, tmp_path: pathlib.Path) -> None:
    with pytest.raises(Unusable, match="is no file"):
        read(Files(str(tmp_path), str(own.key)), Side.CALLERS)


def test_nor_is_a_pipe_or_what_has_no_end(own: Pair, tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(Unusable, match="is no file"):
            read(Files(path, str(own.key)), Side.CALLERS)
    own.key.write_bytes(bytes(identity.LARGEST + 1))
    with pytest.raises(Unusable, match="is larger than 1024 KiB"):
        read(own.files(), Side.CALLERS)


def test_the_key_of_another_certificate(authority: Authority, own: Pair) -> None:
    other = authority.pair("other")
    with pytest.raises(Unusable, match="is not the key of") as raised:
        read(Files(str(own.certificate), str(other.key)), Side.CALLERS)
    assert raised.value.field == "key"


def test_a_key_with_a_passphrase_asks_nobody(own: Pair) -> None:
    secret = serialization.BestAvailableEncryption(b"secret")
    key = ec.generate_private_key(ec.SECP256R1())
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    own.key.write_bytes(key.private_bytes(pem, form, secret))
    with pytest.raises(Unusable, match="without a passphrase") as raised:
        read(own.files(), Side.CALLERS)
    assert raised.value.field == "key"


def test_files_that_change_while_they_are_read_are_read_again(
    authority: Authority, own: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In between, the certificate is the new one, and the key is not yet."""
    other = authority.pair("other")
    times = iter(range(10))

    def looked_at(files: Files) -> identity.Signature:
        if next(times) == 0:
            other.certificate.replace(own.certificate)
        else:
            with_key = other.key if other.key.exists() else own.key
            with_key.replace(own.key)
        return signature(files)

    monkeypatch.setattr(identity, "signature", looked_at)
    assert read(own.files(), Side.CALLERS).key == own.key.read_bytes()


def test_a_signature_changes_with_a_link(tmp_path: pathlib.Path, own: Pair, authority: Authority) -> None:
    link = tmp_path / "link"
    link.symlink_to(own.certificate)
    files = Files(str(link), str(own.key))
    before = signature(files)
    assert signature(files) == before
    link.unlink()
    assert signature(files) != before
    link.symlink_to(authority.ca)
    assert signature(files) != before


def test_the_system_s_authorities_are_its_file_or_its_directory(
    authority: Authority, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority.ca.read_bytes()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    assert system_roots() == ca
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    (tmp_path / "authorities").mkdir()
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "authorities"))
    assert system_roots() == b""
    os.link(authority.ca, tmp_path / "authorities" / "1234abcd.0")
    assert system_roots() == ca
