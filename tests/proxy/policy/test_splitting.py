"""Weighted rendezvous hashing: golden vectors, and what it promises about users and shares."""

import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import xxhash
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.policy.splitting import Split, bucket, score


@dataclass(frozen=True)
class V:
    name: str


def a_split(weights: dict[str, float], salt: str = "salt") -> Split[V]:
    return Split.of({V(name): weight for name, weight in weights.items()}, salt)


GOLDEN = [
    ("fraud-2026", {"v1": 90, "v2": 10}, b"user-1", "v1", 0xA7661AE06F458C83),
    ("fraud-2026", {"v1": 90, "v2": 10}, b"42", "v1", 0x1C679BE5D1C4EBB4),
    ("fraud-2026", {"v1": 90, "v2": 10}, b"zo\xc3\xab", "v1", 0xBB8699F39CB84B2E),
    ("fraud-2026", {"v1": 90, "v2": 10}, b"\x00\xff", "v1", 0xE1FEBC65E25DBBBC),
    ("fraud/", {"v1": 1, "v2": 1}, b"user-1", "v2", 0x52D056801B3A3471),
    ("fraud/", {"v1": 1, "v2": 1}, b"42", "v2", 0x3EE1B812CD2EF862),
    ("fraud/", {"v1": 1, "v2": 1}, b"zo\xc3\xab", "v1", 0xF96F73413D726252),
    ("fraud/", {"v1": 1, "v2": 1}, b"\x00\xff", "v1", 0xC22AA7631A75B24C),
    ("fraud/fraud-v2", {"v1": 95, "v2": 5}, b"user-1", "v1", 0x6B2A1D9DA24FE706),
    ("fraud/fraud-v2", {"v1": 95, "v2": 5}, b"42", "v1", 0xDAFAE34787A29513),
    ("fraud/fraud-v2", {"v1": 95, "v2": 5}, b"zo\xc3\xab", "v2", 0xE23273AB04FC4226),
    ("fraud/fraud-v2", {"v1": 95, "v2": 5}, b"\x00\xff", "v1", 0xD94A5F5C17654622),
    ("", {"a": 1, "b": 2, "c": 3}, b"user-1", "a", 0xCCB4DD2EF4E763E9),
    ("", {"a": 1, "b": 2, "c": 3}, b"42", "b", 0xE9D5AE04B6F738B0),
    ("", {"a": 1, "b": 2, "c": 3}, b"zo\xc3\xab", "b", 0xD37A2429D2ACA021),
    ("", {"a": 1, "b": 2, "c": 3}, b"\x00\xff", "c", 0xDC0F5A57BE8D6E0E),
    ("sälz", {"blue": 0.5, "green": 0.25, "red": 0.125, "off": 0}, b"user-1", "blue", 0x89516B40DD45A0D5),
    ("sälz", {"blue": 0.5, "green": 0.25, "red": 0.125, "off": 0}, b"42", "blue", 0xCFA2629C45F7AE20),
    ("sälz", {"blue": 0.5, "green": 0.25, "red": 0.125, "off": 0}, b"zo\xc3\xab", "blue", 0xFE8A4612A6D66D64),
    ("sälz", {"blue": 0.5, "green": 0.25, "red": 0.125, "off": 0}, b"\x00\xff", "blue", 0x2FD7B049DD0E413C),
]
"""Salt, weights, key; the variant that must win in every version of this code, and its xxh3_64."""


@pytest.mark.parametrize(("salt", "weights", "key", "variant", "digest"), GOLDEN)
def test_a_golden_vector(salt, weights, key, variant, digest):
    split = a_split(weights, salt)
    assert split.by_key(key).name == variant
    data = b"\0".join([salt.encode(), variant.encode(), key])
    assert xxhash.xxh3_64_intdigest(data) == digest
    uniform = (Fraction(digest) + Fraction(1, 2)) / 2**64
    assert score(data, weights[variant]) == pytest.approx(-math.log(uniform) / weights[variant], rel=1e-12)


def test_the_smallest_score_wins():
    for salt, weights, key, variant, _ in GOLDEN:
        scores = {}
        for name, weight in weights.items():
            digest = xxhash.xxh3_64_intdigest(f"{salt}\0{name}\0".encode() + key)
            scores[name] = -math.log((digest + 0.5) / 2**64) / weight if weight else math.inf
        assert min(scores, key=scores.__getitem__) == variant


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=2, max_size=8, unique=True)
WEIGHTS = NAMES.flatmap(
    lambda names: st.fixed_dictionaries(
        {name: st.one_of(st.just(0.0), st.floats(1e-3, 1e3)) for name in names}
    )
)
KEYS = st.binary(min_size=1, max_size=24)


@given(weights=WEIGHTS, key=KEYS, data=st.data())
def test_the_order_of_variants_does_not_matter(weights, key, data):
    assume(any(weights.values()))
    shuffled = data.draw(st.permutations(list(weights.items())))
    assert a_split(weights).by_key(key) == a_split(dict(shuffled)).by_key(key)


@given(weights=WEIGHTS, key=KEYS, power=st.integers(-40, 40))
def test_only_the_ratios_of_weights_matter(weights, key, power):
    assume(any(weights.values()))
    scaled = {name: weight * 2.0**power for name, weight in weights.items()}
    assert a_split(weights).by_key(key) == a_split(scaled).by_key(key)


@given(weights=WEIGHTS, key=KEYS, draw=st.floats(0, 1, exclude_max=True))
def test_a_variant_of_weight_0_is_never_chosen(weights, key, draw):
    assume(any(weights.values()))
    split = a_split(weights)
    assert weights[split.by_key(key).name] > 0
    assert weights[split.by_draw(draw).name] > 0


@given(weights=WEIGHTS, key=KEYS, factor=st.floats(1, 1e3), data=st.data())
def test_a_variant_that_grows_only_gains_users(weights, key, factor, data):
    assume(any(weights.values()))
    grown = data.draw(st.sampled_from(sorted(weights)))
    before = a_split(weights).by_key(key).name
    after = a_split(weights | {grown: (weights[grown] or 1.0) * factor}).by_key(key).name
    assert after in (before, grown)


@given(names=NAMES, key=KEYS, data=st.data())
def test_nobody_moves_to_a_variant_that_did_not_grow_against_one_s_own(names, key, data):
    weights = st.fixed_dictionaries(dict.fromkeys(names, st.floats(1e-2, 1e2)))
    old, new = data.draw(weights), data.draw(weights)
    before, after = a_split(old).by_key(key).name, a_split(new).by_key(key).name
    if before != after:
        assert new[after] / old[after] > new[before] / old[before]


@given(weights=WEIGHTS, key=KEYS, position=st.integers(0, 8))
def test_a_new_variant_of_weight_0_anywhere_in_the_list_moves_nobody(weights, key, position):
    assume(any(weights.values()))
    items = list(weights.items())
    items.insert(position, ("zzzzzzzz", 0.0))
    assert a_split(dict(items)).by_key(key) == a_split(weights).by_key(key)


def stays(old: dict[str, float], new: dict[str, float]) -> float:
    """The share of users that stay, exactly: a race of exponentials, won under both weightings at once."""
    return sum(1 / sum(max(old[b] / old[a], new[b] / new[a]) for b in old) for a in old)


def test_a_weight_change_moves_about_as_few_users_as_it_can():
    rng = np.random.default_rng(7)
    users = [f"user-{index}".encode() for index in range(1500)]
    moved = expected = least = 0.0
    for _ in range(30):
        names = [f"v{index}" for index in range(rng.integers(2, 9))]
        old, new = (dict(zip(names, rng.dirichlet([1.0] * len(names)), strict=True)) for _ in range(2))
        before, after = a_split(old), a_split(new)
        moved += float(np.mean([before.by_key(user) != after.by_key(user) for user in users]))
        expected += 1 - stays(old, new)
        least += sum(max(new[name] - old[name], 0.0) for name in names)
    assert moved <= 1.15 * least
    assert moved == pytest.approx(expected, rel=0.03)


def within(count: int, trials: int, share: float) -> bool:
    """A 99.9 % interval of a binomial count, by the normal law."""
    return abs(count - trials * share) <= 3.2905 * math.sqrt(trials * share * (1 - share)) + 0.5


@pytest.mark.parametrize(
    "weights", [{"a": 95, "b": 5}, {"a": 1, "b": 1, "c": 1}, {"a": 60, "b": 30, "c": 9, "d": 1}]
)
@pytest.mark.parametrize("salt", ["fraud/", "fraud/fraud-v2"])
def test_users_and_draws_divide_as_the_weights_say(weights, salt):
    split, rng, trials = a_split(weights, salt), np.random.default_rng(1), 20_000
    by_key = Counter(split.by_key(f"user-{index}".encode()).name for index in range(trials))
    by_draw = Counter(split.by_draw(rng.random()).name for _ in range(trials))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        assert within(by_key[name], trials, share)
        assert within(by_draw[name], trials, share)


def test_the_first_users_of_two_rollouts_are_other_people():
    weights = {"v1": 95, "v2": 5}
    users = [f"user-{index}".encode() for index in range(20_000)]
    chosen = [
        {user for user in users if a_split(weights, salt).by_key(user).name == "v2"}
        for salt in ("fraud/fraud-v2", "fraud/fraud-v3")
    ]
    assert within(len(chosen[0] & chosen[1]), len(users), 0.05 * 0.05)


def test_draws_at_both_ends_and_at_the_boundary():
    split = a_split({"off": 0, "a": 1, "b": 3})
    assert [split.by_draw(draw).name for draw in (0.0, 0.2499, 0.25, math.nextafter(1, 0))] == [
        "a",
        "a",
        "b",
        "b",
    ]
    tiny = a_split({"a": 0.1, "b": 0.2, "c": 0.3, "off": 0})
    assert tiny.by_draw(math.nextafter(1, 0)).name == "c"


def test_one_variant_takes_everybody():
    assert a_split({"a": 1e-9, "b": 0}).by_key(b"x").name == "a"


@settings(max_examples=50)
@given(st.binary(max_size=40))
def test_a_bucket_is_one_of_64(key):
    assert 0 <= bucket(key) < 64


def test_buckets_are_even_and_know_nothing_of_the_split():
    split, users = a_split({"a": 1, "b": 1}), [f"user-{index}".encode() for index in range(32_000)]
    counts = Counter((bucket(user), split.by_key(user).name) for user in users)
    expected = len(users) / 128
    chi_square = sum((counts[index, name] - expected) ** 2 / expected for index in range(64) for name in "ab")
    assert chi_square < 181.99  # 99.9 % of chi-square with 127 degrees of freedom


SCRIPT = """
import hashlib
from dataclasses import dataclass
from proxy.policy.splitting import Split

@dataclass(frozen=True)
class V:
    name: str

weights = {V(name): weight for name, weight in {%s}.items()}
split = Split.of(weights, "fraud/")
chosen = "".join(split.by_key(b"user-%%d" %% n).name for n in range(2000))
print(hashlib.sha256(chosen.encode()).hexdigest())
"""


def test_two_processes_agree_whatever_the_order_and_the_hash_seed():
    answers = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT % items],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, items in (("1", '"a": 5, "b": 3, "c": 2'), ("2", '"c": 2, "a": 5, "b": 3'))
    }
    assert len(answers) == 1
    assert len(answers.pop().strip()) == 64
