"""The rules of a comparison."""

from understudy.checks.names import check_unique
from understudy.checks.numbers import check_range
from understudy.checks.violation import Violation, join
from understudy.v1 import service_pb2

INFINITY = float("inf")
MAX_DECIMALS = 15  # a double holds no more

Rule = service_pb2.Compare | service_pb2.CompareOutput


def check_compare(compare: service_pb2.Compare, path: str) -> list[Violation]:
    """Everything that is wrong with a comparison."""
    violations = _check_rule(compare, path)
    for field in ("outputs", "ignore_outputs", "ignore_parameters"):
        violations += check_unique(list(getattr(compare, field)), join(path, field))
    for index, name in enumerate(compare.ignore_outputs):
        if name in compare.outputs:
            text = f"{name!r} is one of the outputs to compare"
            violations.append(Violation(join(path, f"ignore_outputs[{index}]"), text))
    for index, output in enumerate(compare.per_output):
        violations += _check_output(output, compare, join(path, f"per_output[{index}]"))
    names = [output.name for output in compare.per_output]
    violations += check_unique(names, join(path, "per_output"), "name")
    return violations + check_range(compare.sample_percent, 0, 100, join(path, "sample_percent"))


def _check_output(
    output: service_pb2.CompareOutput, compare: service_pb2.Compare, path: str
) -> list[Violation]:
    violations = _check_rule(output, path)
    name = join(path, "name")
    if not output.name:
        violations.append(Violation(name, "is required: the output's name"))
    elif output.name in compare.ignore_outputs:
        violations.append(Violation(name, f"{output.name!r} is ignored"))
    elif compare.outputs and output.name not in compare.outputs:
        violations.append(Violation(name, f"{output.name!r} is not one of the outputs to compare"))
    return violations


def _check_rule(rule: Rule, path: str) -> list[Violation]:
    violations = check_range(rule.absolute, 0, INFINITY, join(path, "absolute"))
    violations += check_range(rule.relative, 0, INFINITY, join(path, "relative"))
    if rule.decimals > MAX_DECIMALS:
        text = f"must be from 0 to {MAX_DECIMALS}, got {rule.decimals}"
        violations.append(Violation(join(path, "decimals"), text))
    asked = ["absolute or relative"] if rule.absolute or rule.relative else []
    asked += [field for field in ("arg_max", "top_k") if getattr(rule, field)]
    asked += ["decimals"] if rule.HasField("decimals") else []
    if len(asked) > 1:
        violations.append(Violation(path, f"must have only one of {', '.join(asked)}"))
    return violations
