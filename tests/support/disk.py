"""A disk that loses power: what a program wrote and synced, and what may be left of it.

Until it is synced a write may be there whole, in part (by sectors of 512 bytes) or not at all, whatever was
written after it; so may a file's name, until its directory is synced.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

SECTOR = 512

Left = Literal["all", "synced", "half"]


@dataclass(eq=False)
class Inode:
    """A file's content: now, as synced, and the pieces between the two."""

    now: bytearray = field(default_factory=bytearray)
    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut off here

    def write(self, offset: int, data: bytes) -> None:
        _apply(self.now, offset, data)
        start = 0
        while start < len(data):
            end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
            self.pending.append((offset + start, data[start:end]))
            start = end

    def truncate(self, size: int) -> None:
        _apply(self.now, size, None)
        self.pending.append((size, None))

    def sync(self) -> None:
        self.synced = bytearray(self.now)
        self.pending.clear()

    def content(self, left: Left, draw: random.Random) -> bytes:
        if left == "all":
            return bytes(self.now)
        content = bytearray(self.synced)
        for offset, data in self.pending:
            if left == "half" and draw.random() < 0.5:
                _apply(content, offset, data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


class Disk:
    """One directory."""

    def __init__(self) -> None:
        self.names: dict[str, Inode] = {}
        self.synced: dict[str, Inode] = {}

    def sync_names(self) -> None:
        self.synced = dict(self.names)

    def left(self, left: Left, draw: random.Random) -> dict[str, bytes]:
        """The files after a power cut."""
        found = {}
        for name in sorted(self.names | self.synced):
            was, now = self.synced.get(name), self.names.get(name)
            inode = now if left == "all" or (left == "half" and draw.random() < 0.5) else was
            if inode is not None:
                found[name] = inode.content(left, draw)
        return found


CALL = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>")
DESCRIPTOR = re.compile(r"^(?:\d+|AT_FDCWD)<(?P<path>[^>]*)>")
QUOTED = re.compile(r'"(?P<hex>(?:\\x[0-9a-f]{2})*)"(?P<cut>\.\.\.)?')


@dataclass(frozen=True)
class Call:
    """One call of the traced program on one file; a sync stands where it ended, others where they began."""

    name: str
    path: str
    data: bytes = b""
    number: int = 0  # an offset or a size


def calls_of(log: str) -> Iterator[Call]:
    """What a program did, by `strace -f -y -xx`, in order; what failed is left out."""
    waiting: dict[str, Call] = {}
    for line in log.splitlines():
        if resumed := RESUMED.match(line):
            if call := waiting.pop(resumed["pid"], None):
                yield call
        elif found := CALL.match(line):
            call = _parse(found["name"], found["rest"])
            is_unfinished = line.endswith("<unfinished ...>")
            if call is None or (not is_unfinished and re.search(r"= -1 \w+ \(.*\)$", line)):
                continue
            if is_unfinished and call.name in ("fsync", "fdatasync"):
                waiting[found["pid"]] = call
            else:
                yield call


def _parse(name: str, rest: str) -> Call | None:
    path = DESCRIPTOR.match(rest)
    quoted = QUOTED.search(rest)
    text = bytes.fromhex(quoted["hex"].replace("\\x", "")) if quoted else b""
    assert quoted is None or not quoted["cut"], "strace cut a write off"
    match name:
        case "openat" if "O_CREAT" in rest:
            return Call("create", text.decode())
        case "unlink":
            return Call("unlink", text.decode())
        case "pwrite64" | "write" if path:
            tail = rest[quoted.end() :] if quoted else ""
            numbers = re.findall(r", (\d+)", tail)
            return Call(name, _unescaped(path["path"]), text, int(numbers[1]) if name == "pwrite64" else 0)
        case "fsync" | "fdatasync" if path:
            return Call(name, _unescaped(path["path"]))
        case "ftruncate" if path and (size := re.search(r", (\d+)", rest)):
            return Call(name, _unescaped(path["path"]), number=int(size[1]))
        case _:
            return None


def _unescaped(path: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), path)
