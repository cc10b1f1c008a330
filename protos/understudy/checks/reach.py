"""Routes that no call can ever reach: an earlier route takes every call that they would fit.

Said only where it is certain. Two regular expressions, or two routes that cover a third between them, are
not held against each other.
"""

import re
from collections.abc import Iterable, Sequence

from understudy.checks.violation import Violation, join
from understudy.v1 import service_pb2


def unreachable_routes(service: service_pb2.Service, path: str = "") -> list[Violation]:
    """A warning for each route that an earlier one covers; `path` as in `check_service`."""
    warnings = []
    for index, route in enumerate(service.routes):
        earlier = next((each for each in service.routes[:index] if covers(each.match, route.match)), None)
        if earlier is not None:
            text = f"is never reached: route {earlier.name!r} above it takes every call that it fits"
            warnings.append(Violation(join(path, f"routes[{index}]"), text))
    return warnings


def covers(wide: service_pb2.Match, narrow: service_pb2.Match) -> bool:
    """Whether every call that `narrow` fits is surely fitted by `wide`."""
    return (
        _patterns_cover(wide.methods, narrow.methods)
        and _patterns_cover(wide.models, narrow.models)
        and all(any(_implies(given, test) for given in narrow.headers) for test in wide.headers)
    )


def _patterns_cover(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """Every pattern of `narrow` lies within one of `wide`; no patterns at all mean everything."""
    return not wide or all(_is_within(pattern, wide) for pattern in narrow or ["*"])


def _is_within(pattern: str, wide: Iterable[str]) -> bool:
    text = pattern.removesuffix("*")
    return any(text.startswith(each[:-1]) if each.endswith("*") else each == pattern for each in wide)


def _implies(given: service_pb2.HeaderMatch, test: service_pb2.HeaderMatch) -> bool:
    """Whether a call that `given` holds of surely passes `test`."""
    kind = given.WhichOneof("test")
    implied = False
    match test.WhichOneof("test"):
        case "present":
            implied = (kind != "present" or given.present) is test.present
        case "prefix" if kind in ("exact", "prefix"):
            implied = getattr(given, kind).startswith(test.prefix)
        case "exact" if kind == "exact":
            implied = given.exact == test.exact
        case "regex" if kind == "exact":
            implied = re.fullmatch(test.regex, given.exact) is not None
        case "regex" if kind == "regex":
            implied = given.regex == test.regex
        case _:
            pass
    return implied and given.name.lower() == test.name.lower()
