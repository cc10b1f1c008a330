"""Authorities and what they sign, as PEM files made for one test."""

import datetime as dt
import ipaddress
import itertools
import pathlib
import ssl
from dataclasses import dataclass

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.policy.tls import Files

_BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: pathlib.Path
    key: pathlib.Path

    def files(self, ca: pathlib.Path | None = None) -> Files:
        return Files(str(self.certificate), str(self.key), str(ca) if ca else "")

    def replace_by(self, other: "Pair") -> None:
        """Rename the other's files over these, as whoever renews them does."""
        other.certificate.replace(self.certificate)
        other.key.replace(self.key)


class Authority:
    """Signs; `ca` is its own certificate."""

    def __init__(self, directory: pathlib.Path, name: str = "authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        extension = x509.BasicConstraints(ca=True, path_length=None)
        own = _builder(self._name, self._name, self._key).add_extension(extension, critical=True)
        self.ca = self._path(f"{name}.crt")
        self.ca.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def pair(self, common_name: str, *names: str) -> Pair:
        """For some host names and IP addresses; by default 127.0.0.1 and localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names or DEFAULT])
        built = _builder(_named(common_name), self._name, key).add_extension(alternatives, critical=False)
        pair = Pair(self._path("tls.crt"), self._path("tls.key"))
        pair.certificate.write_bytes(_pem(built.sign(self._key, hashes.SHA256())))
        private, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
        return pair

    def _path(self, name: str) -> pathlib.Path:
        return self._directory / f"{next(_NUMBERS)}-{name}"


DEFAULT = ("127.0.0.1", "localhost")


def client(ca: pathlib.Path, own: Pair | None = None, alpn: tuple[str, ...] = ("h2",)) -> ssl.SSLContext:
    """For connections of Python's own."""
    context = ssl.create_default_context(cafile=str(ca))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def caller_credentials(ca: pathlib.Path, own: Pair | None = None) -> grpc.ChannelCredentials:
    """For gRPC's clients."""
    if own is None:
        return grpc.ssl_channel_credentials(ca.read_bytes())
    return grpc.ssl_channel_credentials(ca.read_bytes(), own.key.read_bytes(), own.certificate.read_bytes())


def model_credentials(own: Pair, client_ca: pathlib.Path | None = None) -> grpc.ServerCredentials:
    """For gRPC's servers."""
    pairs = [(own.key.read_bytes(), own.certificate.read_bytes())]
    if client_ca is None:
        return grpc.ssl_server_credentials(pairs)
    return grpc.ssl_server_credentials(pairs, client_ca.read_bytes(), require_client_auth=True)


def common_name(certificate: dict[str, object]) -> str:
    """Of what `getpeercert` returns."""
    (((_, name),),) = certificate["subject"]  # type: ignore[misc]  # of ours, which have one name
    return str(name)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), _BEGIN, _END
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
