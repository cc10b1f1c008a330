"""Answers: what passes to the caller, and what status they say."""

import hpack
import pytest

from proxy.engines.relay.answers import Answer, ending
from proxy.http2.decoder import Decoder
from proxy.http2.encoder import Encoder
from proxy.http2.fields import Field


def answer(*fields: Field, twice: bool = False) -> tuple[Answer, list[Field]]:
    server, decoder = hpack.Encoder(), Decoder()
    if twice:
        decoder.decode(server.encode(fields))
    found = Answer(decoder.decode(server.encode(fields)))
    return found, list(hpack.Decoder().decode(Encoder().encode(found.parts)))


@pytest.mark.parametrize("twice", [False, True])
def test_everything_passes_but_our_own_keys(twice: bool) -> None:
    passing = [(":status", "200"), ("grpc-encoding", "gzip"), ("x-request-id", "r1"), ("k", "v")]
    found, leaving = answer(*passing, ("x-understudy-variant", "forged"), twice=twice)

    assert leaving == passing
    assert (found.http, found.encoding, found.has_request_id) == ("200", "gzip", True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([("grpc-status", "0")], "OK"),
        ([("grpc-status", "14")], "UNAVAILABLE"),
        ([("grpc-status", "99")], "UNKNOWN"),
        ([("grpc-status", "x")], "UNKNOWN"),
        ([(":status", "503")], "UNAVAILABLE"),
        ([(":status", "418")], "UNKNOWN"),
        ([(":status", "200"), ("grpc-status", "5")], "NOT_FOUND"),
    ],
)
def test_the_status_it_says(fields: list[Field], code: str) -> None:
    assert answer(*fields)[0].code == code


def test_an_ending_of_our_own() -> None:
    parts = ending("RESOURCE_EXHAUSTED", "100 % full\n", "in_flight", is_alone=True)

    assert list(hpack.Decoder().decode(Encoder().encode(parts))) == [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "8"),
        ("grpc-message", "100 %25 full%0A"),
        ("x-understudy-error", "in_flight"),
    ]
