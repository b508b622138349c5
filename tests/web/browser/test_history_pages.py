"""The pages of cadences, changes and the past, as people use them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, expect

from cadence_sync.db.engine import open_engine
from tests.support.databases import Databases
from tests.web.browser.attacks import EVIL, PAYLOADS, WORK, write_attacks
from tools.browser import NOW, web_ui_over

NARROW = 375
_EVIL = quote(EVIL, safe="")
PATHS = (
    "/cadences",
    "/cadences?state=all&sort=changed&order=desc",
    "/cadences?search=nothing+like+that",
    f"/cadences/{_EVIL}/0",
    f"/cadences/{_EVIL}/7",
    f"/cadences/{_EVIL}/7/versions?all=1",
    f"/cadences/{_EVIL}/0/at?on=2026-11-19",
    f"/cadences/{_EVIL}/0/at?on=%3Cscript%3Ealert(1)%3C/script%3E",
    "/changes",
    f"/changes?org={_EVIL}",
    f"/changes?search={quote(PAYLOADS[1])}&person={quote(PAYLOADS[2])}",
    "/past",
    "/past?on=2025-05-01",
    f"/past?on=2026-11-20&org={_EVIL}",
    "/past/difference",
    "/past/difference?from=2026-10-01",
    f"/past/difference?from=2026-11-19&to=2026-11-20&from_time=12:00&org={_EVIL}",
    "/past/difference?from=2024-01-01&to=%22%3E%3Csvg/onload=alert(1)%3E",
)
_INJECTED = """() => [...document.querySelectorAll(
    'script, img, svg:not(.pygal-chart), iframe, object, embed, b, [onerror], [onload], [href^="javascript:"]'
)].map(element => element.outerHTML.slice(0, 200))"""
_PARTS = ("year", "month", "day", "picker")
"""The stops that one field of a day has."""
_REACHED = """() => {
    const wanted = 'a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]';
    const all = [...document.querySelectorAll(wanted)];
    return all.filter(each => each.checkVisibility()).length
}"""


@dataclass
class Tab:
    """A page of the browser, and what went wrong in it."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        """Go there; the server must have an answer."""
        answer = await self.page.goto(self.base + path)
        assert answer is not None
        assert answer.status < 500, path
        return self.page


@asynccontextmanager
async def tab(browser: Browser, base: str, **how: Any) -> AsyncIterator[Tab]:
    """Yield a tab with a profile of its own; whatever the browser complains of is collected."""
    context = await browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | how))
    page = await context.new_page()
    found = Tab(page, base)

    async def dismiss(dialog: Dialog) -> None:
        found.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            found.complaints.append(f"{page.url}: {message.text}")

    page.on("dialog", dismiss)
    page.on("console", listen)
    page.on("pageerror", lambda error: found.complaints.append(f"{page.url}: {error}"))
    try:
        yield found
    finally:
        await context.close()


@pytest.fixture(scope="session")
def attacked_url(databases: Databases, two_years: str) -> Iterator[str]:
    """Two years of history and an organization of attacks, which nobody changes."""
    url = databases.clone(two_years)

    async def fill() -> None:
        async with open_engine(url) as engine:
            await write_attacks(engine, NOW)

    asyncio.run(fill())
    yield url
    databases.drop(url)


@pytest.fixture
async def site_url(attacked_url: str) -> AsyncIterator[str]:
    async with web_ui_over(attacked_url) as address:
        yield address


async def test_a_change_is_found_by_clicking(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url) as found:
        page = await found.open("/")
        await page.get_by_role("link", name="Cadences", exact=True).click()
        await expect(page.get_by_role("heading", name="Cadences")).to_be_visible()
        await page.get_by_role("combobox", name="Organization").select_option(WORK)
        await page.get_by_role("button", name="Filter").click()
        await page.get_by_role("link", name="Last change").click()
        await page.get_by_role("link", name="Last change").click()
        await expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")
        await page.locator("tbody th a").first.click()
        name = await page.get_by_role("heading", level=1).inner_text()
        assert await page.locator("ol.line > li").count() > 1
        await page.get_by_role("button", name="Compare").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("beside version")
        await page.get_by_label("also what is the same").check()
        await page.get_by_role("button", name="Compare").click()
        assert await page.locator("tbody tr").count() >= 15
        await page.get_by_role("link", name=name).click()
        await page.get_by_label("Day", exact=True).fill("2026-11-18")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("As it was on 2026-11-18 23:59:59")
        assert found.complaints == []


async def test_who_changed_what_is_found_by_clicking(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url) as found:
        page = await found.open("/")
        await page.get_by_role("link", name="Changes", exact=True).click()
        await page.get_by_role("combobox", name="Organization").select_option(WORK)
        await page.get_by_label("Setting").select_option("name")
        await page.get_by_role("button", name="Filter").click()
        first = page.locator("ol.line > li").first
        await expect(first.locator(".fields")).to_contain_text("Name")
        assert await first.locator("del").count() >= 1
        who = await first.locator("a[href*='person='] [title]").get_attribute("title")
        await first.locator("a[href*='person=']").click()
        await expect(page.get_by_role("combobox", name="By", exact=True)).to_have_value(re.compile(r"\d+"))
        assert (
            await page.locator("ol.line > li").count() == await page.locator(f"ol.line > li p [title='{who}']").count()
        )
        await page.get_by_role("link", name="Reset").click()
        await page.get_by_role("link", name="Older").click()
        await expect(page.get_by_role("link", name="Newest")).to_be_visible()
        await page.locator("ol.line > li a[href^='/cadences/']").first.click()
        assert await page.locator("li:target").count() == 1
        assert found.complaints == []


async def test_the_past_is_found_by_clicking(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url, timezone_id="Asia/Tokyo") as found:
        page = await found.open("/past")
        await page.get_by_label("Times in").select_option("Europe/Berlin")
        await page.get_by_role("button", name="Change").click()
        await page.get_by_label("Day", exact=True).fill("2025-05-01")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("2025-05-01 23:59:59")
        await expect(page.locator("p.wrong")).to_contain_text("nothing is known")
        assert await page.locator("tbody tr").count() > 20
        await page.locator("tbody th a").first.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("As it was on 2025-05-01 23:59:59")
        await page.get_by_role("link", name="Time travel").click()
        await page.get_by_role("link", name="Or compare two times").click()
        await page.get_by_label("From", exact=True).fill("2025-05-01")
        await page.get_by_label("To", exact=True).fill("2025-08-01")
        await page.get_by_role("button", name="Compare").click()
        assert await page.locator("ol.line > li").count() > 5
        await page.get_by_role("link", name="side by side").first.click()
        await expect(page.locator("del").first).to_be_visible()
        await page.go_back()
        await page.get_by_role("link", name="who and when").first.click()
        await expect(page.locator("ol.line > li").first).to_be_visible()
        await page.get_by_role("link", name="Changes", exact=True).click()
        await page.get_by_role("link", name="90 days").click()
        await expect(page.locator("ol.line > li").first).to_be_visible()
        assert found.complaints == []


async def test_no_text_becomes_markup_or_runs(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url) as found:
        for path in PATHS:
            page = await found.open(path)
            assert await page.evaluate(_INJECTED) == [], path
        assert [each for each in found.complaints if "400" not in each] == []
        text = await (await found.open(f"/cadences/{_EVIL}/0")).inner_text("main")
        assert PAYLOADS[0] in text
        assert f"1{PAYLOADS[0]}" in text


async def test_axe_finds_nothing_serious(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url) as found:
        faults = [fault for path in PATHS for fault in await _faults(await found.open(path), path)]
        assert faults == []


async def test_colors_are_reported_apart_in_the_dark(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url, color_scheme="dark") as found:
        faults = [fault for path in PATHS for fault in await _faults(await found.open(path), path, ["color-contrast"])]
        assert faults == []


async def test_nothing_is_wider_than_a_telephone(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url, viewport={"width": NARROW, "height": 800}) as found:
        widths = {
            path: await (await found.open(path)).evaluate("document.documentElement.scrollWidth") for path in PATHS
        }
        assert {path: width for path, width in widths.items() if width > NARROW} == {}
        faults = [fault for path in PATHS[::4] for fault in await _faults(await found.open(path), path)]
        assert faults == []


async def test_everything_is_reached_by_keyboard(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url) as found:
        for path in (f"/cadences?org={_EVIL}", f"/cadences/{_EVIL}/1", "/past?on=2026-11-20&search=demo", "/changes"):
            await _tab_through(found, path)


async def test_pages_need_no_script(browser: Browser, site_url: str) -> None:
    async with tab(browser, site_url, java_script_enabled=False) as found:
        page = await found.open("/cadences")
        await page.get_by_label("Name or id").fill("demo")
        await page.get_by_role("button", name="Filter").click()
        assert "search=demo" in page.url
        assert all("demo" in name.lower() for name in await page.locator("tbody th").all_inner_texts())


async def _faults(page: Page, path: str, rules: list[str] | None = None) -> list[str]:
    options: dict[str, object] = {"resultTypes": ["violations"]}
    reported = (await Axe().run(page, options=options | ({"runOnly": rules} if rules else {}))).response["violations"]
    return [
        f"{path}: {fault['id']}: {fault['nodes'][0]['html'][:200]}"
        for fault in reported
        if fault["impact"] in {"serious", "critical"}
    ]


async def _tab_through(found: Tab, path: str) -> None:
    page = await found.open(path)
    wanted = await page.evaluate(_REACHED)
    await page.evaluate("() => { window.met = new Set() }")
    for _ in range(wanted + len(_PARTS) * await page.locator("[type=date], [type=time]").count()):
        await page.keyboard.press("Tab")
        await page.evaluate(
            "() => { if (document.activeElement !== document.body) window.met.add(document.activeElement) }"
        )
    assert await page.evaluate("() => window.met.size") == wanted, path
