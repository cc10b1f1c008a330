"""A peer's SETTINGS, and ours.

Source: RFC 9113, section 6.5.
"""

import struct
from dataclasses import dataclass

from proxy.http2 import frames
from proxy.http2.decoder import MAX_SIZE
from proxy.http2.errors import FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault

HEADER_TABLE_SIZE = 1
ENABLE_PUSH = 2
MAX_CONCURRENT_STREAMS = 3
INITIAL_WINDOW_SIZE = 4
MAX_FRAME_SIZE = 5
MAX_HEADER_LIST_SIZE = 6

DEFAULT_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1

STREAM_WINDOW = 256 * 1024
"""Bytes of one stream that a peer may send ahead of what was passed on: what a stalled stream can hold."""

CONNECTION_WINDOW = 4 * 1024 * 1024
"""Bytes of a connection's streams together, held or under way: what a connection can hold."""

STREAMS = 1024
"""Streams at once that a caller's connection may have."""

_entry = struct.Struct(">HI")


@dataclass(slots=True)
class PeerSettings:
    """What a peer asked for, as it stands."""

    header_table_size: int = 4096
    max_concurrent_streams: int = LARGEST_WINDOW
    initial_window_size: int = DEFAULT_WINDOW
    max_frame_size: int = frames.MAX_FRAME

    def update(self, payload: bytes) -> None:
        """Apply one SETTINGS frame; raises ConnectionFault."""
        if len(payload) % _entry.size:
            raise ConnectionFault(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
        for setting, value in _entry.iter_unpack(payload):
            match setting:
                case 1:
                    self.header_table_size = value
                case 2 if value > 1:
                    raise ConnectionFault(PROTOCOL_ERROR, f"ENABLE_PUSH of {value}")
                case 3:
                    self.max_concurrent_streams = value
                case 4:
                    if value > LARGEST_WINDOW:
                        raise ConnectionFault(FLOW_CONTROL_ERROR, f"a window of {value}")
                    self.initial_window_size = value
                case 5:
                    if not frames.MAX_FRAME <= value < 1 << 24:
                        raise ConnectionFault(PROTOCOL_ERROR, f"frames of {value} bytes")
                    self.max_frame_size = value
                case _:  # unknown ones mean nothing to us
                    pass


def greeting(*, is_server: bool) -> bytes:
    """What a connection begins with, on our side."""
    role = (MAX_CONCURRENT_STREAMS, STREAMS) if is_server else (ENABLE_PUSH, 0)
    ours = (
        role,
        (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        (MAX_FRAME_SIZE, frames.LARGEST),
        (MAX_HEADER_LIST_SIZE, MAX_SIZE),
    )
    return b"".join((
        b"" if is_server else frames.PREFACE,
        frames.frame(frames.SETTINGS, 0, 0, b"".join(_entry.pack(*one) for one in ours)),
        frames.window_update(0, CONNECTION_WINDOW - DEFAULT_WINDOW),
    ))  # fmt: skip
