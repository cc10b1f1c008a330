"""The rules of a stage, by itself and beside the others of its rollout."""

from collections.abc import Collection, Sequence

from understudy.checks import Violation, join
from understudy.checks.names import check_choice, check_name
from understudy.checks.numbers import check_range

from control.rollout.criteria import Criterion, Metric, OfStable
from control.rollout.drafts import Draft
from control.rollout.model import Advance, Gate, Kind
from control.rollout.sentences import BadCriterion, parse_criterion


def check_drafts(
    drafts: Sequence[Draft], gate: Gate = Gate.SEQUENTIAL, external: Collection[str] = ()
) -> list[Violation]:
    """Everything that is wrong with a rollout's stages; `external` are the names of its own metrics."""
    violations = []
    for index, draft in enumerate(drafts):
        violations += _check_draft(draft, drafts[index - 1].percent if index else 0.0)
        for place, sentence in enumerate(draft.require):
            path = join(draft.path, f"require[{place}]")
            violations += _check_sentence(draft, sentence, path, gate, external)
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
    return violations + check_choice(draft.advance, tuple(Advance), join(draft.path, "advance"))


def _check_sentence(
    draft: Draft, sentence: str, path: str, gate: Gate, external: Collection[str]
) -> list[Violation]:
    try:
        criterion = parse_criterion(sentence, external)
    except BadCriterion as error:
        return [Violation(path, f"{error} in {sentence!r}")]
    problem = _misplaced(criterion, draft)
    if gate is Gate.SEQUENTIAL:
        problem = problem or _untestable(criterion)
    return [Violation(path, f"{problem}, got {sentence!r}")] if problem else []


def _misplaced(criterion: Criterion, draft: Draft) -> str:
    """Why a stage can never gain evidence for a criterion; empty where it can."""
    if criterion.metric is Metric.EXTERNAL:
        return ""
    if criterion.metric is Metric.MATCH_RATE and draft.mirror_percent == 0:
        return "needs mirror_percent above 0: match_rate is judged on copies"
    if draft.percent == 0 and draft.mirror_percent == 0:
        return "needs percent or mirror_percent above 0: there would be no calls to judge"
    if criterion.is_relative and draft.kind is Kind.FULL:
        return "needs a bound of its own: at percent 100 stable has no traffic to compare with"
    return ""


def _untestable(criterion: Criterion) -> str:
    """Why no sequential test can judge a criterion; empty where one can."""
    bound = criterion.bound
    if criterion.metric.is_reading:
        return (
            f"{criterion.subject} is a single reading, not events out of calls: "
            "it takes `gate: threshold`, no sequential test"
        )
    if criterion.metric is Metric.LATENCY and isinstance(bound, OfStable) and bound.margin:
        return "needs `stable * 1.2`: no sequential test holds a quantile against another and a margin"
    if criterion.metric is Metric.ACCURACY and isinstance(bound, OfStable) and bound.factor != 1:
        return "needs `stable - 1%`: no sequential test holds an accuracy against a multiple of another"
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
