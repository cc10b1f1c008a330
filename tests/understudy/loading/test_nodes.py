"""Plain words by YAML 1.2's core schema."""

import math

import pytest
from understudy.loading.nodes import NotYaml, compose, kind_of, line, scalar


def one(text):
    node = compose(text)
    assert node is not None
    return node


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "N",
        "Yes",
        "1_000",
        "0b11",
        "1:30",
        "0o8",
        "0xZ",
        "1e",
        "2001-12-14",
        "<<",
        "=",
    ],
)
def test_what_yaml_1_1_took_for_something_else_is_text(text):
    assert scalar(one(text)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E-2", -0.015),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("1e999", math.inf),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("''", ""),
        ("'true'", "true"),
        ('"7"', "7"),
        ("!!str 7", "7"),
        ("|\n 7\n", "7\n"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    read = scalar(one(text))
    assert read == value
    assert type(read) is type(value)


def test_nan_is_a_number():
    assert math.isnan(scalar(one(".NaN")))


@pytest.mark.parametrize("text", ["yes", "off", "017"])
def test_a_file_that_says_it_is_yaml_1_1_is_read_as_1_2_all_the_same(text):
    assert scalar(one(f"%YAML 1.1\n---\n{text}\n")) == {"017": 17}.get(text, text)


def test_an_integer_too_long_to_be_one_stays_text():
    digits = "9" * 5000
    assert scalar(one(digits)) == digits


@pytest.mark.parametrize(
    "text", ["a: !mine b", "!!set {a}", "a: !!binary aGk=", "[!<x> 5]", "!!python/object:os.x {}"]
)
def test_tags_of_ones_own_are_refused_not_ignored(text):
    with pytest.raises(NotYaml, match=r"tag '.*' is not understood; leave it out") as caught:
        compose(text)
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "a mapping"),
        ("[]", "a list"),
        ("~", "null"),
        ("true", "the truth value true"),
        ("1e3", "the number 1e3"),
        ("'1'", "the text '1'"),
    ],
)
def test_a_node_in_words(text, words):
    assert kind_of(one(text)) == words


def test_lines_count_from_one():
    assert [line(value) for _, value in one("a: 1\nb:\n  c\n").value] == [1, 3]


def test_nothing_at_all_is_no_node():
    assert compose("") is None


def test_an_anchor_that_is_there_twice_is_refused():
    with pytest.raises(NotYaml, match="anchor"):
        compose("a: &x 1\nb: &x 2\nc: *x\n")
