import json

from understudy.v1 import services_pb2, telemetry_pb2


def answer() -> services_pb2.ShadowReportResponse:
    return services_pb2.ShadowReportResponse(
        shadows=[
            services_pb2.ShadowFigures(
                route="predict",
                variant="v2",
                version="2.0.0",
                matched=90,
                mismatched=10,
                match_rate=0.9,
                match_rate_without_noise=0.92,
                max_absolute=0.5,
            ),
            services_pb2.ShadowFigures(route="predict", variant="v3", version="3.0.0"),
            services_pb2.ShadowFigures(
                route="predict", variant="v1", noise=True, matched=49, mismatched=1, match_rate=0.98
            ),
        ],
        mismatches=[
            telemetry_pb2.ComparisonRecord(
                route="predict",
                primary="v1",
                shadow="v2",
                shadow_version="2.0.0",
                outcome="mismatch_values",
                output="score",
                reason="1 of 2 values differ",
            )
        ],
    )


async def test_the_report_shows_rates_and_mismatches(script, understudy):
    script.answers["Services.ShadowReport"] = answer()

    result = await understudy("shadow", "report", "fraud", "--mismatches", "5")

    assert script.requests == [services_pb2.ShadowReportRequest(service="fraud", mismatches=5)]
    rows = [line.split() for line in result.out.splitlines()]
    assert ["predict", "v2", "2.0.0", "100", "90.00%", "92.00%", "0.5", "0"] in rows
    assert ["predict", "v3", "3.0.0", "0", "n/a", "-", "-", "-"] in rows
    assert ["predict", "v1", "(itself)", "-", "50", "98.00%", "-", "0", "0"] in rows
    assert "mismatch_values  score   1 of 2 values differ" in result.out


async def test_without_copies_the_rate_is_not_available(script, understudy):
    script.answers["Services.ShadowReport"] = services_pb2.ShadowReportResponse()

    result = await understudy("shadow", "report", "fraud")

    assert (result.exit_code, result.out.startswith("fraud: match rate n/a")) == (0, True)


async def test_the_report_in_json(script, understudy):
    script.answers["Services.ShadowReport"] = answer()

    result = await understudy("shadow", "report", "fraud", "-o", "json")

    shown = json.loads(result.out)
    assert [each.get("match_rate") for each in shown["shadows"]] == [0.9, None, 0.98]
    assert shown["mismatches"][0]["output"] == "score"
