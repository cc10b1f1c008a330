"""The last snapshot that was in force, kept on disk so that a start needs no control service.

One file a service: a line with the format and a checksum, then the serialised snapshot. Written whole
beside the old one, synced, and renamed over it; a file that does not check out is never used.

Each worker of a sidecar has a directory of its own, named by its number, in the sidecar's (`root`). What is
started from is the newest of all that are there: how many workers there are may have changed since.
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

    def __init__(self, directory: pathlib.Path, service: str, root: pathlib.Path | None = None) -> None:
        self.path = directory / f"{service}.snapshot"
        self._root = root or directory
        self._service = service

    def __repr__(self) -> str:
        return f"<LastKnownGood {self.path}>"

    def prepare(self) -> None:
        """Make sure that it can be written, before it must be; raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=".write-test-"):
            pass

    def load(self) -> discovery_pb2.Snapshot | None:
        """The newest snapshot, or None where there is no file; raises Unusable where there is no other."""
        name = self.path.name
        found, flaws = [], []
        for path in {self.path, self._root / name, *self._root.glob(f"[0-9]*/{name}")}:
            try:
                snapshot = _read(path, self._service)
            except Unusable as flaw:
                flaws.append(flaw)
            else:
                found += [snapshot] if snapshot else []
        if flaws and not found:
            raise flaws[0]
        return max(found, key=lambda one: (one.epoch, one.version), default=None)

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


def _read(path: pathlib.Path, service: str) -> discovery_pb2.Snapshot | None:
    try:
        header, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"{path}: cannot be read: {error.strerror}") from None
    if header != _header(body):
        raise Unusable(f"{path}: its checksum does not fit, it was cut short or changed")
    try:
        snapshot = discovery_pb2.Snapshot.FromString(body)
    except DecodeError:
        raise Unusable(f"{path}: is not a snapshot") from None
    if snapshot.service.name != service:
        raise Unusable(f"{path}: is of service {snapshot.service.name!r}, not {service!r}")
    return snapshot


def _header(body: bytes) -> bytes:
    return _FORMAT + b" " + hashlib.sha256(body).hexdigest().encode()
