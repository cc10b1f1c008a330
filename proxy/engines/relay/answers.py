"""A model server's header blocks on their way to the caller: what of them passes, and what status they say.

Every block of answers is a run or a few, repeated from call to call, so what was found out is noted there.
"""

from understudy.checks.names import OWN_PREFIX

from proxy.http2.encoder import literal
from proxy.http2.fields import Block, Field, Run
from proxy.http2.stream import Parts

CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""Names of gRPC's status codes, by number."""

_NUMBERS = {name: number for number, name in enumerate(CODES)}
_OF_HTTP = {
    "400": "INTERNAL", "401": "UNAUTHENTICATED", "403": "PERMISSION_DENIED", "404": "UNIMPLEMENTED",
    "429": "UNAVAILABLE", "502": "UNAVAILABLE", "503": "UNAVAILABLE", "504": "UNAVAILABLE",
}  # fmt: skip
"""What a client makes of an HTTP status without a gRPC status."""

_HEAD = Run(((":status", "200"), ("content-type", "application/grpc")))


class _Note:
    """What a run of an answer says."""

    __slots__ = ("encoding", "has_request_id", "http", "run", "status")

    def __init__(self, fields: tuple[Field, ...], run: Run | None) -> None:
        passed = tuple(one for one in fields if not one[0].startswith(OWN_PREFIX))
        self.run = run if passed == fields else Run(passed)
        found = dict(fields)
        self.status = found.get("grpc-status", "")
        self.http = found.get(":status", "")
        self.encoding = found.get("grpc-encoding", "")
        self.has_request_id = "x-request-id" in found


class Answer:
    """A header block of an answer: what passes, and what it says where it says it."""

    __slots__ = ("code", "encoding", "has_request_id", "http", "parts", "status")

    def __init__(self, block: Block) -> None:
        self.parts: Parts = []
        self.status = self.http = self.encoding = ""
        self.has_request_id = False
        for part in block.parts:
            if isinstance(part, Run):
                note = part.answered
                if note is None:
                    note = part.answered = _Note(part.fields, part)
                self.parts.append(note.run)
                self._take(note)
            else:
                name, value, raw = part
                if name.startswith(OWN_PREFIX):
                    continue
                self.parts.append(raw)
                if name in ("grpc-status", ":status", "grpc-encoding", "x-request-id"):
                    self._take(_Note(((name, value),), None))
        self.code = self._code()

    def _take(self, note: _Note) -> None:
        self.status = note.status or self.status
        self.http = note.http or self.http
        self.encoding = note.encoding or self.encoding
        self.has_request_id = self.has_request_id or note.has_request_id

    def _code(self) -> str:
        """The status code's name, of a block that ends a call."""
        if self.status:
            is_known = self.status.isascii() and self.status.isdigit() and int(self.status) < len(CODES)
            return CODES[int(self.status)] if is_known else "UNKNOWN"
        return _OF_HTTP.get(self.http, "UNKNOWN")


def ending(code: str, details: str, reason: str, *, is_alone: bool) -> Parts:
    """Trailers of the sidecar's own making; `is_alone` where no headers went before."""
    parts: Parts = [_HEAD] if is_alone else []
    parts.append(literal("grpc-status", str(_NUMBERS[code])))
    parts.append(literal("grpc-message", _percent(details)))
    if reason:
        parts.append(literal("x-understudy-error", reason))
    return parts


def _percent(text: str) -> str:
    """As gRPC writes a message: other than printable ASCII, and the percent sign, as %XX."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x25 else f"%{byte:02X}" for byte in text.encode()
    )


NAMES_OF_RESETS = {8: "CANCELLED", 11: "RESOURCE_EXHAUSTED", 12: "PERMISSION_DENIED"}
"""Codes of RST_STREAM that pass as they are, by the status that a client makes of them."""
