"""TLS as gRPC's core does it: by the bytes of the files, read and tried by `proxy.tls`."""

import functools

import grpc

from proxy.tls.identity import Identity, system_roots
from proxy.tls.keyring import Credential, Security


def of_server(credential: Credential) -> grpc.ServerCredentials:
    """Of the data port; each handshake takes the files that are there then."""
    return grpc.dynamic_ssl_server_credentials(
        _configuration(credential.identity),
        _Renewing(credential),  # type: ignore[arg-type]  # its stub leaves out that None means no change
        require_client_authentication=bool(credential.identity.ca),
    )


def of_channel(security: Security) -> grpc.ChannelCredentials:
    """Of a connection to a model server, with the files that are there now."""
    identity = security.credential.identity
    return grpc.ssl_channel_credentials(
        identity.ca or _system_roots() or None, identity.key or None, identity.certificate or None
    )


class _Renewing:
    """Asked at each handshake, in a thread of gRPC's: a configuration where it is a new one."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._given = credential.identity

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        now = self._credential.identity
        if now is self._given:
            return None
        self._given = now
        return _configuration(now)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    pairs = [(identity.key, identity.certificate)]
    return grpc.ssl_server_certificate_configuration(pairs, identity.ca or None)


@functools.cache
def _system_roots() -> bytes:
    return system_roots()
