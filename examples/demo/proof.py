"""Whether what was promised held, from what callers and model servers counted themselves. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from examples.calls import Record, Served

CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of time in which one stage was in force everywhere; times in seconds since 1970."""

    rollout: str
    stage: str
    candidate: str
    percent: float
    start: float
    end: float

    def holds(self, record: Record) -> bool:
        """Whether a call began and ended in it, and so was decided in it."""
        return self.start <= record.time and record.ended <= self.end


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was promised, and whether it held."""

    text: str
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Share:
    """Who a stage's candidate served, as callers saw it."""

    calls: int
    candidate_calls: int
    users: int
    candidate_users: int
    torn_users: int  # seen on more than one variant


def share_of(one: Slice, records: Sequence[Record]) -> Share:
    """Count calls and distinct users of one slice."""
    inside = [record for record in records if one.holds(record)]
    variants = defaultdict(set)
    for record in inside:
        variants[record.user].add(record.variant)
    return Share(
        calls=len(inside),
        candidate_calls=sum(record.variant == one.candidate for record in inside),
        users=len(variants),
        candidate_users=sum(one.candidate in seen for seen in variants.values()),
        torn_users=sum(len(seen) > 1 for seen in variants.values()),
    )


def binomial_range(n: int, p: float, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """The smallest and largest count that n draws of probability p give, within `confidence`."""
    tail = (1 - confidence) / 2
    below = 0.0
    low = high = 0
    for k in range(n + 1):
        mass = math.comb(n, k) * p**k * (1 - p) ** (n - k)
        if below + mass <= tail:
            low = k + 1
        below += mass
        if below < 1 - tail:
            high = k + 1
    return low, min(high, n)


def quantile(records: Sequence[Record], variant: str, q: float) -> float | None:
    """Seconds that the q-quantile of a variant's calls took; None without calls."""
    times = sorted(record.seconds for record in records if record.variant == variant)
    return times[min(int(len(times) * q), len(times) - 1)] if times else None


def no_call_failed(records: Sequence[Record]) -> Claim:
    codes = Counter(record.code for record in records)
    detail = ", ".join(f"{count} {code}" for code, count in codes.most_common())
    return Claim("no call failed (client retries off)", bool(records) and set(codes) == {"OK"}, detail)


def shares_as_asked(slices: Sequence[Slice], records: Sequence[Record]) -> Claim:
    """Users are what is drawn, so the share of distinct users is what must fit."""
    details = []
    holds = bool(slices)
    for one in slices:
        share = share_of(one, records)
        low, high = binomial_range(share.users, one.percent / 100)
        holds = holds and share.users > 0 and low <= share.candidate_users <= high
        details.append(f"{one.stage} {share.candidate_users} of {share.users} users ({low} to {high})")
    return Claim("the shares of users were as asked", holds, "; ".join(details))


def users_stayed(slices: Sequence[Slice], records: Sequence[Record]) -> Claim:
    shares = [share_of(one, records) for one in slices]
    torn = sum(share.torn_users for share in shares)
    seen = sum(share.users for share in shares)
    detail = f"{seen - torn} of {seen} users, counted in each stage"
    return Claim("each user stayed on one variant within a stage", seen > 0 and torn == 0, detail)


def counts_agree(records: Sequence[Record], served: Mapping[str, Sequence[Served]]) -> Claim:
    """What each user got from each variant is what its model server served to that user, copies left out.

    So what the other claims say from the callers' records of shares and users, the model servers saw, too.
    """
    got = Counter((record.variant, record.user) for record in records if record.code == "OK")
    gave = Counter((name, call.user) for name, calls in served.items() for call in calls if not call.mirrored)
    details = [f"{name}: {_of(got, name)} got, {_of(gave, name)} served" for name in sorted(served)]
    pairs = got.keys() | gave.keys()
    astray = sum(got[pair] != gave[pair] for pair in pairs)
    details.append(f"{len(pairs) - astray} of {len(pairs)} pairs of user and variant agree")
    holds = bool(records) and not astray
    return Claim("callers and model servers counted the same, user by user", holds, "; ".join(details))


def _of(counts: Counter[tuple[str, str]], variant: str) -> int:
    return sum(count for (name, _), count in counts.items() if name == variant)


def none_served(variant: str, since: float, records: Sequence[Record]) -> Claim:
    after = [record for record in records if record.time >= since]
    strays = sum(record.variant == variant for record in after)
    detail = f"{strays} of {len(after)} calls"
    return Claim(f"{variant} got no call after its rollback", bool(after) and strays == 0, detail)


def copies_accounted(seen: float, outcomes: Mapping[str, float], received: int) -> Claim:
    """Every copy has one outcome, and those that were sent are those that shadows received."""
    sent = sum(count for name, count in outcomes.items() if not name.startswith(("dropped", "unreachable")))
    listed = ", ".join(f"{count:.0f} {name}" for name, count in sorted(outcomes.items()) if count)
    holds = seen > 0 and seen == sum(outcomes.values()) and sent == received
    return Claim(
        "every copy is accounted for", holds, f"{seen:.0f} seen: {listed}; {received} received by shadows"
    )


def ended(rollout: str, phase: str, wanted: str, reason: str) -> Claim:
    return Claim(f"{rollout} ended as {wanted}", phase == wanted, reason or phase)
