import pytest
from understudy.serving.failure import CannotStart
from understudy.serving.ticket_secrets import VARIABLE, ticket_secrets

FIRST, SECOND = "the first of two secrets", "the second of two secrets"


def test_secrets_come_from_the_file_else_from_the_environment(tmp_path):
    path = tmp_path / "secrets"
    path.write_text(f"{FIRST}\n\n  {SECOND}\n")
    assert ticket_secrets(str(path), {VARIABLE: "another secret altogether"}) == (
        FIRST.encode(),
        SECOND.encode(),
    )
    assert ticket_secrets("", {VARIABLE: FIRST}) == (FIRST.encode(),)
    assert ticket_secrets("", {}) == ()


def test_a_secret_that_is_none_is_said(tmp_path):
    short, empty, binary = tmp_path / "short", tmp_path / "empty", tmp_path / "binary"
    short.write_text(f"{FIRST}\nshort\n")
    empty.write_text("\n")
    binary.write_bytes(b"\xff" * 20)
    problems = {
        str(short): f"ticket_secret_file: {short}: secret 2 must be at least 16 bytes, got 5",
        str(empty): f"ticket_secret_file: {empty} must hold a secret",
        str(binary): f"ticket_secret_file: {binary} must be text, one secret a line",
        "/nowhere": "ticket_secret_file: /nowhere cannot be read: No such file or directory",
    }
    for path, problem in problems.items():
        with pytest.raises(CannotStart) as raised:
            ticket_secrets(path, {})
        assert str(raised.value) == problem
        assert FIRST not in problem
    with pytest.raises(CannotStart, match=f"{VARIABLE}: secret 1 must be at least 16 bytes, got 5"):
        ticket_secrets("", {VARIABLE: "short"})
