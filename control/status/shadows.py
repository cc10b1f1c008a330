"""What comparing the shadows of a service found, as operators see it."""

from collections.abc import Sequence

from understudy.v1 import services_pb2, telemetry_pb2


def shadow_report(
    figures: Sequence[services_pb2.ShadowFigures], mismatches: Sequence[telemetry_pb2.ComparisonRecord]
) -> services_pb2.ShadowReportResponse:
    """The report; match rates are filled in, with and without the model's disagreement with itself."""
    noise = {
        route: _rate([one for one in figures if one.noise and one.route == route])
        for route in _routes(figures)
    }
    shadows = []
    for each in figures:
        shown = services_pb2.ShadowFigures()
        shown.CopyFrom(each)
        rate = _rate([each])
        if rate is not None:
            shown.match_rate = rate
            itself = noise[each.route]
            if not each.noise and itself:
                shown.match_rate_without_noise = min(rate / itself, 1.0)
        shadows.append(shown)
    return services_pb2.ShadowReportResponse(shadows=shadows, mismatches=mismatches)


def _routes(figures: Sequence[services_pb2.ShadowFigures]) -> set[str]:
    return {one.route for one in figures}


def _rate(figures: Sequence[services_pb2.ShadowFigures]) -> float | None:
    """The share of the compared that matched; None where nothing was compared."""
    matched = sum(one.matched for one in figures)
    compared = matched + sum(one.mismatched for one in figures)
    return matched / compared if compared else None
