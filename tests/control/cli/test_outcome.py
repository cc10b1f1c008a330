import json

from understudy.v1 import outcomes_pb2
from understudy.v1.outcomes_pb2 import Outcome


def answer(**fields):
    return outcomes_pb2.OutcomesReportResponse(**fields)


async def test_one_outcome_is_reported_by_its_ticket(script, understudy):
    script.answers["Outcomes.Report"] = answer(accepted=1)

    result = await understudy("outcome", "report", "t1", "--label", "cat", "--output-name", "animal")

    said = Outcome(ticket="t1", label="cat", output="animal")
    assert script.requests == [outcomes_pb2.OutcomesReportRequest(outcomes=[said])]
    assert (result.exit_code, result.out) == (0, "1 counted, 0 known already, 0 refused\n")


async def test_a_file_of_outcomes_is_reported_and_refusals_say_their_line(script, understudy, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("ticket,correct\nt1,true\nt2,false\n")
    refusal = outcomes_pb2.OutcomeRefusal(index=1, reason="too_old", description="the call was 9s ago")
    script.answers["Outcomes.Report"] = answer(accepted=1, rejected=1, refusals=[refusal])

    result = await understudy("outcome", "report", "--file", str(path))

    assert [len(each.outcomes) for each in script.requests] == [2]
    assert result.exit_code == 1
    assert result.out.splitlines() == [
        "1 counted, 0 known already, 1 refused",
        f"{path}:3: too_old: the call was 9s ago",
    ]


async def test_many_outcomes_are_reported_some_at_a_time(script, understudy, tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(f'{{"ticket": "t{number}", "correct": true}}\n' for number in range(4500)))
    refusal = outcomes_pb2.OutcomeRefusal(index=3, reason="too_old")
    script.answers["Outcomes.Report"] = answer(accepted=7, unmatched=2, rejected=1, refusals=[refusal])

    result = await understudy("outcome", "report", "--file", str(path), "-o", "json")

    assert [len(each.outcomes) for each in script.requests] == [2000, 2000, 500]
    shown = json.loads(result.out)
    assert (shown["accepted"], shown["unmatched"], shown["rejected"]) == (21, 6, 3)
    assert [each["index"] for each in shown["refusals"]] == [3, 2003, 4003]


async def test_a_bad_line_is_said_and_nothing_is_sent(script, understudy, tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"ticket": "t1", "correct": true}\n{"ticket": "t2"}\n')

    result = await understudy("outcome", "report", "--file", str(path))

    assert (result.exit_code, script.requests) == (2, [])
    assert result.err == f"{path}:2: must have one of correct, score, label, got none\n"


async def test_a_ticket_or_a_file_is_needed(script, understudy):
    both = await understudy("outcome", "report")
    nothing = await understudy("outcome", "report", "t1")
    missing = await understudy("outcome", "report", "--file", "/nowhere.jsonl")

    assert [both.exit_code, nothing.exit_code, missing.exit_code] == [2, 2, 2]
    assert "give a TICKET, or outcomes with --file" in both.err
    assert "must have one of correct, score, label" in nothing.err
    assert "/nowhere.jsonl: cannot be read: No such file or directory" in missing.err
    assert script.requests == []


async def test_what_outcomes_say_is_shown_by_version(script, understudy):
    script.answers["Outcomes.Summary"] = outcomes_pb2.OutcomesSummaryResponse(
        figures=[
            outcomes_pb2.OutcomeFigures(
                route="predict", variant="v1", version="1.0", right=9, labelled=10, accuracy=0.9
            ),
            outcomes_pb2.OutcomeFigures(
                route="predict", variant="v2", mirrored=True, scored=2, score_mean=0.25
            ),
        ]
    )

    result = await understudy("outcome", "show", "fraud")

    assert [line.split() for line in result.out.splitlines()[1:]] == [
        ["predict", "v1", "1.0", "10", "90.00%", "0", "-"],
        ["predict", "v2", "(copies)", "-", "0", "-", "2", "0.25"],
    ]
