"""Text to YAML 1.2 nodes, with their lines, and nodes to plain scalars."""

import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

MAX_BYTES = 1024 * 1024
"""A configuration file larger than this is a mistake."""

MAX_DEPTH = 64
_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {
    _TAG + name
    for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "value", "merge")
}
"""YAML 1.2's core, and three that ruamel finds by itself and that are plain text in YAML 1.2."""
_INTEGER = re.compile(r"[+-]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")

Scalar = str | int | float | bool | None


class NotYaml(Exception):
    """The text does not parse; `line` counts from 1, or is 0 where it is not known."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class _ShallowScanner(Scanner):
    """Refuses depth where it begins: ruamel's time over brackets grows with the square of their depth."""

    def fetch_flow_collection_start(self, token: Any, to_push: str) -> None:
        if self.flow_level >= MAX_DEPTH:
            raise NotYaml(f"is nested deeper than {MAX_DEPTH} levels", int(self.reader.line) + 1)
        super().fetch_flow_collection_start(token, to_push)


def compose(text: str) -> Node | None:
    """The node tree of one YAML 1.2 document (JSON is a subset)."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _ShallowScanner
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)
            root = yaml.compose(text)
    except ReusedAnchorWarning:
        raise NotYaml("an anchor (&name) is there twice, which an alias cannot tell apart") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(str(error.problem or error.context), mark.line + 1 if mark else 0) from None
    except ReaderError as error:
        raise NotYaml(f"holds a character that YAML does not allow: {error.reason}") from None
    except (YAMLError, ValueError, AttributeError, RecursionError) as error:
        raise NotYaml(f"{type(error).__name__}: nested too deeply, or not YAML") from None
    if root is not None:
        _check(root)
    return root  # type: ignore[no-any-return]  # ruamel leaves compose untyped


def line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def kind_of(node: Node) -> str:
    """What a node is, in words."""
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
        case ScalarNode():
            value = scalar(node)
            return _scalar_kind(value, node.value)
        case _:
            return "something else"


def _scalar_kind(value: Scalar, text: str) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"the truth value {text}"
        case int() | float():
            return f"the number {text}"
        case str():
            return f"the text {text!r}"


def scalar(node: ScalarNode) -> Scalar:
    """A scalar's value by YAML 1.2's core schema; text where it is quoted or nothing else."""
    tag = str(node.tag).removeprefix(_TAG)
    text = str(node.value)
    if tag == "null":
        return None
    if tag == "bool":
        return _truth(text)
    if tag == "int":
        return _integer(text)
    if tag == "float":
        return _float(text)
    return text


def _truth(text: str) -> Scalar:
    """Text where only YAML 1.1 would see a truth value: `yes`, `off`."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            return text


def _integer(text: str) -> Scalar:
    if _INTEGER.fullmatch(text) is None:
        return text  # 1_000 and 0b11 are numbers in YAML 1.1 only
    try:
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    except ValueError:  # more digits than int() takes
        return text


def _float(text: str) -> Scalar:
    if text.lower().endswith(".nan"):
        return math.nan
    if text.lower().endswith(".inf"):
        return -math.inf if text.startswith("-") else math.inf
    return float(text) if _NUMBER.fullmatch(text) else text


def _check(root: Node) -> None:
    """Refuse what is nested too deeply (aliases can make it endless), and tags of the user's own."""
    for depth, level in enumerate(_levels(root)):
        if depth == MAX_DEPTH:
            raise NotYaml(f"is nested deeper than {MAX_DEPTH} levels")
        for node in level:
            if node.tag not in _KNOWN_TAGS:
                raise NotYaml(f"tag {str(node.tag)!r} is not understood; leave it out", line(node))
            _place_empty_values(node)


def _place_empty_values(node: Node) -> None:
    """A value that is not there, which ruamel puts on the next line that is, stands where its key does."""
    for key, value in node.value if isinstance(node, MappingNode) else ():
        if isinstance(value, ScalarNode) and value.value == "":
            value.start_mark = key.start_mark


def _levels(root: Node) -> Iterator[list[Node]]:
    """The nodes by their depth, one that aliases repeat once per depth."""
    level = [root]
    while level:
        yield level
        level = list({id(child): child for node in level for child in _children(node)}.values())


def _children(node: Node) -> list[Node]:
    match node:
        case MappingNode():
            return [part for pair in node.value for part in pair]
        case SequenceNode():
            return list(node.value)
        case _:
            return []
