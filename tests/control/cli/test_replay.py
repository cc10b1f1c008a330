import json

from understudy.v1 import rollouts_pb2


def _answer(*differences: str) -> rollouts_pb2.ReplayResponse:
    decisions = [
        rollouts_pb2.ReplayedDecision(
            sequence=number, event="stage", arrival=40, rows=38, same=not text, difference=text
        )
        for number, text in enumerate(differences, start=1)
    ]
    return rollouts_pb2.ReplayResponse(decisions=decisions, same=not any(differences))


async def test_decisions_that_come_out_the_same_are_a_success(script, understudy):
    script.answers["Rollouts.Replay"] = _answer("", "")

    result = await understudy("rollout", "replay", "fraud-v2")

    assert script.requests[0].name == "fraud-v2"
    lines = result.out.splitlines()
    assert lines[1].split() == ["1", "stage", "40", "38", "same"]
    assert (result.exit_code, lines[-1]) == (0, "all 2 come out the same")


async def test_one_that_comes_out_differently_is_shown_and_exits_1(script, understudy):
    script.answers["Rollouts.Replay"] = _answer("", "arms[0].errors: was '3', comes out as '0'")

    result = await understudy("rollout", "replay", "fraud-v2")

    assert "different: arms[0].errors: was '3', comes out as '0'" in result.out
    assert (result.exit_code, result.out.splitlines()[-1]) == (1, "1 of 2 come out differently")


async def test_it_can_be_had_as_json(script, understudy):
    script.answers["Rollouts.Replay"] = _answer("gone")

    result = await understudy("rollout", "replay", "fraud-v2", "-o", "json")

    assert result.exit_code == 1
    assert json.loads(result.out)["decisions"][0]["difference"] == "gone"
