"""One rollout from its start to its end, in virtual time."""

from dataclasses import dataclass, replace

from understudy.v1 import rollout_pb2, service_pb2

from control.rollout import machine
from control.rollout.accumulation import Row, entered, grown
from control.rollout.decisions import Command, Refused, SetTraffic, Step
from control.rollout.model import Cause, Observation, Phase, Plan, Settings, State
from control.rollout.strategies import compile_rollout
from control.simulate.figures import End, Ended
from control.simulate.traffic import Traffic

DEFAULT_ROUTE = "predict"
NODE = "imagined"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: between two reports, and until a run that is not decided counts as held."""

    report_every: float = 5.0
    horizon: float = 8 * 3600.0


def compile_alone(rollout: rollout_pb2.Rollout) -> Plan:
    """The rollout's plan on a service that is made up to fit it. Raises InvalidRollout."""
    stable = "stable" if rollout.candidate != "stable" else "current"
    route = rollout.route or DEFAULT_ROUTE
    service = service_pb2.Service(
        name=rollout.service,
        stable=stable,
        variants=[
            service_pb2.Variant(name=name, target=f"{name}:8001") for name in (stable, rollout.candidate)
        ],
        routes=[service_pb2.Route(name=route, split=service_pb2.Split(weights={stable: 100}))],
    )
    return compile_rollout(rollout, service, rollout.name or f"{rollout.service}-{rollout.candidate}")


def run(plan: Plan, traffic: Traffic, times: Times) -> End:
    """Reports come in, the machine looks; an operator is there only for stages that wait for one."""
    settings = replace(Settings(), longest_tick=max(Settings().longest_tick, times.report_every))
    state, observation, version, now = State(), Observation(), 0, 0.0
    while now <= times.horizon:
        step = machine.step(plan, state, observation, settings, now)
        if step.state.cause is Cause.STAGE and not step.state.phase.is_final:
            step = _promoted(plan, step, now, observation.arrival)
        state = step.state
        if state.phase.is_final or state.phase is Phase.PAUSED:
            return _end(plan, state, now)
        rows: list[Row] = []
        if any(isinstance(action, SetTraffic) for action in step.actions):
            version, observation = version + 1, entered(observation)
        else:
            stage = plan.stages[state.stage]
            seen = traffic.window(stage, times.report_every, version)
            first = observation.arrival + 1
            end = now + times.report_every
            rows = [Row(row, NODE, now, end, first + place) for place, row in enumerate(seen)]
            now = end
        observation = grown(plan, observation, rows, since=(1, version), connected=1, acked=1)
    return _end(plan, state, times.horizon)


def _promoted(plan: Plan, step: Step, now: float, arrival: int) -> Step:
    """The operator's answer to a stage that says `pause: true`."""
    answer = machine.command(plan, step.state, Command.PROMOTE, now, arrival)
    if isinstance(answer, Refused):
        raise AssertionError(f"a stage that waits for a promote takes one: {answer.reason}")
    return answer


def _end(plan: Plan, state: State, now: float) -> End:
    match state.phase:
        case Phase.SUCCEEDED:
            ended = Ended.PROMOTED
        case Phase.ROLLED_BACK:
            ended = Ended.ROLLED_BACK
        case _:
            ended = Ended.HELD
    return End(ended, now, plan.stages[state.stage].name, state.reason)
