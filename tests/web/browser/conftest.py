"""The page over two years of a made-up history, in Debian's Chromium."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count

import pytest
from playwright.async_api import Browser, Page

from tests.conftest import clone_of, drop
from tests.web.browser.places import history, launched, page_over

_NUMBERS = count(1)


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
def two_years(server_url: str, template: str) -> Iterator[str]:
    """A database that holds them; it is cloned for each test."""
    name = f"two_years_{template}"
    url = clone_of(server_url, template, name)
    history(url)
    yield name
    drop(server_url, url)


@pytest.fixture
def history_url(server_url: str, two_years: str) -> Iterator[str]:
    """A database of the test's own with two years of history."""
    url = clone_of(server_url, two_years, f"{two_years}_{next(_NUMBERS)}")
    yield url
    drop(server_url, url)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest.fixture
async def visitor(browser: Browser, history_url: str) -> AsyncIterator[Visitor]:
    """Somebody who looks at that history on a screen of usual width."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(page_over(history_url))
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        visitor = Visitor(page, url)
        page.on("console", lambda message: visitor.complaints.append(message.text))
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        yield visitor
        await page.close()
    assert visitor.complaints == []
