import pytest
from google.protobuf import text_format
from understudy.checks.compare import check_compare
from understudy.v1 import service_pb2


def problems(text: str) -> list[str]:
    return [str(one) for one in check_compare(text_format.Parse(text, service_pb2.Compare()), "compare")]


def test_everything_that_may_be_said():
    text = """
    absolute: 0.1 outputs: "a" outputs: "b" ignore_parameters: "*" record_values: true sample_percent: 5
    per_output { name: "a" top_k: 3 } per_output { name: "b" decimals: 2 }
    """
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("arg_max: true top_k: 2", "compare: must have only one of arg_max, top_k"),
        ("absolute: 1 decimals: 0", "compare: must have only one of absolute or relative, decimals"),
        ("decimals: 16", "compare.decimals: must be from 0 to 15, got 16"),
        ("sample_percent: 101", "compare.sample_percent: must be from 0 to 100, got 101"),
        ("per_output { }", "compare.per_output[0].name: is required: the output's name"),
        (
            'outputs: "a" per_output { name: "b" }',
            "compare.per_output[0].name: 'b' is not one of the outputs to compare",
        ),
        (
            'ignore_outputs: "b" per_output { name: "b" }',
            "compare.per_output[0].name: 'b' is ignored",
        ),
        (
            'outputs: "a" ignore_outputs: "a"',
            "compare.ignore_outputs[0]: 'a' is one of the outputs to compare",
        ),
    ],
)
def test_a_broken_rule(text, problem):
    assert problems(text) == [problem]
