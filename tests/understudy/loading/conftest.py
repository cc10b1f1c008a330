import pathlib
from collections.abc import Callable

import pytest
from understudy.loading import InvalidFile, load_file

Write = Callable[[str | bytes], pathlib.Path]
Refused = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    def write_one(text: str | bytes) -> pathlib.Path:
        path = tmp_path / "file.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_one


@pytest.fixture
def refused(write: Write) -> Refused:
    """The problems of a file, the directory in front of each cut off."""

    def problems_of(text: str | bytes, *kinds: str) -> list[str]:
        path = write(text)
        with pytest.raises(InvalidFile) as caught:
            load_file(path, *kinds)
        problems = caught.value.problems
        assert problems
        assert all(problem.startswith(str(path)) and len(problem.splitlines()) == 1 for problem in problems)
        return [problem.removeprefix(f"{path.parent}/") for problem in problems]

    return problems_of
