"""What a page must be for everybody: readable for a screen reader, by keyboard, on a telephone, in the dark."""

from typing import Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tools.browser import WIDTHS

GRAVE: Final = {"serious", "critical"}


async def check(page: Page) -> None:
    """Check the page that is shown at both widths, light and dark."""
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{page.url} is {wide} wide on a screen of {width}"
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
            found = await Axe().run(page)
            grave = [each for each in found.response["violations"] if each["impact"] in GRAVE]
            assert not grave, f"{page.url} {width} {scheme}\n{found.generate_report()}"


async def bars_of(page: Page) -> list[int]:
    """Return how many bars that can be seen each chart has."""
    count = """
        svgs => svgs.map(svg => [...svg.querySelectorAll("rect.rect")].filter(bar => {
            const box = bar.getBoundingClientRect();
            return box.width > 0 && box.height > 0 && getComputedStyle(bar).fill !== "none";
        }).length)
    """
    counts: list[int] = await page.eval_on_selector_all("figure.chart svg", count)
    return counts
