"""From nodes to a message, strictly."""

import json
import math
import pathlib
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from understudy.checks.service import check_service
from understudy.loading import format_duration, load_file
from understudy.v1 import service_pb2


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nmae: a", "nmae: is not a field here; did you mean 'name'?"),
        (
            "weight: 1",
            "weight: is not a field here; there are: name, stable, fallback, variants, routes, kind",
        ),
        ("'': 1", "'': is not a field here"),
        ("5: 1", "5: is not a field here"),
        ("~: 1", "~: is not a field here"),
        ("? [a]\n: 1", "a list: a key must be a plain word"),
        ("{a: b}: 1", "a mapping: a key must be a plain word"),
        ("<<: {name: b}", "<<: is not a field here"),
        ("name: null", "name: must be a text, got null; leave it out for the default"),
        ("name:", "name: must be a text, got null; leave it out for the default"),
        ("name: 5", "name: must be a text, got the number 5; write it in quotes"),
        ("name: true", "name: must be a text, got the truth value true; write it in quotes"),
        ("name: [a]", "name: must be a text, got a list"),
        ("name: {a: b}", "name: must be a text, got a mapping"),
        ('name: "\\ud800"', "name: must be Unicode text, without half a surrogate pair"),
        ("variants: {name: v1}", "variants: must be a list, got a mapping"),
        ("variants: v1", "variants: must be a list, got the text 'v1'"),
        ("variants: ~", "variants: must be a list, got null; leave it out for the default"),
        ("variants: [v1]", "variants[0]: must be a mapping, got the text 'v1'"),
        ("variants: [{}, null]", "variants[1]: must be a mapping, got null"),
        ("routes: [{split: []}]", "routes[0].split: must be a mapping, got a list"),
        ("routes: [{split: null}]", "routes[0].split: must be a mapping, got null"),
        (
            "routes: [{timeout: 5}]",
            "routes[0].timeout: must be a duration such as 250ms, 2s, 5m or 1h, got the n",
        ),
        (
            "routes: [{timeout: [5s]}]",
            "routes[0].timeout: must be a duration such as 250ms, 2s, 5m or 1h, got a l",
        ),
        (
            "routes: [{timeout: null}]",
            "routes[0].timeout: must be a duration such as 250ms, 2s, 5m or 1h, got null",
        ),
        (
            "routes: [{timeout: 5 s}]",
            "routes[0].timeout: must be a duration such as 250ms, 2s, 5m or 1h, got '5 s'",
        ),
        ("routes: [{timeout: 1e9s}]", "routes[0].timeout: must be a duration such as"),
        (
            "routes: [{match: {methods: /a/b}}]",
            "routes[0].match.methods: must be a list, got the text '/a/b'",
        ),
        ("routes: [{match: {methods: [1]}}]", "routes[0].match.methods[0]: must be a text, got the number 1"),
        ("routes: [{match: {methods: [~]}}]", "routes[0].match.methods[0]: must be a text, got null"),
        (
            "routes: [{match: {headers: [{exact: a, prefix: b}]}}]",
            "routes[0].match.headers[0].prefix: cannot stand beside 'exact'",
        ),
        (
            "routes: [{match: {headers: [{present: yes}]}}]",
            "routes[0].match.headers[0].present: must be true or false, got the text 'yes'",
        ),
        (
            "routes: [{match: {headers: [{present: 1}]}}]",
            "routes[0].match.headers[0].present: must be true or false, got the number 1",
        ),
    ],
)
def test_a_wrong_field_is_one_line_with_its_path(refused, line, problem):
    (found,) = refused(f"kind: Service\n{line}\n")
    assert found.startswith(f"file.yaml:2: {problem}")


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ("{v1: .nan}", ".v1: must be a finite number, got .nan"),
        ("{v1: .inf}", ".v1: must be a finite number, got .inf"),
        ("{v1: -.inf}", ".v1: must be a finite number, got -.inf"),
        ("{v1: 1e999}", ".v1: must be a finite number, got 1e999"),
        ("{v1: 1" + "0" * 400 + "}", ".v1: must be a finite number, got 10"),
        ("{v1: null}", ".v1: must be a number, got null"),
        ("{v1: }", ".v1: must be a number, got null"),
        ("{v1: true}", ".v1: must be a number, got the truth value true"),
        ("{v1: '5'}", ".v1: must be a number, got the text '5'"),
        ("{v1: 5%}", ".v1: must be a number, got the text '5%'"),
        ("{v1: 1_000}", ".v1: must be a number, got the text '1_000'"),
        ("{v1: [5]}", ".v1: must be a number, got a list"),
        ("{v1: 1, v1: 1}", ".v1: this key is there already; keep one of them"),
        ("{v1: 1, 'v1': 2}", ".v1: this key is there already; keep one of them"),
        ("{[a]: 1}", ".a list: a key must be a plain word"),
        ('{"\\ud800": 1}', ".\\ud800: must be Unicode text"),
        ("[v1]", ": must be a mapping, got a list"),
        ("5", ": must be a mapping, got the number 5"),
        ("null", ": must be a mapping, got null"),
    ],
)
def test_a_wrong_map_entry_is_one_line_with_its_key_in_the_path(refused, weights, problem):
    (found,) = refused(f"kind: Service\nroutes:\n- split:\n    weights: {weights}\n")
    assert found.startswith(f"file.yaml:4: routes[0].split.weights{problem}")


def test_keys_of_a_map_are_words_whatever_they_look_like(write):
    text = "kind: Service\nroutes: [{split: {weights: {1: 1, true: 2, on: 3, 1.0: 4}}}]"
    assert load_file(write(text)).routes[0].split.weights == {"1": 1, "true": 2, "on": 3, "1.0": 4}


def test_numbers_in_every_notation(write):
    numbers = {"a": ("1", 1), "b": ("0o17", 15), "c": ("1e3", 1000), "d": ("0x10", 16), "e": (".5", 0.5)}
    numbers |= {"f": ("5.", 5), "g": ("+1", 1), "h": ("-0.0", -0.0), "i": ("-3", -3), "j": ("017", 17)}
    text = ", ".join(f"{key}: {written}" for key, (written, _) in numbers.items())
    weights = (
        load_file(write(f"kind: Service\nroutes: [{{split: {{weights: {{{text}}}}}}}]"))
        .routes[0]
        .split.weights
    )
    assert weights == {key: value for key, (_, value) in numbers.items()}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("in_flight: 1e3", "in_flight: must be a whole number, got the number 1e3"),
        ("in_flight: 1.0", "in_flight: must be a whole number, got the number 1.0"),
        ("in_flight: '5'", "in_flight: must be a whole number, got the text '5'"),
        ("in_flight: 5KiB", "in_flight: must be a whole number, got the text '5KiB'"),
        ("in_flight: true", "in_flight: must be a whole number, got the truth value true"),
        ("in_flight: -1", "in_flight: must be from 0 to 4294967295, got -1"),
        ("in_flight: 4294967296", "in_flight: must be from 0 to 4294967295, got 4294967296"),
        ("in_flight: " + "9" * 5000, "in_flight: must be a whole number, got the text"),
        ("mirror_bytes: -1", "mirror_bytes: must be from 0 to 18446744073709551615, got -1"),
        ("mirror_bytes: 18446744073709551616", "mirror_bytes: must be from 0 to 18446744073709551615, got"),
        (
            "mirror_bytes: 1.5B",
            "mirror_bytes: must be a number of bytes such as 64MiB or 1048576, got '1.5B'",
        ),
        ("mirror_bytes: 1.5", "mirror_bytes: must be a whole number, got the number 1.5"),
        (
            "mirror_bytes: lots",
            "mirror_bytes: must be a number of bytes such as 64MiB or 1048576, got 'lots'",
        ),
    ],
)
def test_a_wrong_whole_number_says_what_fits(refused, line, problem):
    (found,) = refused(f"kind: Sidecar\nlimits:\n  {line}\n")
    assert found.startswith(f"file.yaml:3: limits.{problem}")


def test_bytes_take_units_and_plain_numbers(write):
    for text, count in (
        ("256MiB", 2**28),
        ("1048576", 2**20),
        ("'1048576'", 2**20),
        ("1 GB", 10**9),
        ("0", 0),
    ):
        sidecar = load_file(write(f"kind: Sidecar\nlimits: {{mirror_bytes: {text}}}"))
        assert sidecar.limits.mirror_bytes == count


@pytest.mark.parametrize(
    ("text", "percent"), [("5", 5), ("5%", 5), ("'5%'", 5), ("0.5 %", 0.5), ("5e-1", 0.5)]
)
def test_a_percentage_is_a_number_of_hundredths(write, text, percent):
    service = load_file(write(f"kind: Service\nroutes: [{{mirrors: [{{percent: {text}}}]}}]"))
    assert service.routes[0].mirrors[0].percent == percent


@pytest.mark.parametrize(("text", "ratio"), [("0.05", 0.05), ("5%", 0.05), ("1", 1), ("100%", 1), ("0", 0)])
def test_a_ratio_is_a_number_up_to_one_or_a_percentage(write, text, ratio):
    sidecar = load_file(write(f"kind: Sidecar\ntracing: {{ratio: {text}}}"))
    assert sidecar.tracing.ratio == pytest.approx(ratio)
    assert sidecar.tracing.HasField("ratio")


def test_a_percentage_beyond_all_numbers_is_refused(refused):
    (problem,) = refused(f"kind: Sidecar\ntracing: {{ratio: {'9' * 400}%}}")
    assert "tracing.ratio: must be a number or a percentage such as 5%" in problem


def test_a_character_that_json_writes_as_two_is_one(write):
    text = json.dumps({"kind": "Service", "stable": "𑢠", "routes": [{"split": {"weights": {"😀": 1}}}]})
    service = load_file(write(text))
    assert service.stable == "𑢠"
    assert service.routes[0].split.weights == {"😀": 1}


def test_only_one_strategy_can_be_set(refused):
    (problem,) = refused("kind: Rollout\ncanary: {}\nshadow: {}\n")
    assert problem == "file.yaml:3: shadow: cannot stand beside 'canary'"


def test_an_optional_field_beside_another_is_no_choice_between_them(write):
    limits = load_file(write("kind: Sidecar\nlimits: {in_flight: 1, in_flight_per_variant: 2}")).limits
    assert (limits.in_flight, limits.in_flight_per_variant) == (1, 2)


def test_what_is_written_is_present_even_where_it_is_zero_or_empty(write):
    rollout = load_file(write("kind: Rollout\nmin_calls: 0\ncanary: {}\nmirror_deadline: 0s\n"))
    assert rollout.HasField("min_calls")
    assert rollout.WhichOneof("strategy") == "canary"
    assert rollout.HasField("mirror_deadline")
    assert not rollout.HasField("compare")


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True)
MICROS = st.integers(1, 10**12)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@st.composite
def _mirrors(draw: st.DrawFn, variant: str) -> service_pb2.Mirror:
    mirror = service_pb2.Mirror(variant=variant, percent=draw(st.floats(0, 100)))
    mirror.compare.absolute = draw(st.floats(0, 1e300))
    mirror.compare.relative = draw(st.floats(0, 1))
    mirror.compare.outputs.extend(
        draw(st.lists(st.text(max_size=8).filter(_is_yaml), unique=True, max_size=3))
    )
    if draw(st.booleans()):
        mirror.max_bytes = draw(st.integers(1, 2**64 - 1))
        mirror.max_in_flight = draw(st.integers(1, 2**32 - 1))
        mirror.deadline.FromMicroseconds(draw(MICROS))
    return mirror


def _is_yaml(text: str) -> bool:
    return text.isprintable() and text == text.strip()


@st.composite
def _routes(draw: st.DrawFn, name: str, variants: list[str]) -> service_pb2.Route:
    route = service_pb2.Route(name=name)
    for variant in variants:
        route.split.weights[variant] = draw(st.floats(0, 1e6))
    route.split.weights[variants[0]] = draw(st.floats(1e-3, 1e3))
    route.split.sticky.salt = draw(TEXTS)
    route.split.sticky.payload = draw(st.booleans())
    route.split.sticky.metadata.extend(
        draw(st.lists(st.sampled_from(["x-user-id", "x-session-id"]), max_size=2))
    )
    if draw(st.booleans()):
        route.timeout.FromMicroseconds(draw(MICROS))
    if draw(st.booleans()):
        header = route.match.headers.add(name="canary")
        kind = draw(st.sampled_from(["exact", "present", "regex"]))
        setattr(
            header,
            kind,
            draw(st.booleans()) if kind == "present" else draw(st.sampled_from(["true", "1", "~"])),
        )
        route.match.methods.append("/a.B/C")
    if len(variants) > 1:
        route.split.weights[variants[1]] = 1.0
        route.mirrors.append(draw(_mirrors(variants[-1])))
    return route


@st.composite
def services(draw: st.DrawFn) -> service_pb2.Service:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    service = service_pb2.Service(name=draw(NAMES), stable=draw(st.sampled_from(["", *names])))
    for index, name in enumerate(names):
        service.variants.add(name=name, target=f"127.0.0.1:{index + 1}", version=draw(TEXTS))
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        service.routes.append(draw(_routes(name, names)))
    return service


def as_written(message: Message) -> dict[str, Any]:
    """A message as a user would write it: MessageToDict with our own durations and whole numbers."""
    written = MessageToDict(message, preserving_proto_field_name=True, use_integers_for_enums=True)
    return {key: _value(message, key, value) for key, value in written.items()}


def _value(message: Message, key: str, value: Any) -> Any:
    held: Any = getattr(message, key)
    if isinstance(held, Duration):
        return format_duration(held.ToMicroseconds() / 1e6)
    if isinstance(held, Message):
        return as_written(held)
    if isinstance(held, int) and not isinstance(held, bool):
        return held
    if isinstance(value, list) and value and isinstance(held[0], Message):
        return [as_written(one) for one in held]
    return value


def block(value: Any, indent: str = "") -> str:
    """A value in YAML's block style, texts in single quotes."""
    match value:
        case dict() if value:
            return "".join(
                f"\n{indent}{block(key)}: {block(one, indent + '  ')}" for key, one in value.items()
            )
        case list() if value:
            return "".join(f"\n{indent}- {block(one, indent + '  ')}" for one in value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return json.dumps(value)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(service=services(), as_json=st.booleans())
def test_any_service_is_read_back_as_it_was_written(tmp_path, service, as_json):
    assert check_service(service) == []
    path: pathlib.Path = tmp_path / "service.yaml"
    written = {"kind": "Service", **as_written(service)}
    path.write_text(json.dumps(written, indent=1) if as_json else block(written))
    assert load_file(path, "Service") == service


@given(number=st.floats(allow_nan=False, allow_infinity=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_finite_number_is_read_back_exactly(write, number):
    text = f"kind: Service\nroutes: [{{mirrors: [{{percent: {number!r}}}]}}]"
    read = load_file(write(text)).routes[0].mirrors[0].percent
    assert read == number
    assert math.copysign(1, read) == math.copysign(1, number)
