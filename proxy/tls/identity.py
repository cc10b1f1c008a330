"""PEM files, read into what both engines make connections with.

TLS 1.2 or newer, ALPN `h2`, and of the ciphers of 1.2 those that HTTP/2 allows (RFC 9113, section 9.2.2).
"""

import pathlib
import ssl
import stat
from dataclasses import dataclass
from enum import Enum

from proxy.policy.tls import Files

ALPN = "h2"
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

LARGEST = 1024 * 1024
"""Bytes of a file: the authorities of a whole system are a quarter of that."""

TRIES = 3
"""Times that files are read again because they changed meanwhile."""

Signature = tuple[tuple[int, int, int] | None, ...]
"""Time of change, size and inode of each file; None of one that is not there."""


class Side(Enum):
    """Which end of a connection."""

    CALLERS = "callers"  # the sidecar is the server
    MODELS = "models"  # the sidecar is the client


class Unusable(Exception):
    """Files that TLS cannot be done with; `field` is the one at fault: certificate, key or ca."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(description)
        self.field = field


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """What files held at one time: a context for our own TLS, and their bytes for gRPC's; empty: none."""

    context: ssl.SSLContext
    certificate: bytes
    key: bytes
    ca: bytes


def signature(files: Files) -> Signature:
    """What changes when any of the files does, and when a symbolic link leads to other ones."""
    return tuple(_signature(path) for path in files.named)


def read(files: Files, side: Side) -> Identity:
    """The files as they are now, all of one time; raises Unusable."""
    for _ in range(TRIES):
        before = signature(files)
        try:
            found = _read(files, side)
        except Unusable:
            if signature(files) == before:
                raise
        else:
            if signature(files) == before:
                return found
    return _read(files, side)


def system_roots() -> bytes:
    """The authorities that this machine trusts; empty where it knows none."""
    paths = ssl.get_default_verify_paths()
    try:
        if paths.cafile:
            return pathlib.Path(paths.cafile).read_bytes()
        found = pathlib.Path(paths.capath).glob("*.[0-9]") if paths.capath else ()
        return b"\n".join(path.read_bytes() for path in found)
    except OSError:
        return b""


def _read(files: Files, side: Side) -> Identity:
    certificate, key, ca = (
        _bytes(field, path)
        for field, path in (("certificate", files.certificate), ("key", files.key), ("ca", files.ca))
    )
    context = _context(side)
    if ca:
        _trust(context, files.ca, ca)
    elif side is Side.MODELS:
        context.load_default_certs()
    if certificate:
        _show(context, files, certificate)
    return Identity(context, certificate, key, ca)


def _context(side: Side) -> ssl.SSLContext:
    is_server = side is Side.CALLERS
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # gRPC's core takes the same authorities
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols([ALPN])
    return context


def _trust(context: ssl.SSLContext, path: str, data: bytes) -> None:
    try:
        context.load_verify_locations(cadata=data.decode())
    except (ssl.SSLError, ValueError):
        raise Unusable("ca", f"{path} holds no PEM certificates that can be read") from None
    if context.verify_mode is ssl.CERT_NONE:
        context.verify_mode = ssl.CERT_REQUIRED


def _show(context: ssl.SSLContext, files: Files, certificate: bytes) -> None:
    """Make the sidecar's own identity part of a context."""
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{files.key} is not the key of {files.certificate}"
            raise Unusable("key", text) from None
        if _is_certificate(certificate):
            text = f"{files.key} holds no PEM key that can be read without a passphrase"
            raise Unusable("key", text) from None
        text = f"{files.certificate} holds no PEM certificate that can be read"
        raise Unusable("certificate", text) from None
    except OSError as error:  # it was there a moment ago
        raise Unusable("certificate", f"{files.certificate}: {error.strerror}") from None


def _no_passphrase() -> bytes:
    """Asked for where a key has one: never of a terminal."""
    return b""


def _is_certificate(data: bytes) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=data.decode())
    except (ssl.SSLError, ValueError):
        return False
    return True


def _bytes(field: str, path: str) -> bytes:
    if not path:
        return b""
    file = pathlib.Path(path)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise Unusable(field, f"{path} is no file")
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Unusable(field, f"{path} cannot be read: {reason}") from None
    if not data.strip():
        raise Unusable(field, f"{path} is empty")
    if len(data) > LARGEST:
        raise Unusable(field, f"{path} is larger than {LARGEST // 1024} KiB")
    return data


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        found = pathlib.Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
