"""One end of a stream: its windows, and what waits for room.

A relayed call has two, each the other's `source`: bytes that leave by one open the window of the other, by
as many. So a reader that stands still holds back its own stream's sender, and what lies here of the stream
is never more than the window that was given for it.

    idle ─ HEADERS ─▶ open ─ END_STREAM ─▶ half closed (peer_ended | we_ended) ─ the other ─▶ closed
                        └────────────────── RST_STREAM, either way ──────────────────────────▶
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from proxy.http2.fields import Run
from proxy.http2.settings import STREAM_WINDOW

if TYPE_CHECKING:
    from proxy.http2.sending import Sending

Parts = list[Run | bytes]


class Stream:
    """An end that is open. `owner` is whose it is; nothing here looks into it."""

    __slots__ = (
        "connection", "credit", "held", "held_size", "id", "is_answered", "opened", "owner", "peer_ended",
        "source", "unreported", "we_ended", "window",
    )  # fmt: skip

    def __init__(self, connection: "Sending", number: int, credit: int, owner: Any = None) -> None:
        self.connection = connection
        self.id = number
        self.credit = credit  # bytes that the peer takes
        self.opened = 0.0  # when the peer did
        self.window = STREAM_WINDOW  # bytes that the peer may send
        self.unreported = 0  # bytes passed on that its window does not know of
        self.held: deque[tuple[bytes | Parts, bool]] | None = None
        self.held_size = 0
        self.peer_ended = False
        self.we_ended = False
        self.is_answered = False  # a header block of the answer came
        self.source: Stream | None = None
        self.owner = owner

    def __repr__(self) -> str:
        ends = f"{' peer ended' if self.peer_ended else ''}{' we ended' if self.we_ended else ''}"
        return f"<Stream {self.id} credit={self.credit} window={self.window} held={self.held_size}{ends}>"
