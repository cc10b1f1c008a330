"""The `Outcomes` service: judges what is reported, keeps it, and answers once it is kept.

Many outcomes are judged and written some at a time, so that neither sidecars nor rollouts wait for long.
"""

# ruff: noqa: N802 - the methods are named in the .proto

import asyncio
from typing import Any

from understudy.checks import Violation
from understudy.checks.names import check_name
from understudy.v1 import outcomes_pb2, outcomes_pb2_grpc

from control.api.errors import refuse_fields, refusing
from control.clock import Clock
from control.delivery.board import Board
from control.outcomes.intake import Known, Refused, Rules, judge
from control.refusals import NotThere
from control.store.outcomes import OutcomeLog

MOST = 10_000
AT_ONCE = 1_000
MOST_REFUSALS = 1_000


TOO_MANY_SINCE = Refused("too_old", "there were too many outcomes since to know whether this one came before")


def _refuse(answer: outcomes_pb2.OutcomesReportResponse, index: int, refused: Refused) -> None:
    answer.rejected += 1
    if len(answer.refusals) < MOST_REFUSALS:
        answer.refusals.add(index=index, reason=refused.reason, description=refused.description)


class OutcomesApi(outcomes_pb2_grpc.OutcomesServicer):
    """Takes outcomes by the rules of this control service."""

    def __init__(self, log: OutcomeLog, board: Board, clock: Clock, rules: Rules) -> None:
        self._log = log
        self._board = board
        self._clock = clock
        self._rules = rules

    async def Report(
        self, request: outcomes_pb2.OutcomesReportRequest, context: Any
    ) -> outcomes_pb2.OutcomesReportResponse:
        if len(request.outcomes) > MOST:
            text = f"must have at most {MOST} entries, got {len(request.outcomes)}"
            await refuse_fields(context, [Violation("outcomes", text)])
        answer = outcomes_pb2.OutcomesReportResponse()
        async with refusing(context):
            for start in range(0, len(request.outcomes), AT_ONCE):
                await self._take(request, start, answer)
                await asyncio.sleep(0)
        return answer

    async def Summary(
        self, request: outcomes_pb2.OutcomesSummaryRequest, context: Any
    ) -> outcomes_pb2.OutcomesSummaryResponse:
        if violations := check_name(request.service, "service"):
            await refuse_fields(context, violations)
        async with refusing(context):
            if not self._is_service(request.service):
                raise NotThere(f"no service is called {request.service!r}")
            return outcomes_pb2.OutcomesSummaryResponse(figures=await self._log.figures(request.service))

    async def _take(
        self,
        request: outcomes_pb2.OutcomesReportRequest,
        start: int,
        answer: outcomes_pb2.OutcomesReportResponse,
    ) -> None:
        """Judge and keep the outcomes from `start` on, and add to the answer what became of them."""
        now = self._clock.wall()
        known: list[Known] = []
        places: list[int] = []
        for index, outcome in enumerate(request.outcomes[start : start + AT_ONCE], start):
            match judge(outcome, self._rules, self._is_service, now):
                case Known() as one:
                    known.append(one)
                    places.append(index)
                case Refused() as refused:
                    _refuse(answer, index, refused)
        taken = await self._log.take(known, now, self._rules.horizon)
        for place in taken.forgotten:
            _refuse(answer, places[place], TOO_MANY_SINCE)
        answer.accepted += taken.accepted
        answer.duplicates += taken.duplicates
        answer.unmatched += taken.unmatched

    def _is_service(self, name: str) -> bool:
        return self._board.newest(name) is not None
