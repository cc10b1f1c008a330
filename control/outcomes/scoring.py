"""Whether a prediction was right, once its true label is known.

A prediction is what the caller says it was answered, or what a sidecar recorded: output names to single
values, as JSON. Numbers are equal by value (`3` and `3.0`), truth values by name, everything else as text.
"""

import json
from typing import Any

DEFAULT_OUTPUT = "label"


def is_right(label: str, predicted: str) -> bool:
    """Whether a prediction, as text, is the true label."""
    return label == predicted or _same_number(label, predicted)


def is_recorded_right(label: str, recorded: str, output: str) -> bool | None:
    """Whether a recorded prediction is the true label; None where it does not hold the output."""
    values = _values(recorded)
    if not output:
        output = next(iter(values)) if len(values) == 1 else DEFAULT_OUTPUT
    if output not in values:
        return None
    match values[output]:
        case bool() as value:
            return label.lower() == str(value).lower()
        case int() | float() as value:
            return _same_number(label, repr(value))
        case value:
            return label == str(value)


def _values(recorded: str) -> dict[str, Any]:
    try:
        values = json.loads(recorded)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _same_number(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return False
