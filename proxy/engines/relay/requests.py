"""A call's request headers: read once for the policy, and kept in the parts that leave for a model server.

Stretches that callers repeat are looked at once: what they say is noted at the run, so a call costs a look
at its runs and at each field that is its own.

A request breaks the rules where pseudo-headers are missing, doubled, unknown or come late, and where fields
belong to a connection (RFC 9113, sections 8.2.2 and 8.3.1). Such a request is nobody's call.
"""

from dataclasses import dataclass, field

from understudy.checks.names import OWN_PREFIX

from proxy.http2.encoder import coded, literal
from proxy.http2.fields import Block, Field, Run
from proxy.http2.stream import Parts

_METHOD, _SCHEME, _PATH, _AUTHORITY, _REGULAR = 1, 2, 4, 8, 16
_PSEUDO = {":method": _METHOD, ":scheme": _SCHEME, ":path": _PATH, ":authority": _AUTHORITY}
_REQUIRED = _METHOD | _SCHEME | _PATH

_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
_UNSEEN = frozenset({"te", "content-type", "grpc-encoding", "grpc-accept-encoding", "host", "content-length"})
"""Fields of the protocol, not of a call's metadata."""
_PER_CALL = frozenset({"grpc-timeout", "traceparent"})
_SPECIAL = _OF_A_CONNECTION | _UNSEEN | _PER_CALL

_SPELLED_AUTHORITY = (
    b"\x01",
    b"\x11",
    b"\0\x0a:authority",
    b"\x10\x0a:authority",
    b"\0" + coded(":authority"),
)
"""How a literal begins that is an `:authority`: by its number in the static table, or by name."""

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Malformed(Exception):
    """Not a request."""


@dataclass(slots=True)
class Request:
    """A call's request headers; `timeout` in seconds."""

    parts: Parts = field(default_factory=list)  # for the model server
    metadata: list[Field] = field(default_factory=list)  # as the policy sees it
    path: str = ""
    traceparent_at: int = -1  # in `parts`; -1: there is none
    timeout: float | None = None
    encoding: str = ""


class _Piece:
    """A stretch of a run that is forwarded whole; or, with `own`, one field that each call looks at."""

    __slots__ = ("encoding", "metadata", "own", "path", "pseudo", "run", "seen")

    def __init__(self, fields: list[Field], *, is_own: bool = False) -> None:
        self.run = Run(tuple(fields))
        self.own = fields[0] if is_own else None
        self.metadata = [one for one in fields if _is_metadata(one[0])]
        found = dict(fields)
        self.path = found.get(":path", "")
        self.encoding = found.get("grpc-encoding", "")
        self.pseudo = self.seen = 0
        if not is_own:
            for name, value in fields:
                self.seen = _checked(name, value, self.seen)
            self.pseudo = self.seen & ~_REGULAR


def read_request(block: Block) -> Request:  # noqa: C901  # one loop: a call per field costs
    """What a header block asks for; raises Malformed."""
    request = Request()
    parts, metadata = request.parts, request.metadata
    seen = 0
    for part in block.parts:
        if isinstance(part, Run):
            for piece in part.asked or _noted(part):
                if piece.own is not None:
                    seen = _look(request, piece.own[0], piece.own[1], piece.run, seen)
                    continue
                pseudo = piece.pseudo
                if pseudo:
                    if seen & (pseudo | _REGULAR):
                        raise Malformed("a pseudo-header that is doubled or late")
                    request.path = piece.path or request.path
                seen |= piece.seen
                if piece.encoding:
                    request.encoding = piece.encoding
                parts.append(piece.run)
                metadata += piece.metadata
        else:
            name, value, raw = part
            if name in _SPECIAL or name[0] == ":" or name.startswith(OWN_PREFIX):
                seen = _look(request, name, value, raw, seen)
            else:
                seen |= _REGULAR
                parts.append(raw)
                if not name.endswith("-bin"):
                    metadata.append((name, value))
    if seen & _REQUIRED != _REQUIRED:
        raise Malformed("a pseudo-header is missing")
    return request


def _noted(run: Run) -> list[_Piece]:
    """What a run consists of; kept at the run."""
    pieces: list[_Piece] = []
    plain: list[Field] = []
    for one in run.fields:
        if one[0] in _PER_CALL or one[0].startswith(OWN_PREFIX):
            if plain:
                pieces.append(_Piece(plain))
                plain = []
            pieces.append(_Piece([one], is_own=True))
        else:
            plain.append(one)
    if plain:
        pieces.append(_Piece(plain))
    run.asked = pieces
    return pieces


def _checked(name: str, value: str, seen: int) -> int:
    """What has been seen with one more field; raises Malformed where it may not stand there."""
    if name[0] != ":":
        if name in _OF_A_CONNECTION or (name == "te" and value != "trailers"):
            raise Malformed(f"{name} belongs to a connection")
        return seen | _REGULAR
    bit = _PSEUDO.get(name, 0)
    if not bit or seen & (bit | _REGULAR):
        raise Malformed(f"{name} is unknown, doubled or late")
    if bit == _METHOD and value != "POST":
        raise Malformed("not a call of gRPC")
    return seen | bit


def _look(request: Request, name: str, value: str, part: Run | bytes, seen: int) -> int:
    """One field that means something here; returns what has been seen with it."""
    seen_with = _checked(name, value, seen)
    if name == "grpc-timeout":
        if request.timeout is not None:
            raise Malformed("two timeouts")
        request.timeout = seconds_of(value)
        return seen_with
    if name.startswith(OWN_PREFIX):
        request.metadata.append((name, value))  # for the policy, which knows whom to believe
        return seen_with
    if name == "traceparent":
        request.traceparent_at = len(request.parts)
        request.metadata.append((name, value))
    elif name == "grpc-encoding":
        request.encoding = value
    elif name == ":path":
        request.path = value
    request.parts.append(part)
    return seen_with


def with_authority(parts: Parts, authority: str) -> Parts:
    """The same for another `:authority`."""
    changed: Parts = [literal(":authority", authority)]
    for part in parts:
        if not isinstance(part, Run):
            if not part.startswith(_SPELLED_AUTHORITY):
                changed.append(part)
        elif all(name != ":authority" for name, _ in part.fields):
            changed.append(part)
        else:
            changed += [literal(*one) for one in part.fields if one[0] != ":authority"]
    return changed


def _is_metadata(name: str) -> bool:
    return name[0] != ":" and name not in _UNSEEN and not name.endswith("-bin")


def seconds_of(timeout: str) -> float:
    """A `grpc-timeout` in seconds; raises Malformed."""
    unit, digits = _UNITS.get(timeout[-1:]), timeout[:-1]
    if unit is None or not digits.isascii() or not digits.isdigit() or len(digits) > 8:
        raise Malformed("a timeout that is none")
    return int(digits) * unit


def timeout_of(seconds: float) -> str:
    """A time as `grpc-timeout`, never longer than it is.

    Three digits, as gRPC core writes it: of more, it makes the next number of three digits that is above.
    """
    microseconds = max(int(seconds * 1e6), 1)
    digits = str(microseconds)
    zeros = len(digits) - 3
    if zeros <= 0:
        return f"{microseconds}u"
    if zeros <= 3:
        return f"{digits[:3]}{'0' * zeros}u"
    if zeros <= 8:
        return f"{digits[:3]}{'0' * (zeros - 3)}m"
    return f"{digits[:3]}{'0' * (zeros - 6)}S" if zeros <= 11 else "99999999S"
