"""gRPC's messages within the bytes of DATA frames: a flag, a length and so many bytes each.

Nothing is parsed to be forwarded. This is for what the policy wants to see of a call: the key in its first
message, the copy for a shadow, the answers to compare.
"""

from collections.abc import Sequence

from proxy.compare.answers import Answer
from proxy.policy.inflating import inflate

PREFIX = 5
COMPRESSED = 1


def first_message(chunks: Sequence[bytes]) -> tuple[int, int]:
    """How long the first message is and how much of it is there; length -1 while that is not known."""
    size = sum(map(len, chunks))
    if size < PREFIX:
        return -1, 0
    head = chunks[0] if len(chunks[0]) >= PREFIX else b"".join(chunks)
    return int.from_bytes(head[1:PREFIX], "big"), size - PREFIX


def beginning(chunks: Sequence[bytes], encoding: str, limit: int) -> bytes | None:
    """Up to `limit` bytes of the first message, inflated where need be; None where that cannot be done."""
    body = b"".join(chunks)
    length = int.from_bytes(body[1:PREFIX], "big")
    message = body[PREFIX : PREFIX + length]
    return inflate(encoding if body[0] & COMPRESSED else "", message, limit)


def count(body: bytes) -> int | None:
    """How many messages it is; None where the last one is not whole."""
    if int.from_bytes(body[1:PREFIX], "big") == len(body) - PREFIX:
        return 1  # as nearly always
    found = position = 0
    while position < len(body):
        position += PREFIX + int.from_bytes(body[position + 1 : position + PREFIX], "big")
        found += 1
    return found if position == len(body) else None


def answer(code: str, body: bytes, encoding: str) -> Answer | None:
    """An answer of those messages, as compressed as they came; None where they are not whole."""
    if body[:1] == b"\0" and int.from_bytes(body[1:PREFIX], "big") == len(body) - PREFIX:
        return Answer(code, (body[PREFIX:],))  # as nearly all are
    messages, encodings = [], []
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position + 1 : position + PREFIX], "big")
        start = position + PREFIX
        message = body[start : start + length]
        if len(message) != length or start > len(body):
            return None
        is_compressed = body[position] & COMPRESSED and encoding != "identity"
        messages.append(message)
        encodings.append(encoding if is_compressed else "")
        position = start + length
    return Answer(code, tuple(messages), tuple(encodings) if any(encodings) else ())
