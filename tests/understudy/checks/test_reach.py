"""Routes that can never be reached: named where that is certain, and never otherwise."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from understudy.checks.reach import covers, unreachable_routes
from understudy.v1 import service_pb2

METHODS = ["/a.B/C", "/a.B/D", "/a.B/*", "/a.*", "*", "/x.Y/Z"]
MODELS = ["iris", "iris-*", "iris-2", "fraud", "i*"]
HEADERS = [
    {"name": "canary", "exact": "true"},
    {"name": "Canary", "prefix": "t"},
    {"name": "canary", "regex": "t.*"},
    {"name": "canary", "present": True},
    {"name": "canary", "present": False},
    {"name": "tenant", "exact": "a"},
]


def match(**fields: Any) -> service_pb2.Match:
    return ParseDict(fields, service_pb2.Match())


def service(*matches: service_pb2.Match) -> service_pb2.Service:
    made = service_pb2.Service()
    for index, each in enumerate(matches):
        made.routes.add(name=f"r{index}", match=each)
    return made


@pytest.mark.parametrize(
    ("earlier", "later", "is_covered"),
    [
        ({}, {}, True),
        ({}, {"methods": ["/a.B/C"], "models": ["iris"], "headers": HEADERS[:1]}, True),
        ({"methods": ["/a.B/*"]}, {"methods": ["/a.B/C", "/a.B/D"]}, True),
        ({"methods": ["/a.B/C"]}, {"methods": ["/a.B/*"]}, False),
        ({"methods": ["/a.B/C"]}, {"methods": ["/a.B/C", "/x.Y/Z"]}, False),
        ({"methods": ["/a.B/C"]}, {}, False),
        ({"methods": ["*"]}, {}, True),
        ({"models": ["i*"]}, {"models": ["iris", "iris-*"]}, True),
        ({"models": ["iris"]}, {}, False),
        ({"headers": HEADERS[3:4]}, {"headers": HEADERS[:1]}, True),
        ({"headers": HEADERS[4:5]}, {"headers": HEADERS[:1]}, False),
        ({"headers": HEADERS[1:2]}, {"headers": HEADERS[:1]}, True),
        ({"headers": HEADERS[2:3]}, {"headers": HEADERS[:1]}, True),
        ({"headers": HEADERS[:1]}, {"headers": HEADERS[2:3]}, False),
        ({"headers": HEADERS[:1]}, {"headers": [HEADERS[0], HEADERS[5]]}, True),
        ({"headers": [HEADERS[0], HEADERS[5]]}, {"headers": HEADERS[:1]}, False),
        ({"methods": ["/a.*"], "models": ["iris"]}, {"methods": ["/a.B/C"], "models": ["iris"]}, True),
        ({"methods": ["/a.*"], "models": ["iris"]}, {"methods": ["/a.B/C"]}, False),
    ],
)
def test_one_match_covers_another(earlier: dict[str, Any], later: dict[str, Any], is_covered: bool) -> None:
    assert covers(match(**earlier), match(**later)) is is_covered


def test_the_route_and_the_one_that_hides_it_are_named() -> None:
    (warning,) = unreachable_routes(service(match(models=["a"]), match(), match(models=["b"])), "service")

    assert warning.field == "service.routes[2]"
    assert "'r1'" in warning.description


MATCHES = st.builds(
    match,
    methods=st.lists(st.sampled_from(METHODS), max_size=2),
    models=st.lists(st.sampled_from(MODELS), max_size=2),
    headers=st.lists(st.sampled_from(HEADERS), max_size=2),
)


@given(MATCHES)
def test_every_match_covers_itself(one: service_pb2.Match) -> None:
    assert covers(one, one)


@given(MATCHES, MATCHES, MATCHES)
def test_covering_is_transitive(a: service_pb2.Match, b: service_pb2.Match, c: service_pb2.Match) -> None:
    if covers(a, b) and covers(b, c):
        assert covers(a, c)
