import pytest

from control.outcomes.scoring import is_recorded_right, is_right


@pytest.mark.parametrize(
    ("label", "predicted", "right"),
    [
        ("cat", "cat", True),
        ("cat", "dog", False),
        ("cat", "Cat", False),
        ("3", "3.0", True),
        ("3", "4", False),
        ("", "", True),
        ("nan", "nan", True),
    ],
)
def test_a_prediction_as_text(label, predicted, right):
    assert is_right(label, predicted) is right


@pytest.mark.parametrize(
    ("label", "recorded", "output", "right"),
    [
        ("cat", '{"label": "cat"}', "", True),
        ("cat", '{"animal": "dog"}', "", False),
        ("cat", '{"animal": "cat", "score": 0.5}', "animal", True),
        ("cat", '{"animal": "cat", "label": "dog"}', "", False),
        ("3", '{"class": 3}', "", True),
        ("3", '{"class": 3.0}', "", True),
        ("three", '{"class": 3}', "", False),
        ("True", '{"fraud": true}', "", True),
        ("1", '{"fraud": true}', "", False),
        ("3.0", '{"class": "3"}', "", False),
        ("cat", '{"animal": "cat", "score": 0.5}', "", None),
        ("cat", '{"animal": "cat"}', "other", None),
        ("cat", "{}", "", None),
        ("cat", "", "", None),
        ("cat", "[1]", "", None),
    ],
)
def test_a_prediction_as_it_was_recorded(label, recorded, output, right):
    assert is_recorded_right(label, recorded, output) is right
