"""A file read into the message of its kind."""

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from ruamel.yaml.nodes import MappingNode, ScalarNode

from understudy.checks import Violation
from understudy.loading.nodes import MAX_BYTES, NotYaml, compose
from understudy.loading.reader import Reader
from understudy.v1 import control_pb2, rollout_pb2, service_pb2, sidecar_pb2

KINDS: dict[str, type[Message]] = {
    "Sidecar": sidecar_pb2.Sidecar,
    "Control": control_pb2.Control,
    "Service": service_pb2.Service,
    "Rollout": rollout_pb2.Rollout,
}


class InvalidFile(Exception):
    """A file that cannot be used; `problems` has one line for each thing that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's message, and the line of each field that it set."""

    path: pathlib.Path
    kind: str
    message: Any
    lines: dict[str, int] = field(default_factory=dict)

    def problems(self, violations: Sequence[Violation]) -> list[str]:
        """Violations of the message as lines that name the file, the line and the field."""
        return [f"{self.path}:{self._line(found.field)}: {_one_line(str(found))}" for found in violations]

    def _line(self, path: str) -> int:
        """The line of a field, or of the nearest thing around it that the file has."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 1


def load_document(path: pathlib.Path, *kinds: str) -> Document:
    """Read a file of one of `kinds` (default: any); its rules are not checked yet."""
    root = _parse(path)
    kind = _kind(path, root, kinds or tuple(KINDS))
    message = KINDS[kind]()
    reader = Reader()
    reader.read_message(root, message, "", skip="kind")
    if reader.problems:
        raise InvalidFile([f"{path}:{line}: {_one_line(text)}" for line, text in sorted(reader.problems)])
    return Document(path, kind, message, reader.lines)


def load_file(path: pathlib.Path, *kinds: str) -> Any:
    """The message of a file of one of `kinds`; its rules are not checked yet."""
    return load_document(path, *kinds).message


def load_checked(path: pathlib.Path, kind: str, check: Callable[[Any], Sequence[Violation]]) -> Any:
    """The message of a file that keeps its rules."""
    document = load_document(path, kind)
    if violations := check(document.message):
        raise InvalidFile(document.problems(violations))
    return document.message


def _parse(path: pathlib.Path) -> MappingNode:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidFile([f"{path}: cannot be read: {error.strerror or error}"]) from None
    if len(data) > MAX_BYTES:
        raise InvalidFile([f"{path}: is larger than {MAX_BYTES // 1024} KiB"])
    try:
        root = compose(data.decode())
    except UnicodeDecodeError:
        raise InvalidFile([f"{path}: is not UTF-8 text"]) from None
    except NotYaml as error:
        where = f"{path}:{error.line}" if error.line else f"{path}"
        raise InvalidFile([f"{where}: does not parse: {_one_line(str(error))}"]) from None
    if not isinstance(root, MappingNode):
        raise InvalidFile([f"{path}: must be a mapping that begins with kind: {' | '.join(KINDS)}"])
    return root


def _kind(path: pathlib.Path, root: MappingNode, kinds: Sequence[str]) -> str:
    wanted = " or ".join(kinds)
    for key, value in root.value:
        if isinstance(key, ScalarNode) and key.value == "kind":
            if isinstance(value, ScalarNode) and value.value in kinds:
                return str(value.value)
            got = repr(value.value) if isinstance(value, ScalarNode) else "something else"
            raise InvalidFile([f"{path}:{value.start_mark.line + 1}: kind: must be {wanted}, got {got}"])
    raise InvalidFile([f"{path}:1: kind: is required: {wanted}"])


def _one_line(text: str) -> str:
    """What a file's own words (a key, say) must not do to the lines of its problems."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
