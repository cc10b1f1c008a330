"""The ticket a caller gets with an answer: what a later outcome is joined by.

Opaque to callers: base64url over version, service, variant, model version, time and nonce.
"""

import base64
import binascii
from dataclasses import dataclass

_FORMAT = "1"
_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who served a call, and when (milliseconds since 1970)."""

    service: str
    variant: str
    version: str
    time_ms: int
    nonce: str


def encode(ticket: Ticket) -> str:
    """A ticket as metadata text."""
    fields = (_FORMAT, ticket.service, ticket.variant, ticket.version, str(ticket.time_ms), ticket.nonce)
    return base64.urlsafe_b64encode(_SEPARATOR.join(fields).encode()).decode().rstrip("=")


def decode(text: str) -> Ticket | None:
    """The ticket in metadata text; None for anything that is not one."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        form, service, variant, version, time_ms, nonce = raw.split(_SEPARATOR)
        ticket = Ticket(service, variant, version, int(time_ms), nonce)
        return ticket if form == _FORMAT and encode(ticket) == text else None
    except (ValueError, binascii.Error):
        return None
