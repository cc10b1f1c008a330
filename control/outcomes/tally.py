"""Outcomes counted by the arm whose prediction they are of, on their way to rows of evidence."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from understudy.v1 import telemetry_pb2


class ArmKey(NamedTuple):
    """Whose prediction it was, by which configuration, for which group of users."""

    service: str
    route: str
    variant: str
    label: str  # the variant's version
    mirrored: bool
    epoch: int
    version: int
    bucket: int | None = None  # None: drawn at random

    @property
    def whole(self) -> "ArmKey":
        """The arm, for all users."""
        return self._replace(bucket=None)


@dataclass(slots=True)
class Tally:
    """Counts by arm and bucket."""

    counts: dict[ArmKey, telemetry_pb2.OutcomeCounts] = field(
        default_factory=lambda: defaultdict(telemetry_pb2.OutcomeCounts)
    )

    def label(self, arm: ArmKey, *, is_right: bool) -> None:
        """A prediction turned out to be right or wrong."""
        counts = self.counts[arm]
        counts.labelled += 1
        counts.right += is_right

    def score(self, arm: ArmKey, score: float) -> None:
        """A prediction turned out to be this good."""
        counts = self.counts[arm]
        counts.scored += 1
        counts.score_sum += score

    def arms(self) -> Iterator[tuple[ArmKey, telemetry_pb2.Evidence]]:
        """One entry for each arm, with its buckets."""
        entries: dict[ArmKey, telemetry_pb2.Evidence] = {}
        for key, counts in self.counts.items():
            arm = key.whole
            if arm not in entries:
                entries[arm] = telemetry_pb2.Evidence(
                    route=arm.route,
                    variant=arm.variant,
                    label=arm.label,
                    mirrored=arm.mirrored,
                    epoch=arm.epoch,
                    version=arm.version,
                )
            _add(entries[arm].outcomes, counts)
            if key.bucket is not None:
                entries[arm].buckets.add(bucket=key.bucket, outcomes=counts)
        yield from entries.items()


def _add(total: telemetry_pb2.OutcomeCounts, counts: telemetry_pb2.OutcomeCounts) -> None:
    total.right += counts.right
    total.labelled += counts.labelled
    total.scored += counts.scored
    total.score_sum += counts.score_sum
