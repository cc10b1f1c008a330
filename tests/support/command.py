"""The `understudy` command, in this process or in one of its own."""

import contextlib
import io
import sys
from dataclasses import dataclass

from understudy.cli import main


@dataclass(frozen=True)
class Result:
    """What a user sees of a command."""

    exit_code: int
    out: str
    err: str


def run(*arguments: str) -> Result:
    """Run `understudy ARGUMENTS` as a shell would, standard output being no terminal."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["understudy", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        sys.argv = before
    return Result(code, out.getvalue(), err.getvalue())
