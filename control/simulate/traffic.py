"""Imagined calls, as the evidence that a sidecar would report of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from understudy.v1 import telemetry_pb2

from control.rollout.evidence import to_duration
from control.rollout.histogram import SCALE
from control.rollout.model import Plan, Stage
from control.rollout.snapshots import latency_bounds
from control.simulate.world import Behaviour, Crowd, World

BUCKETS = 64
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Users:
    """A crowd that was drawn: for each user where the split puts them, how busy they are, and their luck.

    A user is on the candidate while `place` is below its share, as weighted rendezvous hashing would have it.
    """

    place: Floats
    busy: Floats  # cumulated, up to 1
    stable: Floats  # error rate with the stable version
    candidate: Floats

    @classmethod
    def draw(cls, crowd: Crowd, world: World, random: np.random.Generator) -> "Users":
        weights = np.arange(1, crowd.users + 1, dtype=float) ** -crowd.skew
        high = max(world.stable.error_rate, world.candidate.error_rate)
        rates = np.full(crowd.users, high)
        if crowd.beta and 0 < high < 1:
            rates = random.beta(high * crowd.beta, (1 - high) * crowd.beta, crowd.users)
        share_of_high = rates / high if high else rates
        return cls(
            place=random.random(crowd.users),
            busy=np.cumsum(weights) / weights.sum(),
            stable=share_of_high * world.stable.error_rate,
            candidate=share_of_high * world.candidate.error_rate,
        )


@dataclass(frozen=True, slots=True)
class _Calls:
    """What became of some calls: which failed, how long each took, of which bucket each was."""

    failed: Flags
    took: Floats
    buckets: Whole | None = None  # None: drawn at random


class Traffic:
    """The calls of one imagined service; every window costs fresh draws."""

    def __init__(self, plan: Plan, world: World, random: np.random.Generator) -> None:
        self._plan = plan
        self._world = world
        self._random = random
        self._users = Users.draw(world.crowd, world, random) if world.crowd else None
        self._bounds = latency_bounds(plan)
        sentences = [each.text for stage in plan.stages for each in stage.criteria]
        self._times_matter = any("latency" in each for each in sentences)
        self._error = min(plan.error_codes)

    def __repr__(self) -> str:
        return f"<Traffic of {self._plan.name}: {self._world}>"

    def window(self, stage: Stage, seconds: float, version: int) -> list[telemetry_pb2.Evidence]:
        """What `seconds` under this stage would bring."""
        count = int(self._random.poisson(self._world.rps * seconds))
        stable, candidate = self._split(count, stage.percent / 100)
        rows = []
        for variant, calls in ((self._plan.stable, stable), (self._plan.candidate, candidate)):
            if calls.failed.size:
                rows.append(self._live(variant, calls, version))
        if stage.mirror_percent:
            copies = int(self._random.binomial(stable.failed.size, stage.mirror_percent / 100))
            if copies:
                rows.append(self._mirrored(copies, version))
        return rows

    def _split(self, count: int, share: float) -> tuple[_Calls, _Calls]:
        world = self._world
        if self._users is None:
            there = int(self._random.binomial(count, share))
            return self._calls(count - there, world.stable), self._calls(there, world.candidate)
        who = np.searchsorted(self._users.busy, self._random.random(count), side="right")
        on_candidate = self._users.place[who] < share
        return (
            self._calls_of(who[~on_candidate], self._users.stable, world.stable),
            self._calls_of(who[on_candidate], self._users.candidate, world.candidate),
        )

    def _calls(self, count: int, of: Behaviour) -> _Calls:
        return _Calls(self._random.random(count) < of.error_rate, self._took(count, of))

    def _calls_of(self, who: Whole, rates: Floats, of: Behaviour) -> _Calls:
        failed = self._random.random(who.size) < rates[who]
        return _Calls(failed, self._took(who.size, of), who % BUCKETS)

    def _took(self, count: int, of: Behaviour) -> Floats:
        if not self._times_matter:
            return np.zeros(0)
        return self._random.lognormal(np.log(of.latency), self._world.sigma, count)

    def _live(self, variant: str, calls: _Calls, version: int) -> telemetry_pb2.Evidence:
        row = telemetry_pb2.Evidence(route=self._plan.route, variant=variant, epoch=1, version=version)
        self._count(row, calls.failed, calls.took)
        self._measure(row, calls.took)
        if calls.buckets is None:
            row.drawn = calls.failed.size
        else:
            self._tell_apart(row, calls.failed, calls.took, calls.buckets)
        return row

    def _tell_apart(self, row: telemetry_pb2.Evidence, failed: Flags, took: Floats, buckets: Whole) -> None:
        """The same counts by bucket; each is counted once for all of them, since they are many."""
        ended = np.bincount(buckets, minlength=BUCKETS).tolist()
        errors = np.bincount(buckets[failed], minlength=BUCKETS).tolist()
        bounds = self._bounds if took.size else ()
        slow = [np.bincount(buckets[took > bound], minlength=BUCKETS).tolist() for bound in bounds]
        for bucket in filter(ended.__getitem__, range(BUCKETS)):
            entry = row.buckets.add(bucket=bucket)
            if errors[bucket]:
                entry.codes[self._error] = errors[bucket]
            if errors[bucket] < ended[bucket]:
                entry.codes["OK"] = ended[bucket] - errors[bucket]
            for bound, counts in zip(bounds, slow, strict=True):
                entry.slow.add(bound=to_duration(bound), count=counts[bucket])

    def _count(self, row: telemetry_pb2.Evidence, failed: Flags, took: Floats) -> None:
        """Fill in codes and slow calls."""
        errors = int(np.count_nonzero(failed))
        if errors:
            row.codes[self._error] = errors
        if errors < failed.size:
            row.codes["OK"] = int(failed.size) - errors
        if took.size:
            for bound in self._bounds:
                row.slow.add(bound=to_duration(bound), count=int(np.count_nonzero(took > bound)))

    def _measure(self, row: telemetry_pb2.Evidence, took: Floats) -> None:
        if not took.size:
            return
        indexes = np.ceil(np.log2(took) * 2**SCALE).astype(int) - 1
        first = int(indexes.min())
        row.latency.scale, row.latency.offset = SCALE, first
        row.latency.bucket_counts.extend(np.bincount(indexes - first).tolist())
        row.latency.count, row.latency.sum = int(took.size), float(took.sum())

    def _mirrored(self, copies: int, version: int) -> telemetry_pb2.Evidence:
        plan, candidate = self._plan, self._world.candidate
        row = telemetry_pb2.Evidence(
            route=plan.route, variant=plan.candidate, mirrored=True, epoch=1, version=version
        )
        failed = int(self._random.binomial(copies, candidate.error_rate))
        matched = int(self._random.binomial(copies - failed, self._world.match_rate))
        outcomes = {"error": failed, "match": matched, "mismatch": copies - failed - matched}
        for outcome, count in outcomes.items():
            if count:
                row.mirror_outcomes[outcome] = count
        row.comparisons.matched, row.comparisons.mismatched = matched, copies - failed - matched
        took = self._took(copies, candidate)
        self._count(row, np.arange(copies) < failed, took)
        self._measure(row, took)
        return row


def seeds(seed: int, runs: int) -> Iterator[np.random.Generator]:
    """Independent draws for each run."""
    for child in np.random.SeedSequence(seed).spawn(runs):
        yield np.random.default_rng(child)
