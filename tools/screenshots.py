"""`make screenshots`: takes the documentation's pictures of the web UI."""

import asyncio
import sys
from pathlib import Path
from typing import Final

from cadence_sync.daemon.migration import migrate
from cadence_sync.db import embedded
from cadence_sync.db.engine import open_engine
from tools.browser import WIDTHS, fill_history, launched, web_ui_over

PICTURES: Final = {"overview": "/", "held": "/attention"}
"""Names of pictures, and their first pages."""
CLICKS: Final = {"held": "Look at them, and approve or reject"}
"""Links that are followed from there."""


async def take(url: str, folder: Path) -> None:
    """Takes each picture at both widths."""
    async with web_ui_over(url) as address, launched() as browser:
        for name, path in PICTURES.items():
            for width in WIDTHS:
                page = await browser.new_page(viewport={"width": width, "height": 960}, color_scheme="light")
                await page.goto(address + path)
                if name in CLICKS:
                    await page.get_by_role("link", name=CLICKS[name]).first.click()
                await page.screenshot(path=folder / f"page-{name}-{width}.png")
                await page.close()


def main(folder: Path) -> None:
    with embedded.temporary() as url:

        async def prepare() -> None:
            async with open_engine(url) as engine:
                await migrate(engine)

        asyncio.run(prepare())
        fill_history(url)
        asyncio.run(take(url, folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
