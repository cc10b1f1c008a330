"""The last snapshot that was in force, kept on disk so that a start needs no control service.

One file a service: a line with the format and a checksum, then the serialised snapshot. Written whole
beside the old one, synced, and renamed over it; a file that does not check out is never used.
"""

import hashlib
import os
import pathlib
import tempfile

from google.protobuf.message import DecodeError
from understudy.v1 import discovery_pb2

_FORMAT = b"understudy-snapshot-1"


class Unusable(Exception):
    """There is a file, but it cannot be used; says why."""


class LastKnownGood:
    """The last known good snapshot of one service in one directory."""

    def __init__(self, directory: pathlib.Path, service: str) -> None:
        self.path = directory / f"{service}.snapshot"
        self._service = service

    def __repr__(self) -> str:
        return f"<LastKnownGood {self.path}>"

    def prepare(self) -> None:
        """Make sure that it can be written, before it must be; raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=".write-test-"):
            pass

    def load(self) -> discovery_pb2.Snapshot | None:
        """The snapshot, or None where there is no file; raises Unusable."""
        try:
            header, _, body = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable(f"{self.path}: cannot be read: {error.strerror}") from None
        if header != _header(body):
            raise Unusable(f"{self.path}: its checksum does not fit, it was cut short or changed")
        try:
            snapshot = discovery_pb2.Snapshot.FromString(body)
        except DecodeError:
            raise Unusable(f"{self.path}: is not a snapshot") from None
        if snapshot.service.name != self._service:
            raise Unusable(f"{self.path}: is of service {snapshot.service.name!r}, not {self._service!r}")
        return snapshot

    def save(self, snapshot: discovery_pb2.Snapshot) -> None:
        """Replace the file, atomically and durably; raises OSError."""
        body = snapshot.SerializeToString(deterministic=True)
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_header(body) + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            pathlib.Path(name).replace(self.path)
        except OSError:
            pathlib.Path(name).unlink(missing_ok=True)
            raise
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _header(body: bytes) -> bytes:
    return _FORMAT + b" " + hashlib.sha256(body).hexdigest().encode()
