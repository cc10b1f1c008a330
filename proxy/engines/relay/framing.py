"""gRPC's messages within the bytes of DATA frames: a flag, a length and so many bytes each.

Nothing is parsed to be forwarded. This is for what the policy wants to see of a call: the key in its first
message, the copy for a shadow, the answers to compare.
"""

from collections.abc import Sequence

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
    found = position = 0
    while position < len(body):
        position += PREFIX + int.from_bytes(body[position + 1 : position + PREFIX], "big")
        found += 1
    return found if position == len(body) else None


def messages(body: bytes, encoding: str, limit: int) -> tuple[bytes, ...] | None:
    """Every message, inflated where need be; None where they are not whole, or more than `limit` bytes."""
    found = []
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position + 1 : position + PREFIX], "big")
        start = position + PREFIX
        message = body[start : start + length]
        if len(message) != length or start > len(body):
            return None
        if body[position] & COMPRESSED:
            inflated = inflate(encoding, message, limit + 1)
            if inflated is None or len(inflated) > limit:
                return None
            message = inflated
        found.append(message)
        limit -= len(message)
        if limit < 0:
            return None
        position = start + length
    return tuple(found)
