"""A user's mistake is one clear line for each thing that is wrong, and an exit code; never a traceback."""

import pathlib
import re
import subprocess
from dataclasses import dataclass

import pytest

from tests.support.command import Result, run
from tests.support.processes import UNDERSTUDY

SERVICE = """\
name: fraud
variants:
  - {name: v1, target: "127.0.0.1:8001"}
  - {name: v2, target: "127.0.0.1:8002"}
routes:
  - name: predict
    split:
      weights: {v1: 90, v2: 10}
    mirrors:
      - {variant: v2, percent: 100}
"""
ROLLOUT = """\
kind: Rollout
service: fraud
candidate: v2
progressive:
  stages:
    - {name: shadow, mirror_percent: 100, bake: 1h, require: ["match_rate >= 95%"]}
    - {name: full, percent: 100}
on_fail: rollback
"""
SIDECAR_TAIL = """\
engine: grpc-aio
drain_timeout: 10s
"""
CONTROL = """\
kind: Control
listen: 127.0.0.1:0
http: 127.0.0.1:0
store: sqlite:///understudy.db
"""


@dataclass(frozen=True)
class Mistake:
    """Text of a sound file, what a user makes of it, and the lines that this costs: `line: field: text`."""

    what: str
    sound: str
    mistaken: str
    problems: tuple[str, ...]


def one(what: str, sound: str, mistaken: str, *problems: str) -> Mistake:
    return Mistake(what, sound, mistaken, problems)


WEIGHTS = "{v1: 90, v2: 10}"
IN_SERVICE = [
    one("unknown field", "    split:", "    spilt:", "spilt: is not a field here; did you mean 'split'?",
    ),
    one("negative weight", WEIGHTS, "{v1: -90, v2: 10}", "split.weights.v1: must not be below 0, got -90"),
    one("NaN weight", WEIGHTS, "{v1: .nan, v2: 10}", "split.weights.v1: must be a finite number, got .nan"),
    one("endless weight", WEIGHTS, "{v1: .inf, v2: 10}", "split.weights.v1: must be a finite number"),
    one("weight too large", WEIGHTS, "{v1: 1e999, v2: 10}", "split.weights.v1: must be a finite number"),
    one("all weights zero", WEIGHTS, "{v1: 0, v2: 0}", "split.weights: must not all be 0"),
    one("no weights", WEIGHTS, "{}", "split.weights: is required"),
    one("weight of a stranger", WEIGHTS, "{v1: 90, v3: 10}",
        "split.weights.v3: no variant is called 'v3'; there are: v1, v2"),
    one("weight is text", WEIGHTS, "{v1: most, v2: 10}", "split.weights.v1: must be a number"),
    one("several at once", WEIGHTS, "{v1: -1, v3: 10}", "split.weights.v1: must not be below 0",
        "split.weights.v3: no variant is called 'v3'"),
    one("weight given twice", WEIGHTS, "{v1: 90, v1: 10}",
        "split.weights.v1: this key is there already; keep one of them"),
    one("weight is null", WEIGHTS, "{v1: , v2: 10}", "split.weights.v1: must be a number, got null"),
    one("mirror onto the only variant", WEIGHTS, "{v2: 100}",
        "mirrors[0].variant: 'v2' is the only variant that serves this route"),
    one("mirror onto a stranger", "{variant: v2, p", "{variant: v3, p",
        "mirrors[0].variant: no variant is called 'v3'"),
    one("mirror without a share", ", percent: 100}", "}", "mirrors[0].percent: is required"),
    one("mirror of more than all", "percent: 100", "percent: 101",
        "mirrors[0].percent: must be from 0 to 100"),
    one("duplicate name", "{name: v2,", "{name: v1,", "variants[1].name: 'v1' is there already",
        "routes[0].split.weights.v2: no variant is called 'v2'; there are: v1, v1",
        "routes[0].mirrors[0].variant: no variant is called 'v2'; there are: v1, v1"),
    one("target does not parse", "127.0.0.1:8002", "127.0.0.1", "variants[1].target: must be host:port"),
    one("target without a port", "127.0.0.1:8002", "127.0.0.1:0", "variants[1].target: must have a port"),
    one("target of another scheme", "127.0.0.1:8002", "http://a:1",
        "variants[1].target: scheme 'http' is not"),
    one("null", "name: predict", "name:", "routes[0].name: must be a text, got null"),
    one("number for a text", "name: fraud", "name: 12", "name: must be a text, got the number 12"),
    one("name with capitals", "name: fraud", "name: Fraud", "name: must be up to 63 lower-case letters"),
    one("list for a mapping", "    split:\n      weights: {v1: 90, v2: 10}\n", "    split: []\n",
        "split: must be a mapping, got a list"),
]  # fmt: skip
ROUTE_FIELDS = ("split", "mirrors[", "spilt")


def at(problem: str) -> str:
    """Most of them are in the one route."""
    return f"routes[0].{problem}" if problem.startswith(ROUTE_FIELDS) else problem


IN_SIDECAR = [
    one("unknown choice", "engine: grpc-aio", "engine: grpc", "engine: must be one of grpc-aio"),
    one("unknown field", "drain_timeout", "drain_time", "drain_time: is not a field here"),
    one("duration without a unit", "drain_timeout: 10s", "drain_timeout: 10",
        "drain_timeout: must be a duration such as 250ms, 2s, 5m or 1h, got the number 10"),
    one("duration of zero", "drain_timeout: 10s", "drain_timeout: 0s",
        "drain_timeout: must be longer than 0s"),
    one("null", "engine: grpc-aio", "engine: ~", "engine: must be a text, got null"),
    one("duplicate key", "engine: grpc-aio", "engine: grpc-aio\nengine: grpc-aio",
        "engine: this key is there already"),
    one("address that does not parse", "engine: grpc-aio", "listen: here", "listen: must be host:port"),
    one("ratio above 1", "engine: grpc-aio", "tracing: {ratio: 5}",
        "tracing.ratio: must be from 0 to 1, got 5"),
    one("subscription without a control", "engine: grpc-aio", "subscribe: fraud", "control: is required"),
]  # fmt: skip

IN_ROLLOUT = [
    one("unknown criterion", "match_rate >= 95%", "beauty >= 95%", "progressive.stages[0].require[0]: "),
    one("criterion without a bound", "match_rate >= 95%", "match_rate", "progressive.stages[0].require[0]: "),
    one("bake of zero", "bake: 1h", "bake: 0s", "progressive.stages[0].bake: "),
    one("bake below zero", "bake: 1h", "bake: -1h", "progressive.stages[0].bake: "),
    one("bake without a unit", "bake: 1h", "bake: 60", "progressive.stages[0].bake: must be a duration"),
    one("unknown choice", "on_fail: rollback", "on_fail: panic", "on_fail: must be one of rollback, pause"),
    one("percent above 100", "mirror_percent: 100", "mirror_percent: 500",
        "progressive.stages[0].mirror_percent: must be from 0 to 100"),
    one("two strategies", "on_fail: rollback", "canary: {}", "canary: cannot stand beside 'progressive'"),
    one("no candidate", "candidate: v2\n", "", "candidate: is required"),
]  # fmt: skip

WHOLE = [
    ("does not parse", b"kind: Sidecar\nservice: {name: [\n", r":\d+: does not parse: "),
    ("a tab", b"kind: Sidecar\n\tlisten: x\n", r":2: does not parse: "),
    ("empty", b"", r": must be a mapping that begins with kind: "),
    ("a list", b"- kind: Sidecar\n", r": must be a mapping that begins with kind: "),
    ("no kind", b"listen: 127.0.0.1:0\n", r":1: kind: is required"),
    ("unknown kind", b"kind: Sidecart\n", r":1: kind: must be .*, got 'Sidecart'"),
    ("not UTF-8", b"kind: Sidecar\nnode: \xff\xfe\n", r": is not UTF-8 text"),
    ("two documents", b"kind: Sidecar\n---\nkind: Sidecar\n", r":\d+: does not parse: "),
    ("endless alias", b"kind: Sidecar\nservice: &a {stable: *a}\n", r": does not parse: is nested deeper"),
]


def by_name(mistake: Mistake) -> str:
    return mistake.what


def lines_of(file: pathlib.Path, output: str, problems: tuple[str, ...]) -> None:
    """One line for each problem, with file and line number, and nothing else."""
    lines = output.splitlines()
    assert len(lines) == len(problems), output
    for problem in problems:
        pattern = re.escape(str(file)) + r":\d+: " + re.escape(problem)
        assert any(re.match(pattern, line) for line in lines), (problem, output)
    assert "Traceback" not in output


def write(directory: pathlib.Path, sound: str, mistake: Mistake) -> pathlib.Path:
    assert mistake.sound in sound
    file = directory / "mistaken.yaml"
    file.write_text(sound.replace(mistake.sound, mistake.mistaken, 1))
    return file


def in_a_sidecar(service: str) -> str:
    block = "".join(f"  {line}\n" for line in service.splitlines())
    return f"kind: Sidecar\nservice:\n{block}{SIDECAR_TAIL}"


@pytest.mark.parametrize("mistake", IN_SERVICE, ids=by_name)
def test_a_mistake_in_a_sidecars_service(tmp_path: pathlib.Path, mistake: Mistake) -> None:
    file = tmp_path / "mistaken.yaml"
    assert mistake.sound in SERVICE
    file.write_text(in_a_sidecar(SERVICE.replace(mistake.sound, mistake.mistaken, 1)))

    result = run("proxy", "--config", str(file))

    assert (result.exit_code, result.out) == (2, "")
    lines_of(file, result.err, tuple(f"service.{at(problem)}" for problem in mistake.problems))


@pytest.mark.parametrize("mistake", IN_SERVICE, ids=by_name)
def test_a_mistake_in_a_service(tmp_path: pathlib.Path, mistake: Mistake) -> None:
    file = write(tmp_path, f"kind: Service\n{SERVICE}", mistake)

    linted, applied = run("lint", "-f", str(file)), run("service", "apply", "-f", str(file))

    assert (linted.exit_code, linted.err) == (2, "")
    assert (applied.exit_code, applied.out) == (2, "")
    for output in (linted.out, applied.err):
        lines_of(file, output, tuple(map(at, mistake.problems)))


@pytest.mark.parametrize("mistake", IN_SIDECAR, ids=by_name)
def test_a_mistake_in_a_sidecar(tmp_path: pathlib.Path, mistake: Mistake) -> None:
    file = write(tmp_path, in_a_sidecar(SERVICE), mistake)

    started, linted = run("proxy", "--config", str(file)), run("lint", "-f", str(file))

    assert (started.exit_code, started.out) == (2, "")
    assert (linted.exit_code, linted.err) == (2, "")
    lines_of(file, started.err, mistake.problems)
    lines_of(file, linted.out, mistake.problems)


@pytest.mark.parametrize("mistake", IN_ROLLOUT, ids=by_name)
def test_a_mistake_in_a_rollout(tmp_path: pathlib.Path, mistake: Mistake) -> None:
    file = write(tmp_path, ROLLOUT, mistake)

    linted = run("lint", "-f", str(file))

    assert (linted.exit_code, linted.err) == (2, "")
    lines_of(file, linted.out, mistake.problems)


COMMANDS = [
    ("proxy", "--config"),
    ("control", "--config"),
    ("service", "apply", "-f"),
    ("rollout", "start", "-f"),
    ("lint", "-f"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("what", "content", "pattern"), WHOLE, ids=[one[0] for one in WHOLE])
def test_a_file_that_is_none(
    tmp_path: pathlib.Path, command: tuple[str, ...], what: str, content: bytes, pattern: str
) -> None:
    del what
    file = tmp_path / "mistaken.yaml"
    file.write_bytes(content)

    result = run(*command, str(file))

    assert result.exit_code == 2
    (line,) = said(result).splitlines()
    assert re.match(re.escape(str(file)) + pattern, line), line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_file_that_is_not_there(tmp_path: pathlib.Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "nowhere.yaml"

    result = run(*command, str(file))

    assert result.exit_code == 2
    assert said(result) == f"{file}: cannot be read: No such file or directory\n"


def said(result: Result) -> str:
    """Everything that a user reads: lint says its findings on standard output."""
    assert "Traceback" not in result.out + result.err
    return result.err or result.out


@pytest.mark.parametrize(
    "command",
    [("service", "list"), ("sidecars",), ("rollout", "list"), ("switch", "fraud"), ("rollback", "fraud")],
    ids=" ".join,
)
def test_a_control_service_that_is_not_there(command: tuple[str, ...]) -> None:
    result = run(*command, "--control", "127.0.0.1:1")

    assert (result.exit_code, result.out) == (1, "")
    assert result.err.startswith("understudy: no control service at 127.0.0.1:1 (connection refused)")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("proxy",), ("proxy", "--config"), ("proxy", "--nonsense"), ("nonsense",), ("drain", "--admin", "x")],
    ids=" ".join,
)
def test_a_command_that_is_misused(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.err


def test_a_flag_is_checked_as_the_file_is(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text(in_a_sidecar(SERVICE))

    result = run("proxy", "--config", str(file), "--listen", "nowhere")

    assert (result.exit_code, result.out) == (2, "")
    lines_of(file, result.err, ("listen: must be host:port, got 'nowhere'",))


def test_it_is_the_same_from_a_shell(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text(in_a_sidecar(SERVICE).replace("v1: 90", "v1: -90"))

    ended = subprocess.run(
        [UNDERSTUDY, "proxy", "--config", str(file)], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    lines_of(file, ended.stderr, ("service.routes[0].split.weights.v1: must not be below 0, got -90",))
