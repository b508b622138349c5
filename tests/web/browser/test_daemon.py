"""The web UI of a real daemon over a simulated Zoho: what is clicked is done."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, Page

from cadence_sync.simulator.edits import delete
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.cli.test_serve import free_port, until_ready
from tests.support import cli
from tests.web.browser.looking import check

TOKEN = "a-token-of-some-length"


async def shown(page: Page, words: str) -> None:
    """Load the page again until it says so: workers take their time."""
    async with asyncio.timeout(cli.PATIENCE):
        while words not in await page.locator("main").inner_text():
            await asyncio.sleep(0.1)
            await page.reload()


async def test_the_demo_shows_its_page(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    process = await cli.start("demo", "--serve", cwd=tmp_path, WEB_PORT=str(port))
    page = await browser.new_page()
    try:
        await until_ready(port)
        await page.goto(f"http://127.0.0.1:{port}/organization?org=default")
        await page.get_by_role("button", name="Sync now").click()
        assert "default was synced." in await page.get_by_role("status").inner_text()
        await page.get_by_role("link", name="Run 2").click()
        assert "1 new" in await page.locator("main").inner_text()
    finally:
        await page.close()
        process.terminate()
        async with asyncio.timeout(cli.PATIENCE):
            await process.communicate()
    assert process.returncode == 143


async def test_from_the_login_to_deletions_that_are_approved(
    browser: Browser, database_url: str, tmp_path: Path
) -> None:
    simulator, port = Simulator(cadences=25, clock=SystemClock().now), free_port()
    async with running(simulator) as zoho:
        settings = cli.zoho_settings(zoho, DATABASE_URL=database_url, SYNC_INTERVAL="1d", WEB_TOKEN=TOKEN)
        process = await cli.start("serve", cwd=tmp_path, WEB_PORT=str(port), **settings)
        page = await browser.new_page()
        try:
            await until_ready(port)
            await page.goto(f"http://127.0.0.1:{port}/")
            await check(page)
            await page.get_by_label("Token").fill("wrong")
            await page.get_by_role("button", name="Log in").click()
            assert "That is not the token." in await page.get_by_role("alert").inner_text()
            await page.get_by_label("Token").fill(TOKEN)
            await page.get_by_role("button", name="Log in").click()
            await shown(page, "default")
            for cadence_id in list(simulator.orgs[0].cadences)[:8]:
                delete(simulator.orgs[0], cadence_id)
            await page.get_by_role("link", name="default").click()
            await page.get_by_role("button", name="Sync now").click()
            await page.goto(f"http://127.0.0.1:{port}/")
            await shown(page, "8 cadences disappeared at once")
            await page.get_by_role("link", name="Look at them").click()
            await page.get_by_role("button", name="Approve").click()
            await page.get_by_role("link", name="default").first.click()
            await page.get_by_role("button", name="Sync now").click()
            await page.goto(f"http://127.0.0.1:{port}/runs?outcome=changed")
            await shown(page, "Run 3")
            await page.get_by_role("link", name="Run 3").click()
            assert "8 gone" in await page.locator("main").inner_text()
            await page.get_by_role("button", name="Log out").click()
            await page.goto(f"http://127.0.0.1:{port}/runs/3")
            assert "/login" in page.url
        finally:
            await page.close()
            process.terminate()
            async with asyncio.timeout(cli.PATIENCE):
                _, err = await process.communicate()
        assert process.returncode == 143
        assert TOKEN.encode() not in err
        assert b"web_request_failed" not in err
