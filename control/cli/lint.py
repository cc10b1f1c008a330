"""`understudy lint`: the checks that every process makes of its files, before any process is started."""

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import click
from understudy.checks import Violation
from understudy.checks.control import check_control
from understudy.checks.reach import unreachable_routes
from understudy.checks.service import check_service
from understudy.checks.sidecar import check_sidecar
from understudy.loading import Document, InvalidFile, load_document
from understudy.loading.document import KINDS
from understudy.v1 import rollout_pb2, service_pb2

from control.cli.output import Format, show, with_output
from control.cli.render.proofs import render_proofs
from control.rollout.estimates import estimates, imagined, is_provable
from control.rollout.strategies import check_rollout

_SUFFIXES = (".yaml", ".yml", ".json")
_KINDS = "|".join(KINDS)
_OURS = re.compile(rf"""^(?:kind|\s*\{{?\s*"kind")\s*:\s*["']?(?:{_KINDS})\b""", re.MULTILINE)
_KUBERNETES = re.compile(r"""^(?:apiVersion|\s*\{?\s*"apiVersion")\s*:""", re.MULTILINE)
_CHECKS: Mapping[str, Callable[[Any], list[Violation]]] = {
    "Sidecar": check_sidecar,
    "Control": check_control,
    "Service": check_service,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A file, what is wrong with it, and what is allowed but hardly meant."""

    path: pathlib.Path
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> Sequence[str]:
        return (*(self.problems or (f"{self.path}: ok",)), *self.warnings, *self.notes)

    def plain(self) -> dict[str, Any]:
        return {
            "file": str(self.path),
            "ok": not self.problems,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }


@click.command()
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", type=click.Path(path_type=pathlib.Path))
@click.argument("more", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=pathlib.Path))
@with_output
def lint(output: Format, files: Sequence[pathlib.Path], more: Sequence[pathlib.Path]) -> None:
    """Check files of every kind, and in directories those that are Understudy's.

    A Rollout is also checked against its service where that is among the files, and told how many calls its
    proofs will take. A route that no call can reach is warned of, which is no error, and so is a criterion
    that can never be proven.
    """
    if not (files or more):
        raise click.UsageError("name at least one file with -f")
    findings = examine([path for given in (*files, *more) for path in expand(given)])
    show(
        output,
        lambda: [each.plain() for each in findings],
        lambda: [line for each in findings for line in each.lines()],
    )
    if any(each.problems for each in findings):
        raise click.exceptions.Exit(2)


def expand(path: pathlib.Path) -> list[pathlib.Path]:
    """The file itself, or a directory's files that name a kind of ours; the directory where it has none."""
    if not path.is_dir():
        return [path]
    inside = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
    return [each for each in inside if is_ours(each.read_text(errors="replace"))] or [path]


def is_ours(text: str) -> bool:
    """Names a kind of ours and is no Kubernetes object; told from the text, since it may not parse."""
    return _OURS.search(text) is not None and _KUBERNETES.search(text) is None


def examine(paths: Sequence[pathlib.Path]) -> list[Finding]:
    """Every file once, in the order given, with all its problems."""
    read = {path: _read(path) for path in paths}
    documents = [each for each in read.values() if isinstance(each, Document)]
    services = [service for document in documents for service in _services(document)]
    return [_judge(path, each, services) for path, each in read.items()]


def _read(path: pathlib.Path) -> Document | InvalidFile:
    if path.is_dir():
        return InvalidFile([f"{path}: holds no file that begins with kind: {' | '.join(KINDS)}"])
    try:
        return load_document(path)
    except InvalidFile as error:
        return error


def _services(document: Document) -> Iterator[service_pb2.Service]:
    """The sound services that a file describes."""
    match document.kind:
        case "Service":
            service = document.message
        case "Sidecar" if document.message.HasField("service"):
            service = document.message.service
        case _:
            return
    if not check_service(service):
        yield service


def _judge(
    path: pathlib.Path, read: Document | InvalidFile, services: Sequence[service_pb2.Service]
) -> Finding:
    match read:
        case InvalidFile():
            return Finding(path, tuple(read.problems))
        case Document(kind="Rollout"):
            broken = tuple(read.problems(_check_rollout(read.message, services)))
            return Finding(path, broken) if broken else _with_proofs(path, read.message)
        case Document():
            problems = read.problems(_CHECKS[read.kind](read.message))
            return Finding(path, tuple(problems), () if problems else tuple(_warnings(read)))
        case _:
            assert_never(read)


def _with_proofs(path: pathlib.Path, rollout: rollout_pb2.Rollout) -> Finding:
    """A sound rollout: how many calls its proofs will take, and which can never come."""
    proofs = estimates(imagined(rollout))
    never = [each for each in proofs if not is_provable(each)]
    others = [each for each in proofs if is_provable(each)]
    return Finding(
        path,
        (),
        warnings=tuple(f"{path}: warning: {each.require!r} {each.note}" for each in never),
        notes=tuple(f"{path}: {line}" for line in render_proofs(others)),
    )


def _warnings(document: Document) -> Sequence[str]:
    """Lines on what a sound file says in vain."""
    match document.kind:
        case "Service":
            found = unreachable_routes(document.message)
        case "Sidecar":
            found = unreachable_routes(document.message.service, "service")
        case _:
            found = []
    return document.problems([Violation(each.field, f"warning: {each.description}") for each in found])


def _check_rollout(
    rollout: rollout_pb2.Rollout, services: Sequence[service_pb2.Service]
) -> Sequence[Violation]:
    """Held against its service; where files give several of that name, one that it fits will do."""
    named = [service for service in services if service.name == rollout.service]
    found = [check_rollout(rollout, service) for service in named] or [check_rollout(rollout)]
    return min(found, key=len)
