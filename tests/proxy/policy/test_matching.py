import re
from dataclasses import dataclass

import pytest

from proxy.policy.matching import HeaderTest, Match, first_fit, values

PREDICT = "/a.Predict/Infer"


@dataclass(frozen=True)
class R:
    name: str
    match: Match


def test_values_are_every_text_value_in_order():
    metadata = [("a", "1"), ("b", "x"), ("a", "2"), ("a", ""), ("a-bin", b"3")]
    assert values(metadata, "a") == ["1", "2", ""]
    assert values(metadata, "a-bin") == []
    assert values((), "a") == []


@pytest.mark.parametrize(
    ("pattern", "found", "fits"),
    [
        ("true", ["true"], True),
        ("true", ["True"], False),
        ("true", ["true "], False),
        ("true", ["false", "true"], True),
        ("true", [], False),
        ("", [""], True),
        ("", [], False),
        ("gold.*", ["golden"], True),
        ("gold.*", ["marigold"], False),
        ("[ab]", ["ab"], False),
        ("a|ab", ["ab"], True),
        (".*", ["a\nb"], False),
    ],
)
def test_a_pattern_fits_where_any_one_value_fits_whole(pattern, found, fits):
    test = HeaderTest("k", re.compile(pattern))
    assert test.fits([("other", "true"), *(("k", value) for value in found)]) is fits


@pytest.mark.parametrize(("present", "metadata", "fits"), [(True, ["k"], True), (True, ["x"], False)])
def test_presence_and_absence(present, metadata, fits):
    items = [(key, "") for key in metadata]
    assert HeaderTest("k", None, present=present).fits(items) is fits
    assert HeaderTest("k", None, present=not present).fits(items) is not fits


def test_no_condition_fits_every_call():
    assert Match().fits(PREDICT, [])


def test_any_one_method_or_prefix_must_fit():
    match = Match(exact=frozenset({PREDICT, "/b/C"}), prefixes=("/x.", "/y"))
    assert [match.fits(method, []) for method in (PREDICT, "/b/C", "/x.A/B", "/yy/z")] == [True] * 4
    assert [match.fits(method, []) for method in ("/a.Predict/Infe", "/a.Predict/Inferno", "/X.A/B", "")] == [
        False
    ] * 4


def test_an_empty_prefix_is_every_method():
    assert Match(prefixes=("",)).fits(PREDICT, [])


def test_every_header_must_fit_and_the_method_too():
    match = Match(
        exact=frozenset({PREDICT}),
        headers=(HeaderTest("a", re.compile("1")), HeaderTest("b", None, present=False)),
    )
    assert match.fits(PREDICT, [("a", "1")])
    assert not match.fits(PREDICT, [("a", "1"), ("b", "")])
    assert not match.fits(PREDICT, [("b", "1")])
    assert not match.fits("/other/M", [("a", "1")])


def test_the_first_route_that_fits_decides_else_the_rest():
    rest = R("rest", Match())
    routes = [
        R("a", Match(exact=frozenset({"/a/A"}))),
        R("b", Match(prefixes=("/a/",))),
        R("c", Match(exact=frozenset({"/a/B"}))),
    ]
    assert [first_fit(routes, rest, method, []).name for method in ("/a/A", "/a/B", "/c/C")] == [
        "a",
        "b",
        "rest",
    ]
    assert first_fit([], rest, "/a/A", []) is rest
