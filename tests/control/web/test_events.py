import asyncio

from control.web.app import MAX_STREAMS
from tests.support.page import serving


async def test_the_state_comes_at_once_and_again_after_a_change(page, views):
    async with page.ask("/api/events") as stream:
        first = await stream.event()
        views.shown_rollouts[0].phase = "Paused"
        views.changed()
        second = await stream.event()

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    assert [each["rollouts"][0]["phase"] for each in (first, second)] == ["Progressing", "Paused"]


async def test_figures_of_the_last_minute_are_sent_anew_without_a_change(views):
    async with serving(views, refresh=0.01) as page, page.ask("/api/events") as stream:
        for _ in range(3):
            assert (await stream.event())["services"]


async def test_a_stream_ends_with_the_updates(page, views):
    async with page.ask("/api/events") as stream:
        await stream.event()
        views.end()
        await stream.end()


async def test_a_server_with_open_streams_stops_at_once(views):
    took = []
    for _ in range(3):
        async with serving(views) as page, page.ask("/api/events") as stream:
            await stream.event()
            started = asyncio.get_running_loop().time()
            views.end()
            await page.server.stop()
            took.append(asyncio.get_running_loop().time() - started)

    assert min(took) < 0.8  # where it waited for the stream each would be a second more than its own 0.1 s


async def test_a_reader_that_leaves_is_not_listened_for_any_more(page, views):
    async with page.ask("/api/events") as stream:
        await stream.event()
        assert len(views.readers) == 1

    async with asyncio.timeout(60):
        await views.deserted.wait()
    assert views.readers == set()


async def test_a_question_for_the_headers_alone_gets_no_stream(page):
    async with page.ask("/api/events", "HEAD") as answer:
        assert answer.status == 200
    assert page.views.readers == set()


async def test_one_page_too_many_is_told_to_come_back_and_the_rest_is_served(page):
    async with asyncio.timeout(30):
        streams = [page.ask("/api/events") for _ in range(MAX_STREAMS)]
        for stream in streams:
            await (await stream.__aenter__()).event()
        async with page.ask("/api/events") as refused:
            assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert await page.get("/healthz") == b'{"status":"ok"}'
        for stream in streams:
            await stream.__aexit__(None, None, None)
