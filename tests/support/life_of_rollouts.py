"""What may happen to rollouts, in any order, and what must hold after each happening."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from understudy.v1 import rollouts_pb2

from control.replay import Replay
from control.rollout.decisions import Command
from control.rollout.strategies import compile_rollout
from control.rollout.traffic import promoted
from tests.support.world import BAKE, STAGES, World

nodes = st.integers(0, 2)
commands = st.sampled_from([one for one in Command if one is not Command.SUPERSEDE])
BY_ITSELF = ("stage", "succeeded")
GATES = ("threshold", "sequential")
FINAL = ("Succeeded", "RolledBack", "Aborted")


class LifeOfRollouts(RuleBasedStateMachine):
    """Ticks, reports, commands, crashes, sidecars that come and go, clocks that jump."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.audits: dict[str, list[rollouts_pb2.Transition]] = {}
        self.entered: dict[str, float] = {}
        self.gates: dict[str, str] = {}
        self.newest = (0, 0)

    def teardown(self) -> None:
        for name in self.audits:
            made = self.world.run(Replay(self.world.store).of(name))
            assert [each.difference for each in made] == [""] * len(made)
        self.world.close()

    @initialize(gate=st.sampled_from(GATES))
    def begin(self, gate: str) -> None:
        for node in self.world.nodes[:2]:
            self.world.join(node)
        self.world.start(supersede=False, gate=gate)

    @rule(supersede=st.booleans(), gate=st.sampled_from(GATES))
    def start(self, supersede: bool, gate: str) -> None:
        if len(self.audits) < 4:
            self.world.start(supersede=supersede, gate=gate)

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 10.0, BAKE, BAKE, BAKE + 1, 300.0]))
    def tick(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule(errors=st.sampled_from([0, 0, 0, 40]), calls=st.sampled_from([10, 200, 200]))
    def work(self, errors: int, calls: int) -> None:
        """Everything as it should be for a while: what gets rollouts on."""
        for node in self.world.nodes:
            self.world.take(node)
        self.world.tick(1.0)
        for node in self.world.nodes:
            if node.sidecar is not None:
                self.world.see(node, calls, min(errors, calls), held=False)
        self.world.tick(BAKE)
        self.world.tick(1.0)

    @rule(node=nodes)
    def take(self, node: int) -> None:
        self.world.take(self.world.nodes[node])

    @rule(node=nodes, calls=st.sampled_from([10, 200]), errors=st.sampled_from([0, 10]), held=st.booleans())
    def see(self, node: int, calls: int, errors: int, held: bool) -> None:
        self.world.see(self.world.nodes[node], calls, errors, held=held)

    @precondition(lambda self: any(node.held for node in self.world.nodes))
    @rule(data=st.data())
    def report_late_or_twice(self, data: st.DataObject) -> None:
        reports = [report for node in self.world.nodes for report in node.held]
        self.world.report(reports[data.draw(st.integers(0, len(reports) - 1))])

    @rule(asked=commands)
    def command(self, asked: Command) -> None:
        self.world.command(asked)

    @rule(first=commands, second=commands)
    def two_at_once(self, first: Command, second: Command) -> None:
        self.world.command(first, second)

    @rule(node=nodes)
    def join(self, node: int) -> None:
        self.world.join(self.world.nodes[node])

    @rule(node=nodes)
    def leave(self, node: int) -> None:
        self.world.leave(self.world.nodes[node])

    @rule(seconds=st.sampled_from([-3600.0, 3600.0]))
    def clock_jumps(self, seconds: float) -> None:
        self.world.clock.offset += seconds

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule(asked=commands, turns=st.integers(0, 30))
    def crash_in_the_midst(self, asked: Command, turns: int) -> None:
        self.world.cut_short(asked, turns)

    @invariant()
    def audits_only_grow_and_have_no_gap(self) -> None:
        for stored in self.world.rollouts():
            self.gates[stored.name] = stored.message.gate
            audit, before = self.world.audit(stored.name), self.audits.get(stored.name, [])
            assert audit[: len(before)] == before
            assert [step.sequence for step in audit] == list(range(1, stored.version + 1))
            assert (stored.state.phase, stored.state.stage) == (audit[-1].to_phase, audit[-1].to_stage)
            for number in range(len(before), len(audit)):
                self._check_step(stored.name, audit[number], audit[number - 1] if number else None)
            self.audits[stored.name] = audit

    def _check_step(
        self, name: str, step: rollouts_pb2.Transition, last: rollouts_pb2.Transition | None
    ) -> None:
        if last is not None:
            assert (step.from_phase, step.from_stage) == (last.to_phase, last.to_stage)
            assert (step.epoch, step.version) >= (last.epoch, last.version)
            assert last.to_phase not in FINAL or step.event in ("retried", "undone")
        if step.event in BY_ITSELF and step.from_phase == "Progressing":
            self._check_advance(name, step)
        if step.to_stage != step.from_stage or step.event in ("started", "retried"):
            self.entered[name] = self.world.baked

    def _check_advance(self, name: str, step: rollouts_pb2.Transition) -> None:
        """One stage at a time, never before its bake is over, never on no data."""
        assert step.to_stage - step.from_stage == (step.event == "stage")
        stage: dict[str, Any] = STAGES[step.from_stage]
        if "bake" in stage:
            assert self.world.baked - self.entered[name] >= BAKE
            assert step.arms
            arms = [arm for arm in step.arms if not arm.mirrored]
            if self.gates[name] == "threshold":
                assert all(arm.calls >= 50 for arm in arms)
            else:  # evidence is carried from stage to stage
                assert all(self._calls(arm.variant) >= 50 for arm in arms)

    def _calls(self, variant: str) -> int:
        rows = self.world.run(self.world.store.evidence.since("fraud", "predict", first=(0, 0), after=0))
        return sum(sum(row.evidence.codes.values()) for row in rows if row.evidence.variant == variant)

    @invariant()
    def one_rollout_of_a_service_is_under_way(self) -> None:
        active = [stored for stored in self.world.rollouts() if stored.active]
        in_force, base, version, whose = self.world.service()
        assert [stored.name for stored in active] == ([whose] if whose else [])
        if not whose:
            assert in_force == base
        up = self.world.board.newest("fraud")
        assert up is not None
        assert (up.version, up.service) == (version, in_force)
        assert (up.epoch, up.version) >= self.newest
        self.newest = (up.epoch, up.version)

    @invariant()
    def the_service_is_what_the_last_rollout_left(self) -> None:
        _, base, _, whose = self.world.service()
        stored = self.world.rollouts()
        if not whose and stored:
            last = stored[0]
            plan = compile_rollout(last.message, last.base, last.name)
            undone = self.audits.get(last.name, [])[-1:]
            is_promoted = last.state.phase == "Succeeded" and not (undone and undone[0].event == "undone")
            assert base == (promoted(last.base, plan) if is_promoted else last.base)

    @invariant()
    def every_report_counts_once(self) -> None:
        rows = self.world.run(self.world.store.evidence.since("fraud", "predict", first=(0, 0), after=0))
        assert len(rows) == 2 * len(self.world.kept)
