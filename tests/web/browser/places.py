"""A page that is served over a database, and a browser to look at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from playwright.async_api import Browser, async_playwright

from cadence_sync.config.settings import Settings
from cadence_sync.db.engine import open_engine
from cadence_sync.web.app import web_ui_app
from dashboards.tool.browser import chromium
from tests.bi.history import write_history
from tests.support.lab import SetClock

NOW: Final = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
"""When it is in the web UI: pictures of one history are the same on every day."""
WEEKS: Final = 104


def history(url: str, weeks: int = WEEKS) -> None:
    """Fill a migrated database."""

    async def fill() -> None:
        async with open_engine(url) as engine:
            await write_history(engine, NOW, weeks)

    asyncio.run(fill())


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Yield Debian's Chromium; root may not use its sandbox, and the pages are our own."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page_over(url: str) -> AsyncIterator[str]:
    """Yield the address of a page over a database."""

    async def ask(_org_id: str) -> str:
        return "entered"

    async with open_engine(url) as engine:
        runner = web.AppRunner(web_ui_app(Settings(), engine, SetClock(NOW), ask), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
