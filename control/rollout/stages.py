"""The rules of a stage, by itself and beside the others of its rollout."""

from collections.abc import Sequence

from understudy.checks import Violation, join
from understudy.checks.names import check_name
from understudy.checks.numbers import check_range

from control.rollout.criteria import BadCriterion, Criterion, Metric, parse_criterion
from control.rollout.drafts import Draft
from control.rollout.model import Kind


def check_drafts(drafts: Sequence[Draft]) -> list[Violation]:
    """Everything that is wrong with a rollout's stages."""
    violations = []
    for index, draft in enumerate(drafts):
        violations += _check_draft(draft, drafts[index - 1].percent if index else 0.0)
    violations += _check_names(drafts)
    # The stages of one canary share their fields, and with them what is wrong.
    return list(dict.fromkeys(violations))


def _check_draft(draft: Draft, before: float) -> list[Violation]:
    """A stage by itself, and beside the share of the one before it."""
    at_percent, at_mirror = join(draft.path, "percent"), join(draft.path, "mirror_percent")
    violations = check_range(draft.percent, 0, 100, at_percent)
    violations += check_range(draft.mirror_percent, 0, 100, at_mirror)
    if violations:
        return violations
    violations += check_name(draft.name, join(draft.path, "name"))
    if draft.percent < before:
        text = f"must not be below the stage before it ({before:g}), got {draft.percent:g}"
        violations.append(Violation(at_percent, text))
    if draft.kind is Kind.FULL and draft.mirror_percent:
        violations.append(Violation(at_mirror, "must be 0 at percent 100: nobody is left to copy"))
    if not draft.may_idle and draft.percent == 0 and draft.mirror_percent == 0:
        text = "must be above 0 (or mirror_percent): a stage without calls to the candidate proves nothing"
        violations.append(Violation(at_percent, text))
    if draft.max_bake is not None and 0 < draft.max_bake < draft.bake:
        text = f"must not be shorter than bake ({draft.bake:g}s), got {draft.max_bake:g}s"
        violations.append(Violation(join(draft.path, "max_bake"), text))
    for index, sentence in enumerate(draft.require):
        violations += _check_sentence(draft, sentence, join(draft.path, f"require[{index}]"))
    return violations


def _check_sentence(draft: Draft, sentence: str, path: str) -> list[Violation]:
    try:
        criterion = parse_criterion(sentence)
    except BadCriterion as error:
        return [Violation(path, f"{error} in {sentence!r}")]
    problem = _misplaced(criterion, draft)
    return [Violation(path, f"{problem}, got {sentence!r}")] if problem else []


def _misplaced(criterion: Criterion, draft: Draft) -> str:
    """Why a stage can never gain evidence for a criterion; empty where it can."""
    if criterion.metric is Metric.MATCH_RATE and draft.mirror_percent == 0:
        return "needs mirror_percent above 0: match_rate is judged on copies"
    if draft.percent == 0 and draft.mirror_percent == 0:
        return "needs percent or mirror_percent above 0: there would be no calls to judge"
    if criterion.is_relative and draft.kind is Kind.FULL:
        return "needs a bound of its own: at percent 100 stable has no traffic to compare with"
    return ""


def _check_names(drafts: Sequence[Draft]) -> list[Violation]:
    first: dict[str, str] = {}
    violations = []
    for draft in drafts:
        if draft.name in first:
            text = f"{draft.name!r} is there already, as {first[draft.name]}; name them apart"
            violations.append(Violation(join(draft.path, "name"), text))
        first.setdefault(draft.name, draft.path)
    return violations
