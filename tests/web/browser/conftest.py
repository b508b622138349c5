"""The web UI over two years of a made-up history, in Debian's Chromium."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page

from tests.support.databases import Databases, database_in
from tools.browser import fill_history, launched, web_ui_over


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.system)


@dataclass
class Visitor:
    """A tab that forgives nothing: what the console complains of is a failure."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        response = await self.page.goto(self.url + path)
        assert response is not None
        assert response.status == 200, path


@pytest.fixture(scope="session")
def two_years(databases: Databases, template: str) -> Iterator[str]:
    """A database that holds them; it is cloned for each test."""
    url = databases.clone(template)
    fill_history(url)
    yield database_in(url)
    databases.drop(url)


@pytest.fixture
def history_url(databases: Databases, two_years: str) -> Iterator[str]:
    """A database of the test's own with two years of history."""
    url = databases.clone(two_years)
    yield url
    databases.drop(url)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest.fixture
async def visitor(browser: Browser, history_url: str) -> AsyncIterator[Visitor]:
    """Somebody who looks at that history on a screen of usual width."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(web_ui_over(history_url))
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        visitor = Visitor(page, url)
        page.on("console", lambda message: visitor.complaints.append(message.text))
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        yield visitor
        await page.close()
    assert visitor.complaints == []
