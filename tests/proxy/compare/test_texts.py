"""Texts are the same when each is: however they are held, and wherever the first difference is."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from proxy.compare import tensorflow, wire
from proxy.compare.texts import STEP, Texts, same_bytes

SHORT = st.binary(max_size=3)
TEXTS = st.lists(st.one_of(SHORT, st.binary(min_size=127, max_size=130)), max_size=6)
OTHERS = st.sampled_from([b"", b"\x08\x05", b"\x1a\x01x", b"\x45abcd"])
"""Fields in between that are no texts of field 6; the last is one of four bytes."""


def varint(value: int, *, overlong: bool = False) -> bytes:
    out = bytearray()
    while value >= 0x80 or overlong:
        out.append(value & 0x7F | 0x80)
        overlong = overlong and value >= 0x80
        value >>= 7
    return bytes([*out, value])


def in_fields(texts: list[bytes], number: int = 6, data: st.DataObject | None = None) -> bytes:
    """As a repeated field; where there are draws, with others in between and lengths that are too long."""
    out = b""
    for text in texts:
        between = data.draw(OTHERS) if data else b""
        overlong = bool(data and data.draw(st.booleans()))
        out += between + varint(number << 3 | 2) + varint(len(text), overlong=overlong) + text
    return out + (data.draw(OTHERS) if data else b"")


def behind_lengths(texts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def held(texts: list[bytes], data: st.DataObject) -> Texts:
    match data.draw(st.integers(0, 3)):
        case 0:
            return Texts.of(texts)
        case 1:
            return wire.lengths_and_texts(memoryview(behind_lengths(texts)))
        case 2:
            return wire.texts(memoryview(in_fields(texts)), 6)
        case _:
            return wire.texts(memoryview(in_fields(texts, 6, data)), 6)


@given(TEXTS, TEXTS, st.data())
def test_the_same_are_the_same_and_others_are_not(
    some: list[bytes], others: list[bytes], data: st.DataObject
) -> None:
    common = data.draw(TEXTS)
    one, other = held(common + some, data), held(common + others, data)

    assert one.same(other) is other.same(one) is (some == others)
    assert one.same(held(common + some, data))


def tensor(texts: list[bytes], size: int, data: st.DataObject) -> Texts:
    strings = in_fields(texts, 8)
    after = data.draw(st.sampled_from([b"", b"\x48\x01"]))
    message = b"\x08\x07\x12\x04\x12\x02\x08" + varint(size) + strings + after
    entry = b"\x0a\x01t\x12" + varint(len(message)) + message
    found = tensorflow.decode(b"\x0a" + varint(len(entry)) + entry)["t"].values
    assert isinstance(found, Texts)
    return found


@given(st.lists(SHORT, max_size=5), st.lists(SHORT, max_size=5), st.integers(0, 6), st.data())
def test_the_last_text_stands_for_all_that_are_left(
    some: list[bytes], others: list[bytes], size: int, data: st.DataObject
) -> None:
    def whole(texts: list[bytes]) -> list[bytes]:
        return texts + [texts[-1] if texts else b""] * (size - len(texts))

    common = data.draw(st.lists(SHORT, max_size=3))
    one, other = common + some, common + others
    assert tensor(one, size, data).same(tensor(other, size, data)) is (whole(one) == whole(other))


def test_a_difference_is_found_wherever_it_is() -> None:
    whole = bytes(2 * STEP + 10)
    for place in (0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, len(whole) - 1):
        other = whole[:place] + b"x" + whole[place + 1 :]
        assert not same_bytes(whole, other)
    assert same_bytes(whole, bytes(bytearray(whole)))
    assert not same_bytes(whole, whole[:-1])
