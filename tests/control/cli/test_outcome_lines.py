import pytest
from understudy.v1.outcomes_pb2 import Outcome

from control.cli.outcome_lines import from_csv, from_json_lines

JSON = [
    '{"ticket": "t1", "correct": true}',
    "",
    '{"ticket": "t2", "score": 1}',
    '{"ticket": "t3", "label": "cat", "predicted": "dog", "output": "animal"}',
    '{"ticket": "t4", "label": 3, "predicted": true}',
]


def test_an_outcome_a_line():
    assert list(from_json_lines(JSON)) == [
        (1, Outcome(ticket="t1", correct=True)),
        (3, Outcome(ticket="t2", score=1)),
        (4, Outcome(ticket="t3", label="cat", predicted="dog", output="animal")),
        (5, Outcome(ticket="t4", label="3", predicted="true")),
    ]


def test_an_outcome_a_row():
    rows = ["ticket,correct,score,label", "t1,true,,", "t2,0,,", "", "t3,,0.5,", 't4,,,"a, b"']
    assert list(from_csv(rows)) == [
        (2, Outcome(ticket="t1", correct=True)),
        (3, Outcome(ticket="t2", correct=False)),
        (5, Outcome(ticket="t3", score=0.5)),
        (6, Outcome(ticket="t4", label="a, b")),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no", "must be a JSON object: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "must be a JSON object"),
        ('{"tikket": "t"}', "'tikket' must be one of ticket, correct, score, label, predicted, output"),
        ('{"correct": true}', "ticket: is required, as text"),
        ('{"ticket": "t"}', "must have one of correct, score, label, got none"),
        (
            '{"ticket": "t", "correct": true, "score": 1}',
            "must have one of correct, score, label, got correct and score",
        ),
        ('{"ticket": "t", "correct": 1}', "correct: must be true or false, got 1"),
        ('{"ticket": "t", "score": true}', "score: must be a finite number, got True"),
        ('{"ticket": "t", "score": NaN}', "score: must be a finite number, got nan"),
        ('{"ticket": "t", "score": 1, "output": "o"}', "predicted and output go with label"),
        ('{"ticket": "t", "label": ["cat"]}', "label: must be text or a number, got ['cat']"),
    ],
)
def test_a_line_that_is_no_outcome_says_why(line, problem):
    ((number, found),) = from_json_lines([line])
    assert (number, str(found)) == (1, problem)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "must be a header that has ticket, and no field twice"),
        (["correct"], "must be a header that has ticket, and no field twice"),
        (["ticket,label,label"], "must be a header that has ticket, and no field twice"),
        (["ticket,who"], "'who' must be one of ticket, correct, score, label, predicted, output"),
        (["ticket,label", "t"], "must have 2 fields, got 1"),
        (["ticket,score", "t,much"], "score: must be a number, got 'much'"),
        (["ticket,correct", "t,maybe"], "correct: must be true or false, got 'maybe'"),
        (["ticket,label", 't,"cat'], "must be comma-separated values: unexpected end of data"),
    ],
)
def test_a_row_that_is_no_outcome_says_why(rows, problem):
    assert [str(found) for _, found in from_csv(rows)] == [problem]
