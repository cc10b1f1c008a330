from understudy.checks import Violation, join


def test_a_violation_is_its_field_and_what_would_be_right():
    assert str(Violation("a.b", "must be 1")) == "a.b: must be 1"
    assert str(Violation("", "must be 1")) == "must be 1"


def test_paths_join_with_a_point_from_the_root_on():
    assert join("", "name") == "name"
    assert join("service.variants[0]", "name") == "service.variants[0].name"
