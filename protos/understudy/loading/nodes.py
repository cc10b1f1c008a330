"""Text to YAML 1.2 nodes, with their lines, and nodes to plain scalars."""

import math
import re

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

MAX_BYTES = 1024 * 1024
"""A configuration file larger than this is a mistake."""

MAX_DEPTH = 64
_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")

Scalar = str | int | float | bool | None


class NotYaml(Exception):
    """The text does not parse; `line` counts from 1, or is 0 where it is not known."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def compose(text: str) -> Node | None:
    """The node tree of one YAML 1.2 document (JSON is a subset)."""
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(str(error.problem or error.context), mark.line + 1 if mark else 0) from None
    except ReaderError as error:
        raise NotYaml(f"holds a character that YAML does not allow: {error.reason}") from None
    except (YAMLError, ValueError, AttributeError, RecursionError) as error:
        raise NotYaml(f"{type(error).__name__}: nested too deeply, or not YAML") from None
    if root is not None and _is_too_deep(root):
        raise NotYaml(f"is nested deeper than {MAX_DEPTH} levels")
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
        return text.lower() == "true"
    if tag == "int":
        return _integer(text)
    if tag == "float":
        return _float(text)
    return text


def _integer(text: str) -> Scalar:
    try:
        return int(text, 0) if text[:2].lower() in ("0x", "0o") else int(text)
    except ValueError:
        return text


def _float(text: str) -> Scalar:
    if text.lower().endswith(".nan"):
        return math.nan
    if text.lower().endswith(".inf"):
        return -math.inf if text.startswith("-") else math.inf
    return float(text) if _NUMBER.fullmatch(text) else text


def _is_too_deep(root: Node) -> bool:
    """Also true of a tree that aliases make endless."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = list({id(child): child for node in level for child in _children(node)}.values())
        if not level:
            return False
    return True


def _children(node: Node) -> list[Node]:
    match node:
        case MappingNode():
            return [part for pair in node.value for part in pair]
        case SequenceNode():
            return list(node.value)
        case _:
            return []
