"""What a peer of the relay reads."""

from proxy.http2.frames import HEAD_SIZE, Frame, read_head


def split(data: bytes) -> tuple[list[Frame], int]:
    """Every whole frame at the beginning of `data`, and how many bytes they are."""
    found: list[Frame] = []
    position = 0
    while position + HEAD_SIZE <= len(data):
        first, flags, stream = read_head(data, position)
        start = position + HEAD_SIZE
        end = start + (first >> 8)
        if end > len(data):
            break
        found.append((first & 0xFF, flags, stream & 0x7FFFFFFF, data[start:end]))
        position = end
    return found, position
