"""The image: pinned, without root, and made from what is in the repository."""

import fnmatch
import json
import re
import tomllib

import pytest

from tests.support.manifests import ROOT

VERSION = re.compile(r"\d+\.\d+\.\d+-\S+")


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line]


def values(keyword: str) -> list[str]:
    return [value for name, value in instructions() if name == keyword]


def final() -> list[tuple[str, str]]:
    """The instructions of the last stage."""
    last = max(index for index, (name, _) in enumerate(instructions()) if name == "FROM")
    return instructions()[last:]


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a top-level path from the builder: its last rule that fits decides."""
    verdict = False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        if rule and not rule.startswith("#") and fnmatch.fnmatch(name, rule.removeprefix("!")):
            verdict = not rule.startswith("!")
    return verdict


def test_stages_share_one_pinned_base() -> None:
    images = [value.split()[0] for value in values("FROM")]

    assert len(images) == 2
    assert len(set(images)) == 1, "the environment links to its base's interpreter"
    name, tag = images[0].split(":")
    assert name == "python"
    assert tag.startswith("3.11.")
    assert "slim" in tag
    assert VERSION.fullmatch(tag)


def test_runs_as_a_number_that_is_not_root() -> None:
    users = [value for name, value in final() if name == "USER"]

    assert users[-1] == "65532:65532"
    assert not {"RUN", "COPY"} & {name for name, _ in final()[final().index(("USER", users[-1])) :]}


def test_starts_without_a_shell() -> None:
    assert [json.loads(value) for value in values("ENTRYPOINT")] == [["understudy"]]
    assert [json.loads(value)[0] for value in values("CMD")] == ["proxy"]


def test_the_entrypoint_is_what_the_package_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["scripts"].keys() == {"understudy"}
    assert "otlp" in project["project"]["optional-dependencies"]
    assert any("[otlp]" in value for value in values("RUN"))


def test_installs_what_is_pinned_and_nothing_for_development() -> None:
    installs = re.findall(r"\bpip(?: --\S+ \S+)? install ([^&]*)", " && ".join(values("RUN")))

    assert len(installs) == 2
    assert all("-c constraints.txt" in each for each in installs)
    assert not any("--group" in each or "-e " in each for each in installs)


def test_copies_only_what_is_there_and_not_ignored() -> None:
    sources = [
        source for value in values("COPY") if not value.startswith("--from") for source in value.split()[:-1]
    ]

    assert {"proxy", "control", "protos", "pyproject.toml", "constraints.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert not ignored(source)


def test_copies_all_that_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    files = [project["project"]["readme"], *project["project"]["license-files"]]
    sources = {source for value in values("COPY") for source in value.split()[:-1]}

    assert {package.partition("/")[0] for package in packages} | set(files) <= sources


@pytest.mark.parametrize("name", [".git", "tests", ".venv", "understudy.db", "examples"])
def test_the_builder_gets_nothing_else(name: str) -> None:
    assert ignored(name)


def test_no_latest_anywhere() -> None:
    files = [*(ROOT / "deploy").rglob("*.yaml"), ROOT / "deploy" / "Dockerfile"]

    assert not [file for file in files if re.search(r"(FROM|image:) \S+:latest", file.read_text())]
    assert all(":" in value.split()[0] for value in values("FROM"))
