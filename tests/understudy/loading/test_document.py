"""From a file to its message, or to one line for each problem."""

import itertools
import os
import pathlib
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from understudy.checks import Violation
from understudy.checks.service import check_service
from understudy.loading import InvalidFile, load_checked, load_document, load_file

SERVICE = """kind: Service
name: fraud
variants:
  - {name: v1, target: "127.0.0.1:8001"}
routes:
  - name: all
    split:
      weights: {v1: 1, v2: 2}
"""


def test_a_missing_file_is_one_line_that_names_it(tmp_path):
    with pytest.raises(InvalidFile) as caught:
        load_file(tmp_path / "none.yaml")
    assert caught.value.problems == [f"{tmp_path}/none.yaml: cannot be read: No such file or directory"]
    assert str(caught.value) == caught.value.problems[0]


def test_a_directory_and_a_file_below_a_file_cannot_be_read(tmp_path, write):
    below = write(SERVICE) / "below.yaml"
    for path, why in ((tmp_path, "Is a directory"), (below, "Not a directory")):
        with pytest.raises(InvalidFile, match=f"cannot be read: {why}"):
            load_file(path)


@pytest.mark.parametrize(
    "text", ["", "   \n# only a comment\n", "- kind: Service\n", "Service", "[]", "null", "5"]
)
def test_what_is_no_mapping_is_told_how_to_begin(refused, text):
    (problem,) = refused(text)
    assert problem == (
        "file.yaml: must be a mapping that begins with kind: Sidecar | Control | Service | Rollout"
    )


def test_kind_is_required(refused):
    assert refused("name: fraud\n", "Service") == ["file.yaml:1: kind: is required: Service"]


@pytest.mark.parametrize("kind", ["Servce", "service", "", "[Service]", "{a: b}", "Rollout", "null", "5"])
def test_kind_must_be_one_that_fits_here(refused, kind):
    (problem,) = refused(f"name: fraud\nkind: {kind}\n", "Service", "Sidecar")
    assert problem.startswith("file.yaml:2: kind: must be Service or Sidecar, got ")


def test_a_second_kind_is_refused(refused):
    (problem,) = refused("kind: Service\nname: a\nkind: Sidecar\n")
    assert problem == "file.yaml:3: kind: this key is there already; keep one of them"


def test_kind_is_a_key_of_the_file_only_not_of_what_is_inside(refused):
    (problem,) = refused("kind: Service\nvariants: [{kind: Service}]\n")
    assert problem.startswith("file.yaml:2: variants[0].kind: is not a field here; there are: name,")


@pytest.mark.parametrize("text", ["kind: Service\n---\nkind: Service\n", "kind: Service\n...\n---\na: 1\n"])
def test_two_documents_in_one_file_are_refused(refused, text):
    (problem,) = refused(text)
    assert "does not parse" in problem
    assert "another document" in problem


@pytest.mark.parametrize(
    "text",
    [
        "kind: Service\nname: [a",
        "kind: Service\n name: a",
        "kind: Service\n\tname: a\n",
        "kind: Service\nname: 'a",
        "kind: Service\nname: *nowhere\n",
        "kind: @\n",
        "kind: Service\nname: a: b\n",
        '{"kind": "Service",, }',
    ],
)
def test_text_that_does_not_parse_says_in_which_line(refused, text):
    (problem,) = refused(text)
    assert problem.startswith(("file.yaml:1: does not parse: ", "file.yaml:2: does not parse: "))


@pytest.mark.parametrize("data", [b"\xff\xfe", "kind: Service".encode("utf-16"), b"kind: \xe9"])
def test_only_utf8_is_text(refused, data):
    assert refused(data) == ["file.yaml: is not UTF-8 text"]


def test_control_characters_are_refused(refused):
    (problem,) = refused("kind: Service\nname: \x07\n")
    assert "does not parse: holds a character that YAML does not allow" in problem


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_any_line_end_will_do(write, end):
    assert load_file(write(SERVICE.replace("\n", end)), "Service").name == "fraud"


def test_a_byte_order_mark_is_no_part_of_the_first_key(write):
    assert load_file(write(SERVICE.encode("utf-8-sig")), "Service").name == "fraud"


def test_json_is_read_like_yaml(write):
    text = (
        '{"kind": "Service", "name": "fraud", "routes": [{"timeout": "2s", "split": {"weights": {"v1": 1.5}}}'
    )
    text += "]}"
    service = load_file(write(text), "Service")
    assert service.routes[0].split.weights == {"v1": 1.5}
    assert service.routes[0].timeout.ToMilliseconds() == 2000


def test_duplicate_keys_in_json_are_refused_too(refused):
    (problem,) = refused('{"kind": "Service",\n "name": "a",\n "name": "a"}')
    assert problem == "file.yaml:3: name: this key is there already; keep one of them"


@pytest.mark.parametrize(
    "text",
    [
        "kind: Service\nname: " + "[" * 100 + "]" * 100,
        "kind: Service\nname: " + "{a: " * 100 + "1" + "}" * 100,
        "- " * 100_000,
        "? " * 100_000,
        "[" * 100_000,
        "{a: " * 50_000,
        "kind: Service\nroutes: &a [*a]\n",
        "kind: Service\nroutes: &a {match: *a}\n",
    ],
)
def test_depth_without_end_is_refused(refused, text):
    (problem,) = refused(text)
    assert "nested" in problem


def test_a_billion_laughs_are_not_laughed(refused):
    names = "abcdefghij"
    layers = [f"{own}: &{own} [{', '.join(['*' + below] * 9)}]" for below, own in itertools.pairwise(names)]
    problems = refused("kind: Service\na: &a [lol]\n" + "\n".join(layers))
    assert len(problems) == len(names)


def test_aliases_count_each_time_they_are_used(refused):
    weights = ", ".join(f"v{index}: 1" for index in range(1000))
    text = f"kind: Service\nroutes:\n- &r {{split: {{weights: {{{weights}}}}}}}\n" + "- *r\n" * 100
    (problem,) = refused(text)
    assert "holds more than 50000 values, aliases counted at each use" in problem


def test_an_alias_is_the_value_it_stands_for(write):
    text = "kind: Service\nname: &n fraud\nstable: *n\nroutes: [&r {name: a, timeout: 1s}, *r]\n"
    service = load_file(write(text), "Service")
    assert service.stable == "fraud"
    assert service.routes[0] == service.routes[1]


def test_a_file_over_one_mebibyte_is_refused_without_reading_it_all(write, refused):
    assert refused("#" * (1024 * 1024 + 1)) == ["file.yaml: is larger than 1024 KiB"]
    padded = SERVICE + "#" * (1024 * 1024 - len(SERVICE))
    assert load_file(write(padded), "Service").name == "fraud"


def test_a_pipe_is_a_file_as_well(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text(SERVICE))
    writer.start()
    assert load_file(path, "Service").name == "fraud"
    writer.join()


def test_all_problems_come_at_once_in_the_order_of_their_lines(refused):
    problems = refused("kind: Service\nnam: a\nstable: 5\nroutes: 7\nvariants: [{name: null}, x]\n")
    assert [problem.split(": ")[0] for problem in problems] == [f"file.yaml:{n}" for n in (2, 3, 4, 5, 5)]


def test_a_document_knows_the_line_of_each_field_or_of_the_nearest_around_it(write):
    document = load_document(write(SERVICE), "Service")
    lines = [
        ("routes[0].split.weights.v2", 8),
        ("variants[0].target", 4),
        ("routes[0].mirrors[3].variant", 6),
    ]
    for field, line in [*lines, ("stable", 1), ("routes[0]", 6), ("", 1)]:
        (problem,) = document.problems([Violation(field, "is wrong")])
        text = f"{field}: is wrong" if field else "is wrong"
        assert problem == f"{document.path}:{line}: {text}"


def test_load_checked_puts_the_line_before_what_the_check_says(write):
    path = write(SERVICE)
    with pytest.raises(InvalidFile) as caught:
        load_checked(path, "Service", check_service)
    assert caught.value.problems == [
        f"{path}:8: routes[0].split.weights.v2: no variant is called 'v2'; there are: v1"
    ]
    fixed = load_checked(write(SERVICE.replace(", v2: 2", "")), "Service", check_service)
    assert fixed.name == "fraud"


def test_a_key_with_a_line_break_does_not_break_the_line_of_its_problem(write, refused):
    (problem,) = refused('kind: Service\n"a\\nb\\u2028\\e[31m": 1\n')
    assert problem.startswith("file.yaml:2: a\\nb\\u2028\\x1b[31m: is not a field here")
    path = write(SERVICE.replace("v2: 2", '"v\\n2": 2'))
    with pytest.raises(InvalidFile) as caught:
        load_checked(path, "Service", check_service)
    assert "weights.v\\n2: no variant" in caught.value.problems[0]


def _never_raises_anything_else(path: pathlib.Path, data: bytes) -> None:
    path.write_bytes(data)
    problems = _problems(path)
    assert problems is None or problems
    for problem in problems or ():
        assert problem.startswith(str(path))
        assert len(problem.splitlines()) == 1


def _problems(path: pathlib.Path) -> list[str] | None:
    try:
        load_document(path)
    except InvalidFile as invalid:
        return invalid.problems
    return None


_WORDS = [
    "kind",
    "Service",
    "Sidecar",
    "Rollout",
    "name",
    "variants",
    "routes",
    "split",
    "weights",
    "timeout",
]
_WORDS += [
    "limits",
    "mirror_bytes",
    "tracing",
    "ratio",
    "progressive",
    "canary",
    "stages",
    "require",
    "5%",
    "1s",
]
_SIGNS = [
    ": ",
    ":",
    "- ",
    "\n",
    "\n  ",
    " ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a",
    "'",
    '"',
    "!",
    "!!int ",
    "|",
]
_SIGNS += [
    ">",
    "#",
    "?",
    "%",
    "---",
    "...",
    "null",
    "~",
    "1e999",
    ".nan",
    "0x",
    "\t",
    "\\ud800",
    "<<",
    "@",
    "`",
]


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.sampled_from(_WORDS + _SIGNS), max_size=40), head=st.booleans())
def test_text_that_looks_like_a_file_never_ends_in_a_traceback(tmp_path, parts, head):
    text = ("kind: Sidecar\n" if head else "") + "".join(parts)
    _never_raises_anything_else(tmp_path / "f.yaml", text.encode())


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_bytes_of_any_kind_never_end_in_a_traceback(tmp_path, data):
    _never_raises_anything_else(tmp_path / "f.yaml", data)
    _never_raises_anything_else(tmp_path / "f.yaml", b"kind: Service\nname: " + data)


def test_an_empty_value_stands_on_the_line_of_its_key(refused):
    problems = refused("kind: Service\nname:\n\n\nroutes:\n- split:\n- name:\nstable: x\n")
    assert [problem.split(": ")[0] for problem in problems] == [f"file.yaml:{n}" for n in (2, 6, 7)]
