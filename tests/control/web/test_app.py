import json
import re

import pytest

from control.web.app import STATIC

SCRIPTS = sorted(path.name for path in STATIC.glob("*.js"))


async def test_the_state_for_the_first_paint(page):
    state = json.loads(await page.get("/api/state"))

    assert [each["service"]["name"] for each in state["services"]] == ["fraud"]


@pytest.mark.parametrize("path", ["/", "/api/state", "/healthz", "/static/page.js", "/nothing-here"])
async def test_every_answer_lets_the_page_use_its_own_origin_only(page, path):
    async with page.ask(path) as answer:
        policy = answer.headers["content-security-policy"]

    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] in ("no-store", "no-cache")


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/events", "/healthz", "/static/page.js"])
async def test_nothing_can_be_changed_here(page, path):
    async with page.ask(path, "POST") as answer:
        assert answer.status == 405


async def test_nothing_outside_is_served(page):
    async with page.ask("/static/../app.py") as plain, page.ask("/static/%2e%2e/app.py") as encoded:
        assert (plain.status, encoded.status) == (404, 404)


async def test_all_that_the_page_names_is_there(page):
    html = (await page.get("/")).decode()
    named = set(re.findall(r'(?:src|href)="([^"]+)"', html))
    for script in SCRIPTS:
        text = (await page.get(f"/static/{script}")).decode()
        named |= {f"/static/{other}" for other in re.findall(r'from "\./([^"]+)"', text)}

    assert {"/static/page.js", "/static/page.css", "/static/dom.js"} <= named
    for path in named:
        assert await page.get(path), path


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere():
    html = (STATIC / "index.html").read_text()
    style = (STATIC / "page.css").read_text()

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html)
    assert not re.search(r"//|@import|url\(", style)
    assert not re.search(r"https?://", html)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_puts_names_in_as_text_only(script):
    text = (STATIC / script).read_text()

    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|\.style\b|import\("
    assert not re.search(banned, text)
    elsewhere = set(re.findall(r"https?://[\w./]+", text)) - {"http://www.w3.org/2000/svg"}
    assert elsewhere == set()
