"""The web UI over a sample history, and a browser to open it."""

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
from tests.support.lab import SetClock
from tools.sample_history import write_history

NOW: Final = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
"""The web UI's clock, so that pictures of one history stay the same."""
WEEKS: Final = 104
WIDTHS: Final = (375, 1440)
"""A phone and a desktop, in CSS pixels."""


def fill_history(url: str, weeks: int = WEEKS) -> None:
    """Fills a migrated database."""

    async def fill() -> None:
        async with open_engine(url) as engine:
            await write_history(engine, NOW, weeks)

    asyncio.run(fill())


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Yields Debian's Chromium, without its sandbox, which root may not use; the pages are our own."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def web_ui_over(url: str) -> AsyncIterator[str]:
    """Yields the address of the web UI over a database."""

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
