"""Nodes to a message, led by the message's descriptor.

Strict: an unknown or duplicate key, a null, a wrong type or a number that is not finite is a problem, with
its line and the path of its field. All problems of a file are found in one go.
"""

import difflib
import math
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from understudy.checks import join
from understudy.loading.nodes import kind_of, line, scalar
from understudy.loading.units import parse_bytes, parse_duration, parse_percent
from understudy.v1 import units_pb2

MAX_NODES = 50_000
"""Nodes read from one file, counting an alias each time it is used."""

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


class Reader:
    """Reads one file's nodes into messages; collects problems and remembers where each field stood."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, str]] = []
        self.lines: dict[str, int] = {}
        self._budget = MAX_NODES

    def read_message(self, node: MappingNode, message: Message, path: str, skip: str = "") -> None:
        """Fill `message` from a mapping; the key `skip` is the caller's own business."""
        fields: Any = message.DESCRIPTOR.fields_by_name
        chosen: dict[str, str] = {}
        for key, value in self._entries(node, path):
            where = join(path, key or "''")
            if key == skip and not path:
                continue
            field = fields.get(key)
            if field is None:
                self._problem(value, where, _unknown(key, message.DESCRIPTOR, skip))
                continue
            group = field.containing_oneof
            if group is not None and not _is_synthetic(group.name):
                if group.name in chosen:
                    self._problem(value, where, f"cannot stand beside {chosen[group.name]!r}")
                chosen[group.name] = key
            self._read_field(value, message, field, where)

    def _entries(self, node: MappingNode, path: str) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else kind_of(key_node)
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, join(path, key), "a key must be a plain word")
            elif key in seen:
                self._problem(key_node, join(path, key), "this key is there already; keep one of them")
            elif self._spend(value):
                seen.add(key)
                self.lines[join(path, key)] = line(key_node)
                yield key, value

    def _read_field(self, node: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        if isinstance(node, ScalarNode) and scalar(node) is None:
            self._problem(node, path, f"must be {_wanted(field)}, got null; leave it out for the default")
        elif _is_map(field):
            self._read_map(node, getattr(message, field.name), field, path)
        elif field.is_repeated:
            self._read_list(node, getattr(message, field.name), field, path)
        elif field.message_type is None:
            self._read_scalar(node, field, path, lambda value: setattr(message, field.name, value))
        elif field.message_type.full_name == Duration.DESCRIPTOR.full_name:
            self._read_duration(node, getattr(message, field.name), path)
        else:
            self._read_nested(node, getattr(message, field.name), path)

    def _read_nested(self, node: Node, message: Message, path: str) -> None:
        if not isinstance(node, MappingNode):
            self._problem(node, path, f"must be a mapping, got {kind_of(node)}")
            return
        message.SetInParent()
        self.read_message(node, message, path)

    def _read_list(self, node: Node, values: Any, field: FieldDescriptor, path: str) -> None:
        if not isinstance(node, SequenceNode):
            self._problem(node, path, f"must be a list, got {kind_of(node)}")
            return
        for index, item in enumerate(node.value):
            where = f"{path}[{index}]"
            if not self._spend(item):
                return
            self.lines[where] = line(item)
            if field.message_type is None:
                self._read_scalar(item, field, where, values.append)
            else:
                self._read_nested(item, values.add(), where)

    def _read_map(self, node: Node, values: Any, field: FieldDescriptor, path: str) -> None:
        if not isinstance(node, MappingNode):
            self._problem(node, path, f"must be a mapping, got {kind_of(node)}")
            return
        assert field.message_type is not None  # a map is a repeated entry message  # noqa: S101
        value_field = field.message_type.fields_by_name["value"]
        for key, value in self._entries(node, path):

            def keep(read: Any, key: str = key) -> None:
                values[_encodable(key)] = read

            self._read_scalar(value, value_field, join(path, key), keep)

    def _read_duration(self, node: Node, duration: Duration, path: str) -> None:
        value = scalar(node) if isinstance(node, ScalarNode) else None
        if not isinstance(value, str):
            self._problem(node, path, f"must be a duration such as 250ms, 2s, 5m or 1h, got {kind_of(node)}")
            return
        try:
            duration.FromMicroseconds(round(parse_duration(value) * 1e6))
        except ValueError as error:
            self._problem(node, path, str(error))

    def _read_scalar(
        self, node: Node, field: FieldDescriptor, path: str, keep: Callable[[Any], object]
    ) -> None:
        try:
            keep(_convert(node, field))
        except ValueError as error:
            self._problem(node, path, str(error))

    def _spend(self, node: Node) -> bool:
        self._budget -= 1
        if self._budget == 0:
            self._problem(node, "", f"holds more than {MAX_NODES} values, aliases counted at each use")
        return self._budget > 0

    def _problem(self, node: Node, path: str, description: str) -> None:
        self.problems.append((line(node), f"{path}: {description}" if path else description))


def _convert(node: Node, field: FieldDescriptor) -> Any:
    """A scalar node as the field's own type; a ValueError says what would be right."""
    value = scalar(node) if isinstance(node, ScalarNode) else None
    unit = field.GetOptions().Extensions[units_pb2.unit]
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and isinstance(value, str):
        return _encodable(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and isinstance(value, bool):
        return value
    if field.cpp_type in _INTEGERS:
        if unit == units_pb2.UNIT_BYTES and isinstance(value, str):
            value = parse_bytes(value)
        low, high = _INTEGERS[field.cpp_type]
        if isinstance(value, int) and not isinstance(value, bool):
            if low <= value <= high:
                return value
            raise ValueError(f"must be from {low} to {high}, got {value}")
    if field.cpp_type in _FLOATS:
        return _convert_float(node, value, unit, field)
    hint = (
        "; write it in quotes"
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and value is not None
        else ""
    )
    raise ValueError(f"must be {_wanted_scalar(field)}, got {kind_of(node)}{hint}")


def _encodable(text: str) -> str:
    """Text with the surrogate pairs that JSON escapes consist of put together."""
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise ValueError("must be Unicode text, without half a surrogate pair") from None


def _convert_float(node: Node, value: Any, unit: int, field: FieldDescriptor) -> float:
    if isinstance(value, str) and unit in (units_pb2.UNIT_PERCENT, units_pb2.UNIT_RATIO):
        percent = parse_percent(value)
        return percent if unit == units_pb2.UNIT_PERCENT else percent / 100
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be {_wanted_scalar(field)}, got {kind_of(node)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number, got {kind_of(node).removeprefix('the number ')}")
    return number


def _wanted(field: FieldDescriptor) -> str:
    if _is_map(field):
        return "a mapping"
    if field.is_repeated:
        return "a list"
    if field.message_type is not None:
        is_duration = field.message_type.full_name == Duration.DESCRIPTOR.full_name
        return "a duration such as 250ms, 2s, 5m or 1h" if is_duration else "a mapping"
    return _wanted_scalar(field)


def _wanted_scalar(field: FieldDescriptor) -> str:
    """What one value must be, also where it is an item of a list."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "a text"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true or false"
    return "a number" if field.cpp_type in _FLOATS else "a whole number"


def _unknown(key: str, descriptor: Any, skip: str) -> str:
    known = [*descriptor.fields_by_name, *([skip] if skip else [])]
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
    return f"is not a field here; {hint}"


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _is_synthetic(name: str) -> bool:
    """proto3 `optional` makes a oneof of its own around the field."""
    return name.startswith("_")
