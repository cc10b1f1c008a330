"""Asks one source at a time from a thread that nobody has to wait for.

A look-up of a name takes as long as it likes and cannot be stopped. The threads of an executor would all be
used up by such, and would be waited for when the process ends; this one has one thread for each source.
"""

import asyncio
import threading
from collections.abc import Callable

from control.external.asking import NoAnswer
from control.outbound import Answered


class Asker:
    """Asks one source; a question that still goes on is not asked again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None

    async def ask(self, post: Callable[[], Answered], within: float) -> bytes:
        """The answer to what `post` asks, `within` seconds; NoAnswer where there is none."""
        if self._thread is not None and self._thread.is_alive():
            raise NoAnswer("the question before still goes on")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answered] = loop.create_future()

        def settle(answered: Answered) -> None:
            if not answer.done():
                answer.set_result(answered)

        def run() -> None:
            answered = post()
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, answered)

        self._thread = threading.Thread(target=run, name=f"metric {self._name}", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(within):
                answered = await answer
        except TimeoutError:
            raise NoAnswer(f"none within {within:g}s") from None
        if answered.error:
            raise NoAnswer(answered.error[:200])
        return answered.body
