"""Request headers: what the policy sees, what leaves, and what is nobody's call."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engines.relay.requests import Malformed, read_request, seconds_of, timeout_of, with_authority
from proxy.http2.decoder import Decoder
from proxy.http2.encoder import Encoder
from proxy.http2.fields import Field

PSEUDO = [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":authority", "x")]


def read(*fields: Field, twice: bool = False) -> tuple[object, list[Field]]:
    """A request, and the fields that leave for the model server; `twice`: by references to the table."""
    client, decoder = hpack.Encoder(), Decoder()
    if twice:
        decoder.decode(client.encode(fields))
    request = read_request(decoder.decode(client.encode(fields)))
    return request, list(hpack.Decoder().decode(Encoder().encode(request.parts)))


@pytest.mark.parametrize("twice", [False, True])
def test_everything_passes_but_the_timeout_and_our_own_keys(twice: bool) -> None:
    passing = [*PSEUDO, ("te", "trailers"), ("x-user-id", "anna"), ("k-bin", "AAE"), ("k", ""), ("k", "2")]
    request, leaving = read(*passing, ("grpc-timeout", "2S"), ("x-understudy-hops", "1"), twice=twice)

    assert leaving == passing
    assert (request.path, request.timeout) == ("/a/B", 2.0)
    assert request.metadata == [("x-user-id", "anna"), ("k", ""), ("k", "2"), ("x-understudy-hops", "1")]


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        PSEUDO[1:],
        [*PSEUDO, PSEUDO[2]],
        [PSEUDO[0], ("a", "b"), *PSEUDO[1:]],
        [*PSEUDO, (":status", "200")],
        [(":method", "GET"), *PSEUDO[1:]],
        [*PSEUDO, ("connection", "close")],
        [*PSEUDO, ("te", "gzip")],
        [*PSEUDO, ("grpc-timeout", "1S"), ("grpc-timeout", "1S")],
        [*PSEUDO, ("grpc-timeout", "123456789S")],
        [*PSEUDO, ("grpc-timeout", "1x")],
    ],
)
def test_what_breaks_the_rules_is_no_request(fields: list[Field], twice: bool) -> None:
    with pytest.raises(Malformed):
        read(*fields, twice=twice)


@pytest.mark.parametrize("twice", [False, True])
def test_a_traceparent_is_found_in_its_place(twice: bool) -> None:
    request, leaving = read(*PSEUDO, ("a", "1"), ("traceparent", "00-1"), ("b", "2"), twice=twice)
    request.parts[request.traceparent_at] = b"\0\1t\1x"

    assert leaving[-3:] == [("a", "1"), ("traceparent", "00-1"), ("b", "2")]
    assert list(hpack.Decoder().decode(Encoder().encode(request.parts)))[-3:] == [
        ("a", "1"),
        ("t", "x"),
        ("b", "2"),
    ]


@pytest.mark.parametrize("twice", [False, True])
def test_another_authority(twice: bool) -> None:
    request, _ = read(*PSEUDO, ("a", "1"), twice=twice)

    changed = list(hpack.Decoder().decode(Encoder().encode(with_authority(request.parts, "model.example"))))

    assert sorted(changed) == sorted([*PSEUDO[:3], (":authority", "model.example"), ("a", "1")])


@given(st.floats(1e-6, 9e7))
def test_a_timeout_is_never_written_longer(seconds: float) -> None:
    written = seconds_of(timeout_of(seconds))

    assert 0.98 * seconds - 2e-6 < written <= max(seconds * (1 + 1e-9), 1e-6)
    assert len(timeout_of(seconds)) <= 9


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        *(("2H", 7200.0), ("3M", 180.0), ("4S", 4.0), ("5m", 0.005), ("6u", 6e-6), ("7n", 7e-9)),
        *(("0S", 0.0), ("00000001m", 0.001), ("99999999H", 99999999 * 3600.0)),
    ],
)
def test_a_timeout_of_every_unit_is_read(timeout: str, seconds: float) -> None:
    assert seconds_of(timeout) == pytest.approx(seconds)
    assert read(*PSEUDO, ("grpc-timeout", timeout), twice=False)[0].timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    "timeout", ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "1 S", "\u0661S", "123456789m"]
)
def test_what_is_no_timeout_makes_no_call(timeout: str) -> None:
    with pytest.raises(Malformed):
        seconds_of(timeout)
