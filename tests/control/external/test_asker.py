"""One thread for each source."""

import threading

import pytest

from control.external.asker import Asker
from control.external.asking import NoAnswer
from control.outbound import Answered
from tests.support.plane import until


async def test_an_answer_and_a_reason_for_none() -> None:
    asker = Asker("load")
    assert await asker.ask(lambda: Answered(b"5"), 60) == b"5"
    with pytest.raises(NoAnswer, match="answered 500"):
        await asker.ask(lambda: Answered(error="answered 500"), 60)


async def test_a_question_that_goes_on_is_neither_waited_for_nor_asked_again() -> None:
    asker, goes_on = Asker("load"), threading.Event()

    def slow() -> Answered:
        goes_on.wait(60)
        return Answered(b"late")

    with pytest.raises(NoAnswer, match=r"none within 0\.01s"):
        await asker.ask(slow, 0.01)
    with pytest.raises(NoAnswer, match="still goes on"):
        await asker.ask(slow, 60)
    goes_on.set()

    async def again() -> bytes | None:
        try:
            return await asker.ask(lambda: Answered(b"5"), 60)
        except NoAnswer:
            return None

    assert await until(again) == b"5"
