from understudy.v1 import services_pb2

from control.status.shadows import shadow_report


def figures(variant: str, matched: int, mismatched: int, **fields: object) -> services_pb2.ShadowFigures:
    return services_pb2.ShadowFigures(
        route="predict", variant=variant, matched=matched, mismatched=mismatched, **fields
    )


def test_match_rates_with_and_without_noise():
    noise = figures("v1", 95, 5, noise=True)
    found = shadow_report([figures("v2", 76, 24), figures("v3", 99, 1), noise], [])
    worse, better, itself = found.shadows
    assert (worse.match_rate, worse.match_rate_without_noise) == (0.76, 0.8)
    assert (better.match_rate, better.match_rate_without_noise) == (0.99, 1.0)
    assert (itself.match_rate, itself.HasField("match_rate_without_noise")) == (0.95, False)


def test_nothing_compared_is_no_rate():
    (found,) = shadow_report([figures("v2", 0, 0)], []).shadows
    assert not found.HasField("match_rate")
    assert not found.HasField("match_rate_without_noise")
