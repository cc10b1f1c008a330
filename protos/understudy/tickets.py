"""The ticket a caller gets with an answer: what a later outcome is joined by.

Opaque to callers: base64url over format, service, route, variant, its version label, the snapshot that
decided the call, the user's bucket (one of 64), time and nonce. Where a secret is configured, a dot and the
first 16 bytes of an HMAC-SHA256 over that text follow, so that nobody can report outcomes of calls that there
never were. Sidecars write tickets, the control service reads them; several secrets at once let one take over
from another.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple

_FORMAT = "2"
_SEPARATOR = "\n"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_DOT = "."
_SIGNATURE_BYTES = 16
_LIMIT = 2**63
BUCKETS = 64
LONGEST = 4096
"""Characters of a ticket; no sidecar writes a longer one unless a version label is."""


class Ticket(NamedTuple):
    """Who served a call, by which snapshot (epoch, version), and when (milliseconds since 1970)."""

    service: str
    route: str
    variant: str
    label: str  # the variant's version
    epoch: int
    version: int
    time_ms: int
    nonce: str
    bucket: int | None = None  # of the user that a sticky key names; None: drawn at random


def encode(ticket: Ticket, secret: bytes = b"") -> str:
    """A ticket as metadata text, signed where there is a secret."""
    fields = (
        _FORMAT,
        ticket.service,
        ticket.route,
        ticket.variant,
        ticket.label,
        str(ticket.epoch),
        str(ticket.version),
        "" if ticket.bucket is None else str(ticket.bucket),
        str(ticket.time_ms),
        ticket.nonce,
    )
    payload = _base64(_SEPARATOR.join(fields).encode())
    return f"{payload}{_DOT}{_signature(payload, secret)}" if secret else payload


def decode(text: str) -> Ticket | None:
    """The ticket in metadata text, signed or not; None for anything that is not one."""
    payload, dot, signature = text.partition(_DOT)
    if len(text) > LONGEST or (dot and not signature):
        return None
    try:
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
        form, service, route, variant, label, epoch, version, bucket, time_ms, nonce = raw.split(_SEPARATOR)
        ticket = Ticket(
            service,
            route,
            variant,
            label,
            int(epoch),
            int(version),
            int(time_ms),
            nonce,
            int(bucket) if bucket else None,
        )
    except (ValueError, binascii.Error):
        return None
    is_sound = all(0 <= number < _LIMIT for number in (ticket.epoch, ticket.version, ticket.time_ms))
    is_sound = is_sound and (ticket.bucket is None or 0 <= ticket.bucket < BUCKETS)
    return ticket if form == _FORMAT and is_sound and encode(ticket) == payload else None


def is_signed(text: str) -> bool:
    """Whether there is a signature, of whatever worth."""
    return _DOT in text


def is_signed_by(text: str, secrets: Iterable[bytes]) -> bool:
    """Whether one of these secrets signed it."""
    payload, _, signature = text.partition(_DOT)
    given = signature.encode()
    return any(hmac.compare_digest(_signature(payload, secret).encode(), given) for secret in secrets)


def _signature(payload: str, secret: bytes) -> str:
    return _base64(hmac.digest(secret, payload.encode(), hashlib.sha256)[:_SIGNATURE_BYTES])


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode()
