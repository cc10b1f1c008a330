"""A tenth of the table that `make bench-verdicts` prints: what must be rare is rare, what must be found is.

Bars are those of the whole table, widened by what chance does to fewer runs; runs are seeded.
"""

from dataclasses import replace

import pytest

from benchmarks.verdicts import CASES, Case, run
from control.rollout.sequential import Finding

RUNS = 100
RARE = 0.13  # of 100 runs of a true 5 %, 13 and more are one in 500


def case(name: str, hours: float = 1.5) -> Case:
    (found,) = [each for each in CASES if each.name == name]
    return replace(found, hours=min(hours, found.hours))


def ends(name: str, runs: int = RUNS) -> list[tuple[Finding, float]]:
    return [(end.finding, end.minute) for end in (run(case(name), seed) for seed in range(runs))]


def share(found: list[tuple[Finding, float]], finding: Finding) -> float:
    return sum(each is finding for each, _ in found) / len(found)


def mean(found: list[tuple[Finding, float]]) -> float:
    return sum(minute for _, minute in found) / len(found)


@pytest.mark.parametrize(
    ("name", "finding", "at_least", "minutes"),
    [
        ("5 %, 1/s", Finding.BEYOND, 0.96, 20),
        ("5 %, 5/s", Finding.BEYOND, 0.96, 5),
        ("2 %, 5/s", Finding.BEYOND, 0.96, 30),
        ("2 %, 50/s", Finding.BEYOND, 0.96, 4),
        ("0.5 %, 5/s", Finding.WITHIN, 0.9, 60),
        ("0.5 %, 50/s", Finding.WITHIN, 0.9, 10),
        ("+ 0.5 %: 5 %, 5/s", Finding.BEYOND, 0.96, 6),
        ("+ 0.5 %: 0.5 %, 50/s", Finding.WITHIN, 0.9, 10),
        ("p99 < 200 ms: true p99 160 ms, 50/s", Finding.WITHIN, 0.9, 60),
        ("p99 < 200 ms: true p99 250 ms, 50/s", Finding.BEYOND, 0.96, 60),
        ("match ≥ 95 %: 98 %, 5/s", Finding.WITHIN, 0.9, 60),
        ("match ≥ 95 %: 90 %, 5/s", Finding.BEYOND, 0.96, 60),
    ],
)
def test_what_is_there_is_found_and_soon(
    name: str, finding: Finding, at_least: float, minutes: float
) -> None:
    found = ends(name)

    assert share(found, finding) >= at_least
    assert mean(found) <= minutes * 1.1


@pytest.mark.parametrize(
    "name",
    [
        "equal, 0.2/s",
        "equal, 1/s",
        "equal, 5/s",
        "equal, 50/s",
        "equal, errors in bursts of 20, 5/s",
        "equal, errors in bursts of 20, 50/s",
        "slow calls in bursts of 20, p99 at its bound, 50/s",
        "p99 < 200 ms: true p99 200 ms, 50/s",
        "match ≥ 95 %: 95 %, 5/s",
    ],
)
def test_what_is_not_there_is_rarely_found(name: str) -> None:
    assert share(ends(name), Finding.BEYOND) <= RARE


@pytest.mark.parametrize(
    "name",
    [
        "1 %, exactly at the bound, 5/s",
        "+ 0.5 %: 1 %, exactly at the bound, 5/s",
        "match ≥ 95 %: 95 %, 5/s",
    ],
)
def test_exactly_at_the_bound_either_answer_is_rare(name: str) -> None:
    found = ends(name)

    assert share(found, Finding.BEYOND) <= RARE
    assert share(found, Finding.WITHIN) <= RARE


@pytest.mark.parametrize("name", ["equal, 200 users, Beta, 5/s", "equal, 2000 users, Zipf, Beta, 5/s"])
def test_users_who_differ_are_no_proof_against_a_candidate(name: str) -> None:
    found = [run(case(name), seed) for seed in range(30)]

    assert sum(end.finding is Finding.BEYOND for end in found) <= 5


def test_a_test_that_is_not_told_of_users_takes_their_luck_for_a_fault() -> None:
    """The guard above guards against something."""
    name = "the same 200 users, the test not told"

    found = [run(case(name), seed) for seed in range(30)]

    assert sum(end.finding is Finding.BEYOND for end in found) >= 1


@pytest.mark.parametrize(
    "name", ["no errors at all, 5/s", "50 % in both, 5/s", "100 % in both, 5/s", "no calls"]
)
def test_no_rate_is_an_error(name: str) -> None:
    found = ends(name, runs=5)

    assert share(found, Finding.BEYOND) == 0


def test_without_calls_nothing_is_found() -> None:
    assert share(ends("no calls", runs=5), Finding.UNDECIDED) == 1
