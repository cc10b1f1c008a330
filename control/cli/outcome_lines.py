"""Outcomes from a file of JSON lines, or of comma-separated values with a header: strictly, line by line."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from understudy.v1 import outcomes_pb2

FIELDS = ("ticket", "correct", "score", "label", "predicted", "output")
RESULTS = ("correct", "score", "label")
TRUTH = {"true": True, "1": True, "false": False, "0": False}


class BadLine(ValueError):
    """What is wrong with a line, and what would be right."""


Numbered = tuple[int, "outcomes_pb2.Outcome | BadLine"]
"""A line's number, and the outcome in it."""


def from_json_lines(lines: Iterable[str]) -> Iterator[Numbered]:
    """An object a line; empty lines are skipped."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _tried(_from_json, line)


def from_csv(lines: Iterable[str]) -> Iterator[Numbered]:
    """A header of field names, then a row an outcome; an empty cell is a field that is not there."""
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    if problem := _header_problem(header):
        yield 1, BadLine(problem)
        return
    try:
        for row in reader:
            if row:
                yield reader.line_num, _tried(_from_row, (header, row))
    except csv.Error as error:
        yield reader.line_num, BadLine(f"must be comma-separated values: {error}")


def _tried(build: Callable[[Any], outcomes_pb2.Outcome], given: Any) -> "outcomes_pb2.Outcome | BadLine":
    try:
        return build(given)
    except BadLine as problem:
        return problem


def _header_problem(header: list[str]) -> str:
    for name in header:
        if name not in FIELDS:
            return f"{name!r} must be one of {', '.join(FIELDS)}"
    if "ticket" not in header or len(set(header)) < len(header):
        return "must be a header that has ticket, and no field twice"
    return ""


def _from_json(line: str) -> outcomes_pb2.Outcome:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise BadLine(f"must be a JSON object: {error}") from None
    if not isinstance(fields, dict):
        raise BadLine("must be a JSON object")
    for name in fields:
        if name not in FIELDS:
            raise BadLine(f"{name!r} must be one of {', '.join(FIELDS)}")
    return build_outcome(fields)


def _from_row(given: tuple[list[str], list[str]]) -> outcomes_pb2.Outcome:
    header, row = given
    if len(row) != len(header):
        raise BadLine(f"must have {len(header)} fields, got {len(row)}")
    fields: dict[str, Any] = {name: cell for name, cell in zip(header, row, strict=True) if cell}
    if "correct" in fields:
        fields["correct"] = TRUTH.get(fields["correct"].lower(), fields["correct"])
    if "score" in fields:
        try:
            fields["score"] = float(fields["score"])
        except ValueError:
            raise BadLine(f"score: must be a number, got {fields['score']!r}") from None
    return build_outcome(fields)


def build_outcome(fields: Mapping[str, Any]) -> outcomes_pb2.Outcome:
    """The outcome that these fields say; BadLine where they do not fit together."""
    if not isinstance(fields.get("ticket"), str) or not fields["ticket"]:
        raise BadLine("ticket: is required, as text")
    results = [name for name in RESULTS if name in fields]
    if len(results) != 1:
        raise BadLine(f"must have one of {', '.join(RESULTS)}, got {' and '.join(results) or 'none'}")
    if results != ["label"] and ("predicted" in fields or "output" in fields):
        raise BadLine("predicted and output go with label")
    checked: dict[str, Any] = {"ticket": fields["ticket"]}
    match results[0], fields[results[0]]:
        case "correct", bool() as correct:
            checked["correct"] = correct
        case "correct", value:
            raise BadLine(f"correct: must be true or false, got {value!r}")
        case "score", (int() | float()) as score if not isinstance(score, bool) and math.isfinite(score):
            checked["score"] = float(score)
        case "score", value:
            raise BadLine(f"score: must be a finite number, got {value!r}")
        case _:
            texts = (name for name in ("label", "predicted", "output") if name in fields)
            checked |= {name: _text(name, fields[name]) for name in texts}
    return outcomes_pb2.Outcome(**checked)


def _text(name: str, value: Any) -> str:
    """A label as text, as the sidecar records it where it is a number or a truth value."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case _:
            raise BadLine(f"{name}: must be text or a number, got {value!r}")
