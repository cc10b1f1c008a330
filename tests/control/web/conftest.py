"""The page over fake views that show one service in the middle of a rollout."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_views import FakeViews
from tests.support.page import Page, serving
from tests.support.statuses import rollout_status, service_status, sidecar_statuses


@pytest.fixture
def views() -> FakeViews:
    return FakeViews([service_status()], [rollout_status()], sidecar_statuses())


@pytest.fixture
async def page(views: FakeViews) -> AsyncIterator[Page]:
    async with serving(views) as page:
        yield page
