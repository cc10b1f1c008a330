"""One connection to the control service, and every way it can fail in words.

A verb gets a Client and calls it; whatever gRPC raises ends the verb with a line and an exit code here.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import click
import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no stubs
from understudy.checks import Violation
from understudy.checks.targets import check_target
from understudy.loading import Document
from understudy.v1 import outcomes_pb2_grpc, rollouts_pb2_grpc, services_pb2_grpc

DEFAULT_ADDRESS = "127.0.0.1:7080"
ANSWER_WITHIN = 10.0
"""Seconds a call may take; a control service that is there answers in milliseconds."""

_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1))
_DETAILS = "grpc-status-details-bin"

Response = TypeVar("Response", bound=Message)


class Failed(click.ClickException):
    """The operation failed: one line, exit code 1."""

    exit_code = 1

    def show(self, file: object = None) -> None:
        del file
        click.echo(f"understudy: {self.format_message()}", err=True)


class Refused(click.ClickException):
    """What was asked breaks a rule: a line for each, exit code 2."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))

    def show(self, file: object = None) -> None:
        del file
        click.echo(self.format_message(), err=True)


class Client:
    """The control service at one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self.services = services_pb2_grpc.ServicesStub(self._channel)
        self.rollouts = rollouts_pb2_grpc.RolloutsStub(self._channel)
        self.outcomes = outcomes_pb2_grpc.OutcomesStub(self._channel)

    def __repr__(self) -> str:
        return f"Client({self.address!r})"

    def ask(
        self, method: Callable[..., Response], request: Message, document: Document | None = None
    ) -> Response:
        """Call a method; `document` is the file the request was read from."""
        with self.translated(document):
            return method(request, timeout=ANSWER_WITHIN)

    @contextlib.contextmanager
    def translated(self, document: Document | None = None) -> Iterator[None]:
        """What gRPC raises inside leaves as Failed or Refused."""
        try:
            yield
        except grpc.RpcError as error:
            raise explain(error, self.address, document) from None

    def close(self) -> None:
        self._channel.close()


def check_address(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Click's callback for --control."""
    for violation in check_target(value, ""):
        raise click.BadParameter(str(violation), ctx=context, param=parameter)
    return value


def explain(error: grpc.RpcError, address: str, document: Document | None) -> click.ClickException:
    """A failed call as what the user can do about it."""
    assert isinstance(error, grpc.Call)  # noqa: S101  # every error of a started call is one
    code, details = error.code(), (error.details() or "").strip()
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            return Refused(_problems(error, details, document))
        case grpc.StatusCode.UNAVAILABLE:
            return _unavailable(address, " ".join(details.split()))
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Failed(f"no answer from {address} within {ANSWER_WITHIN:g}s; {_HOW}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return Failed(f"what listens at {address} is not a control service of this version; {_HOW}")
        case _:
            return Failed(" ".join(details.split()) or f"the control service answered {code.name}")


_NOBODY = re.compile(r"connect|resol|socket|stream|goaway|endpoint|address", re.IGNORECASE)
_HOW = "start one with `understudy control`, or name another with --control HOST:PORT or UNDERSTUDY_CONTROL"


def _unavailable(address: str, details: str) -> Failed:
    """Nobody there, or somebody there who cannot: gRPC has one code for both."""
    if details and not _NOBODY.search(details):
        return Failed(f"the control service at {address} cannot: {details}")
    cause = details
    for mark in ("Failed to connect to remote host: ", "error: ", "last error: "):
        if mark in details:
            cause = details.rpartition(mark)[2].strip(" ]").lower()
            break
    return Failed(f"no control service at {address} ({cause or 'cannot be reached'}); {_HOW}")


def _problems(error: grpc.Call, details: str, document: Document | None) -> list[str]:
    """The field violations one per line, with the file they stand in."""
    violations = list(_violations(error)) or [Violation("", details or "invalid argument")]
    if document is None:
        return [str(violation) for violation in violations]
    # The request holds the file's message in a field of the kind's name; the file itself does not.
    inside = f"{document.kind.lower()}."
    found = [Violation(each.field.removeprefix(inside), each.description) for each in violations]
    return document.problems(found)


def _violations(error: grpc.Call) -> Iterator[Violation]:
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS or not isinstance(value, bytes):
            continue
        with contextlib.suppress(DecodeError):
            for detail in status_pb2.Status.FromString(value).details:
                request = error_details_pb2.BadRequest()
                if detail.Unpack(request):
                    yield from (Violation(each.field, each.description) for each in request.field_violations)
