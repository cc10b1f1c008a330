"""From a rollout that keeps the rules to the plan that is carried out, with every default filled in."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from understudy.checks.numbers import seconds
from understudy.v1 import rollout_pb2, service_pb2

from control.rollout.criteria import Criterion
from control.rollout.drafts import DEFAULT_KEEP_OLD, HOLD, Draft, drafts_of
from control.rollout.evidence import Arm
from control.rollout.model import (
    DEFAULT_ALPHA,
    DEFAULT_ERROR_CODES,
    DEFAULT_MIN_CALLS,
    ON_FAIL,
    ON_INCONCLUSIVE,
    Advance,
    External,
    Gate,
    Kind,
    Plan,
    Stage,
)
from control.rollout.readings import arm_of
from control.rollout.sentences import parse_criterion
from control.rollout.traffic import default_route, stable_of


def plan_of(rollout: rollout_pb2.Rollout, service: service_pb2.Service, name: str) -> Plan:
    """The plan of a rollout that keeps the rules."""
    drafts, _ = drafts_of(rollout)
    strategy = rollout.WhichOneof("strategy") or ""
    return Plan(
        name=name,
        service=service.name,
        strategy=strategy,
        route=rollout.route or default_route(service) or "",
        stable=stable_of(service),
        candidate=rollout.candidate,
        stages=_stages(rollout, drafts),
        has_noise_twin=_has_noise_twin(rollout, service),
        promotes=strategy != "shadow",
        on_fail=rollout.on_fail or ON_FAIL[0],
        on_inconclusive=rollout.on_inconclusive or ON_INCONCLUSIVE[0],
        gate=Gate(rollout.gate or Gate.SEQUENTIAL),
        alpha=rollout.alpha if rollout.HasField("alpha") else DEFAULT_ALPHA,
        warmup=seconds(rollout.warmup),
        warmup_calls=rollout.warmup_calls,
        min_calls=rollout.min_calls if rollout.HasField("min_calls") else DEFAULT_MIN_CALLS,
        error_codes=frozenset(rollout.error_codes) or DEFAULT_ERROR_CODES,
        external={
            metric.name: External(metric.failure_limit, metric.on_no_answer == "fail")
            for metric in rollout.metrics
        },
        checks_split=rollout.sample_ratio != "ignore",
        compare=rollout.compare if rollout.HasField("compare") else None,
        mirror_deadline=seconds(rollout.mirror_deadline) if rollout.HasField("mirror_deadline") else None,
        keep_old=_keep_old(rollout),
    )


def _has_noise_twin(rollout: rollout_pb2.Rollout, service: service_pb2.Service) -> bool:
    name = rollout.route or default_route(service)
    return any(
        mirror.noise_of and mirror.percent > 0
        for route in service.routes
        if route.name == name
        for mirror in route.mirrors
    )


def _keep_old(rollout: rollout_pb2.Rollout) -> float | None:
    if rollout.WhichOneof("strategy") != "blue_green":
        return None
    message = rollout.blue_green
    return seconds(message.keep_old) if message.HasField("keep_old") else DEFAULT_KEEP_OLD


def external_names(rollout: rollout_pb2.Rollout) -> tuple[str, ...]:
    """What the rollout calls the metrics of other systems."""
    return tuple(metric.name for metric in rollout.metrics)


def _stages(rollout: rollout_pb2.Rollout, drafts: Sequence[Draft]) -> tuple[Stage, ...]:
    external = external_names(rollout)
    stages = [_stage(draft, external) for draft in drafts]
    partial = [index for index, stage in enumerate(stages) if stage.kind is not Kind.FULL]
    mirroring = [index for index, stage in enumerate(stages) if stage.mirror_percent]
    for index, stage in enumerate(stages):
        goes_on_partly = any(later > index for later in partial)
        default = rollout.advance or (Advance.UNLESS_FAILED if goes_on_partly else Advance.PROVEN)
        is_last_mirroring = mirroring[-1:] == [index] and rollout.gate != Gate.THRESHOLD
        stages[index] = replace(
            stage,
            advance=Advance(drafts[index].advance or default),
            due=_due(stages[: index + 1]) if is_last_mirroring else (),
        )
    return tuple(stages)


def _due(reached: Sequence[Stage]) -> tuple[Criterion, ...]:
    """Every criterion on copies so far, in its latest words."""
    latest = {
        criterion.subject: criterion
        for stage in reached
        for criterion in stage.criteria
        if arm_of(criterion, stage) is Arm.MIRRORED
    }
    return tuple(latest.values())


def _stage(draft: Draft, external: Collection[str]) -> Stage:
    return Stage(
        name=draft.name,
        kind=draft.kind,
        percent=draft.percent,
        mirror_percent=draft.mirror_percent,
        bake=draft.bake,
        max_bake=draft.bake * HOLD if draft.max_bake is None else draft.max_bake,
        criteria=tuple(parse_criterion(sentence, external) for sentence in draft.require),
        pause=draft.pause,
    )
