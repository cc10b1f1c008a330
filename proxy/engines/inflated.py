"""Compressed answers made plain for comparing: off the event loop, in pieces, each held before the next.

What a few bytes may come to is only known once they have been inflated: a copy that has no room for it is not
compared.
"""

import asyncio

from proxy.compare.answers import Answer
from proxy.engines.copies import Copy
from proxy.policy.inflating import NotInflatable, pieces


async def inflated(copy: Copy, answer: Answer) -> Answer | None:
    """The same answer in plain messages; None where there is no room for them, or no way to have them."""
    if not answer.encodings:
        return answer
    messages: list[bytes | memoryview] = []
    for message, encoding in zip(answer.messages, answer.encodings, strict=True):
        plain = await _plain(copy, message, encoding) if encoding else message
        if plain is None:
            return None
        messages.append(plain)
    return Answer(answer.code, messages)


async def _plain(copy: Copy, message: bytes | memoryview, encoding: str) -> memoryview | None:
    whole = bytearray()
    coming = pieces(encoding, message)
    try:
        while piece := await asyncio.to_thread(next, coming, b""):
            if not copy.hold(len(piece)):
                return None
            whole += piece
    except NotInflatable:
        return None
    return memoryview(whole)
