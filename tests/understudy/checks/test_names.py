import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.checks.names import (
    STATUS_CODES,
    check_choice,
    check_metadata_key,
    check_method,
    check_name,
    check_unique,
)


@pytest.mark.parametrize("name", ["a", "9", "v1", "fraud-v2", "a.b_c-d", "a" * 63, "1.0.0"])
def test_a_name(name):
    assert check_name(name, "name") == []


@pytest.mark.parametrize(
    "name", ["A", "-a", "a-", ".", "_a", "a/b", "a b", "a\n", "é", "a" * 64, "../a", "a\0", "٣", "ſ"]
)
def test_what_is_no_name_is_told_the_rule(name):
    (found,) = check_name(name, "variants[0].name")
    assert found.field == "variants[0].name"
    assert found.description.startswith("must be up to 63 lower-case letters, digits, '-', '_' or '.'")
    assert found.description.endswith(f"got {name!r}")


@pytest.mark.parametrize("check", [check_name, check_metadata_key])
def test_an_empty_one_is_required(check):
    (found,) = check("", "x")
    assert str(found) == "x: is required"


@given(st.text(max_size=70))
def test_a_name_is_safe_in_a_path_and_a_url(name):
    if check_name(name, "") == []:
        assert "/" not in name
        assert name not in (".", "..")
        assert name.isascii()
        assert name.isprintable()


@pytest.mark.parametrize("key", ["x-user-id", "X-User-Id", "authorization", "a.b_c-1", "x-understudy", "te"])
def test_a_metadata_key(key):
    assert check_metadata_key(key, "k") == []


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("a b", "must be letters, digits, '-', '_' or '.'"),
        (":path", "must be letters, digits, '-', '_' or '.'"),
        ("é", "must be letters, digits, '-', '_' or '.'"),
        ("\u212a", "must be letters, digits, '-', '_' or '.'"),  # the Kelvin sign lowers to k
        ("x-bin", "must not be a binary key (-bin)"),
        ("X-BIN", "must not be a binary key (-bin)"),
        ("x-understudy-variant", "must not be a key that gRPC or the sidecar sets itself"),
        ("Grpc-Timeout", "must not be a key that gRPC or the sidecar sets itself"),
    ],
)
def test_a_key_that_cannot_be_read_as_text_or_be_trusted(key, why):
    (found,) = check_metadata_key(key, "k")
    assert str(found) == f"k: {why}, got {key!r}"


@pytest.mark.parametrize("method", ["/a.B/C", "*", "/*", "/a.B/*", "/a.B/Get*", "/a*"])
def test_a_method_or_a_prefix_of_one(method):
    assert check_method(method, "m") == []


@pytest.mark.parametrize(
    "method", ["", "a.B/C", "/a.B", "/a.B/", "/a/b/c", "/a.B/*x", "a*", "**", "/a b/c", "/a/b\n"]
)
def test_what_is_no_method_is_told_what_is(method):
    (found,) = check_method(method, "m")
    assert found.description == (
        "must be a full method name such as /package.Service/Method, or a prefix of one ending in *, "
        f"got {method!r}"
    )


def test_a_value_that_is_there_already_is_named_with_where_it_is():
    found = check_unique(["a", "b", "a", "a"], "variants", "name")
    assert [str(one) for one in found] == [
        "variants[2].name: 'a' is there already, as variants[0]",
        "variants[3].name: 'a' is there already, as variants[0]",
    ]
    assert [one.field for one in check_unique(["a", "a"], "outputs")] == ["outputs[1]"]
    assert check_unique(["a", "b"], "x") == []


def test_a_choice_is_one_of_the_list_or_the_default():
    assert check_choice("a", ("a", "b"), "x") == check_choice("", ("a", "b"), "x") == []
    (found,) = check_choice("c", ("a", "b"), "x")
    assert str(found) == "x: must be one of a, b, got 'c'"


def test_status_codes_stand_at_their_numbers():
    assert (STATUS_CODES[0], STATUS_CODES[4], STATUS_CODES[14], len(STATUS_CODES)) == (
        "OK",
        "DEADLINE_EXCEEDED",
        "UNAVAILABLE",
        17,
    )
