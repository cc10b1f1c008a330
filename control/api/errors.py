"""Refusals as gRPC statuses: a line that can be read, and the fields for a program."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # they ship no stubs
from sqlalchemy.exc import DatabaseError
from understudy.checks import Violation

from control.refusals import AlreadyThere, Invalid, NotNow, NotThere
from control.store.errors import Conflict
from control.store.trouble import describe

DETAILS_KEY = "grpc-status-details-bin"

# Callers refuse trailers of more than 8 KiB in all, and then learn nothing. The message is in them twice,
# once escaped to up to three times its size; the details a third larger.
MESSAGE_ROOM = 800
FIELDS_ROOM = 2600
FIELD_ROOM = 500


async def refuse_fields(context: Any, violations: Sequence[Violation]) -> NoReturn:
    """INVALID_ARGUMENT, with every field that breaks a rule, as far as there is room."""
    message = _cut("; ".join(str(found) for found in violations), MESSAGE_ROOM)
    code = grpc.StatusCode.INVALID_ARGUMENT
    packed = Packed()
    packed.Pack(_bad_request(violations))
    status = status_pb2.Status(code=code.value[0], message=message, details=[packed])
    await refuse(context, code, message, ((DETAILS_KEY, status.SerializeToString()),))


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    for index, found in enumerate(violations):
        one = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(found.field, FIELD_ROOM), description=_cut(found.description, FIELD_ROOM)
        )
        if request.ByteSize() + one.ByteSize() > FIELDS_ROOM:
            request.field_violations.add(description=f"and {len(violations) - index} more")
            break
        request.field_violations.append(one)
    return request


def _cut(text: str, room: int) -> str:
    """No more than so many bytes of it."""
    data = text.encode()
    return text if len(data) <= room else data[: room - 3].decode(errors="ignore") + "…"


async def refuse(
    context: Any, code: grpc.StatusCode, message: str, trailers: Sequence[tuple[str, bytes]] = ()
) -> NoReturn:
    """End the call with a status."""
    await context.abort(code, _cut(message, MESSAGE_ROOM), tuple(trailers))
    raise AssertionError("abort raises")


@contextlib.asynccontextmanager
async def refusing(context: Any) -> AsyncIterator[None]:
    """Turn what is raised inside into the status that says it."""
    try:
        yield
    except Invalid as error:
        await refuse_fields(context, error.violations)
    except NotThere as error:
        await refuse(context, grpc.StatusCode.NOT_FOUND, str(error))
    except AlreadyThere as error:
        await refuse(context, grpc.StatusCode.ALREADY_EXISTS, str(error))
    except NotNow as error:
        await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except Conflict as error:
        await refuse(context, grpc.StatusCode.ABORTED, f"{error}; nothing was done, ask again")
    except DatabaseError as error:
        text = f"the store: {describe(error)}; nothing was done"
        await refuse(context, grpc.StatusCode.UNAVAILABLE, text)
