"""Which calls a route fits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Metadata = Sequence[tuple[str, str | bytes]]
"""A call's metadata in order: lower-case keys, bytes for `-bin` keys and text for all others."""


def values(metadata: Metadata, key: str) -> list[str]:
    """Every text value of a key, in order."""
    return [value for name, value in metadata if name == key and isinstance(value, str)]


@dataclass(frozen=True, slots=True)
class HeaderTest:
    """A condition on one metadata key: a pattern that any one value fits whole, or its presence."""

    key: str
    pattern: re.Pattern[str] | None
    present: bool = True

    def fits(self, metadata: Metadata) -> bool:
        """Whether it holds of this call."""
        found = values(metadata, self.key)
        if self.pattern is None:
            return bool(found) is self.present
        return any(self.pattern.fullmatch(value) for value in found)


@dataclass(frozen=True, slots=True)
class Patterns:
    """Names, whole or by their beginning; any one must fit."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]

    def fit(self, name: str) -> bool:
        """Whether the name is one of them."""
        return name in self.exact or name.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions that must all hold; no methods at all means every method; so does no models."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    headers: tuple[HeaderTest, ...] = ()
    models: Patterns | None = None

    def may_fit(self, method: str, metadata: Metadata) -> bool:
        """Whether they hold of this call, whichever its model."""
        if (
            (self.exact or self.prefixes)
            and method not in self.exact
            and not method.startswith(self.prefixes)
        ):
            return False
        return all(test.fits(metadata) for test in self.headers)

    def fits(self, method: str, metadata: Metadata, model: str | None = None) -> bool:
        """Whether they hold of this call; `model` is None where its message names none."""
        if not self.may_fit(method, metadata):
            return False
        return self.models is None or (model is not None and self.models.fit(model))


class _Matching(Protocol):
    @property
    def match(self) -> Match: ...


R = TypeVar("R", bound=_Matching)


def first_fit(routes: Sequence[R], rest: R, method: str, metadata: Metadata, model: str | None = None) -> R:
    """The first route whose match fits the call, else `rest`."""
    for route in routes:
        if route.match.fits(method, metadata, model):
            return route
    return rest
