"""Refusals as gRPC statuses: a line that can be read, and the fields for a program."""

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # they ship no stubs
from sqlalchemy.exc import DatabaseError
from understudy.checks import Violation

from control.refusals import AlreadyThere, Invalid, NotNow, NotThere
from control.store.errors import Conflict

logger = logging.getLogger(__name__)

DETAILS_KEY = "grpc-status-details-bin"


async def refuse_fields(context: Any, violations: Sequence[Violation]) -> NoReturn:
    """INVALID_ARGUMENT, with every field that breaks a rule."""
    message = "; ".join(str(found) for found in violations)
    code = grpc.StatusCode.INVALID_ARGUMENT
    details = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=found.field, description=found.description)
            for found in violations
        ]
    )
    packed = Packed()
    packed.Pack(details)
    status = status_pb2.Status(code=code.value[0], message=message, details=[packed])
    await refuse(context, code, message, ((DETAILS_KEY, status.SerializeToString()),))


async def refuse(
    context: Any, code: grpc.StatusCode, message: str, trailers: Sequence[tuple[str, bytes]] = ()
) -> NoReturn:
    """End the call with a status."""
    await context.abort(code, message, tuple(trailers))
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
        logger.exception("the store failed")
        await refuse(context, grpc.StatusCode.UNAVAILABLE, f"the store failed: {error.orig}")
