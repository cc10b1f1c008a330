"""Names, metadata keys and method patterns."""

import re

from understudy.checks.violation import Violation

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_METADATA_KEY = re.compile(r"[0-9a-zA-Z_.-]+")
_METHOD = re.compile(r"/[^/*\s]+/[^/*\s]+")
_METHOD_PREFIX = re.compile(r"(/[^*\s]*)?\*")
_STATUS_CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE "
    "DATA_LOSS UNAUTHENTICATED"
)
STATUS_CODES: tuple[str, ...] = tuple(_STATUS_CODES.split())
"""gRPC's status codes by number."""

OWN_PREFIX = "x-understudy-"
"""Metadata keys of our own making; stripped from callers, so nothing may be matched on them."""


def check_name(value: str, path: str) -> list[Violation]:
    """A name of ours: up to 63 lower-case letters, digits, `-`, `_` and `.`, alphanumeric at both ends."""
    if not value:
        return [Violation(path, "is required")]
    if _NAME.fullmatch(value):
        return []
    rule = (
        "up to 63 lower-case letters, digits, '-', '_' or '.', beginning and ending with one of the first two"
    )
    return [Violation(path, f"must be {rule}, got {value!r}")]


def check_metadata_key(value: str, path: str) -> list[Violation]:
    """A metadata key that can be read as text."""
    key = value.lower()
    if not key:
        return [Violation(path, "is required")]
    if not _METADATA_KEY.fullmatch(value):  # before lower(): the Kelvin sign lowers to k
        return [Violation(path, f"must be letters, digits, '-', '_' or '.', got {value!r}")]
    if key.endswith("-bin"):
        return [Violation(path, f"must not be a binary key (-bin), got {value!r}")]
    if key.startswith((OWN_PREFIX, "grpc-")):
        return [Violation(path, f"must not be a key that gRPC or the sidecar sets itself, got {value!r}")]
    return []


def check_method(value: str, path: str) -> list[Violation]:
    """A full method name, or a prefix of one that ends in `*`."""
    if _METHOD.fullmatch(value) or _METHOD_PREFIX.fullmatch(value):
        return []
    rule = "must be a full method name such as /package.Service/Method, or a prefix of one ending in *"
    return [Violation(path, f"{rule}, got {value!r}")]


def check_model(value: str, path: str) -> list[Violation]:
    """A model name as model servers know it, or a prefix of one that ends in `*`."""
    if value.isprintable() and value.removesuffix("*") and "*" not in value[:-1]:
        return []
    return [Violation(path, f"must be a model name, or a prefix of one ending in *, got {value!r}")]


def check_unique(values: list[str], path: str, leaf: str = "") -> list[Violation]:
    """No value of a list stands in it twice; `leaf` is the field of each item that holds it."""
    first: dict[str, int] = {}
    violations = []
    for index, value in enumerate(values):
        if value in first:
            field = f"{path}[{index}]" + (f".{leaf}" if leaf else "")
            violations.append(Violation(field, f"{value!r} is there already, as {path}[{first[value]}]"))
        first.setdefault(value, index)
    return violations


def check_choice(value: str, choices: tuple[str, ...], path: str) -> list[Violation]:
    """A word from a list; empty stands for the default."""
    if not value or value in choices:
        return []
    return [Violation(path, f"must be one of {', '.join(choices)}, got {value!r}")]
