"""Overview, attention, runs and decisions in a browser."""

import pytest

from tests.web.browser.conftest import Visitor
from tests.web.browser.looking import bars_of, check
from tools.browser import WIDTHS

PATHS = [
    "/",
    "/?org=production",
    "/attention",
    "/attention?kind=held",
    "/runs",
    "/runs?outcome=changed&page=2",
    "/organization?org=production",
    "/audit",
    "/cadences?state=missing",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_for_everybody(visitor: Visitor, path: str) -> None:
    await visitor.go(path)
    await check(visitor.page)


async def test_the_charts_have_data(visitor: Visitor) -> None:
    await visitor.go("/")
    live, changes = await bars_of(visitor.page)
    assert live >= 5
    assert changes >= 13
    await visitor.page.get_by_text("The same as a table").first.click()
    assert await visitor.page.locator("figure.chart table").first.locator("tbody tr").count() >= 5


@pytest.mark.parametrize("width", WIDTHS)
async def test_no_word_of_a_chart_is_cut(visitor: Visitor, width: int) -> None:
    await visitor.page.set_viewport_size({"width": width, "height": 960})
    await visitor.go("/")
    cut = await visitor.page.eval_on_selector_all(
        ".pygal-chart text",
        """texts => texts.filter(text => {
            const word = text.getBoundingClientRect(), drawn = text.ownerSVGElement.getBoundingClientRect();
            return word.width && (word.left < drawn.left || word.right > drawn.right || word.bottom > drawn.bottom);
        }).map(text => text.textContent)""",
    )
    assert cut == []


async def test_a_run_with_changes_is_for_everybody(visitor: Visitor) -> None:
    await visitor.go("/runs?outcome=changed")
    await visitor.page.locator("tbody th a").first.click()
    assert await visitor.page.locator("ol.line > li").count() > 0
    await check(visitor.page)


async def test_held_deletions_are_found_looked_at_and_approved(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/")
    await page.get_by_role("link", name="Look at them, and approve or reject").first.click()
    await check(page)
    held = await page.get_by_role("table", name="Cadences that are missing").locator("tbody tr").count()
    assert held > 5
    await page.get_by_role("button", name=f"Approve: delete {held} cadences").click()
    assert f"Deletion of {held} cadences approved" in await page.get_by_role("status").inner_text()
    assert await page.get_by_role("button", name="Approve").count() == 0
    await check(page)
    await visitor.go("/audit")
    assert "approve" in await page.get_by_role("table").inner_text()


async def test_a_sync_is_asked_for(visitor: Visitor) -> None:
    await visitor.go("/organization?org=sandbox")
    await visitor.page.get_by_role("button", name="Sync now").click()
    assert "A sync of sandbox is queued." in await visitor.page.get_by_role("status").inner_text()


async def test_everything_works_by_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/")
    await page.keyboard.press("Tab")
    focus = "document.activeElement.textContent"
    assert await page.evaluate(focus) == "Skip to the content"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await page.evaluate(outline) == "solid"


async def test_another_time_zone_moves_the_times_and_stays(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/runs")
    time = page.locator("tbody time").first
    assert await time.inner_text() == "2026-11-20 09:30"
    await page.get_by_label("Times in").select_option("Asia/Tokyo")
    await page.get_by_role("button", name="Change").click()
    assert await page.locator("tbody time").first.inner_text() == "2026-11-20 18:30"
    await visitor.go("/organization?org=production")
    assert await page.get_by_label("Times in").input_value() == "Asia/Tokyo"


async def test_runs_are_filtered_by_a_form(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/runs")
    await page.get_by_label("Outcome").select_option("held")
    await page.get_by_role("button", name="Filter").click()
    assert set(await page.locator("tbody .badge").all_inner_texts()) == {"! held"}
    await page.get_by_role("link", name="Reset").click()
    assert page.url.endswith("/runs")
    await page.get_by_role("link", name="Next").click()
    assert await page.get_by_text("Page 2").count() == 1
