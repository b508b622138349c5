"""Looks at the dashboard as a person does: in a browser, until every chart has its data."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from cadence_sync.wiring import SystemClock
from dashboards.tool.browser import Page, page
from dashboards.tool.client import Client

WIDTH: Final = 1400
HEIGHT: Final = 2400
"""As high as the dashboard, since charts that are out of sight ask for nothing."""

PATIENCE: Final = 120
CALM: Final = 4
"""So many times in a row, half a second apart, nothing may turn."""

_BUSY: Final = "document.querySelectorAll('.loading, [data-test=\"loading-indicator\"]').length"
_COMPLAINTS: Final = """
[...document.querySelectorAll('[role="alert"], .missing-chart-container, .ant-empty')]
    .map(e => e.innerText).filter(t => t)
"""
_END: Final = (
    "Math.ceil(Math.max(...[...document.querySelectorAll('.grid-row')].map(e => e.getBoundingClientRect().bottom)))"
)


@dataclass(frozen=True)
class Seen:
    """What the browser showed."""

    answers: list[tuple[int, int]]
    """Status and number of rows of each answer with data."""
    complaints: list[str]
    picture: bytes


async def look(client: Client, slug: str, charts: int) -> Seen:
    """Show a dashboard that has so many charts."""
    async with page(WIDTH, HEIGHT) as tab:
        await tab.send("Page.enable")
        await tab.send("Network.enable", maxTotalBufferSize=100_000_000)
        await tab.send(
            "Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False
        )
        await tab.send("Network.setCookie", name="session", value=client.cookie(), url=client.url)
        await tab.send("Page.navigate", url=f"{client.url}/superset/dashboard/{slug}/")
        await _settled(tab, charts)
        end = await tab.value(_END)
        if end:
            size = {"width": WIDTH, "height": int(end) + 16, "deviceScaleFactor": 1, "mobile": False}
            await tab.send("Emulation.setDeviceMetricsOverride", **size)
            await asyncio.sleep(2)  # charts fit themselves to the new size
        answers = [await _measure(tab, event) for event in _with_data(tab)]
        return Seen(answers, await tab.value(_COMPLAINTS), await tab.screenshot())


async def _settled(tab: Page, charts: int) -> None:
    """Wait until so many charts were answered and nothing turns any more, or until patience is over."""
    clock = SystemClock()
    until = clock.monotonic() + PATIENCE
    calm = 0
    while clock.monotonic() < until and calm < CALM:
        await asyncio.sleep(0.5)
        ready = len(_with_data(tab)) >= charts and await tab.value(_BUSY) == 0
        calm = calm + 1 if ready else 0


def _with_data(tab: Page) -> list[dict[str, Any]]:
    """Return the answers to charts' questions that have arrived; filters ask the same way."""
    done = {e["params"]["requestId"] for e in tab.events if e["method"] == "Network.loadingFinished"}
    return [
        event["params"]
        for event in tab.events
        if event["method"] == "Network.responseReceived"
        and "/api/v1/chart/data" in event["params"]["response"]["url"]
        and event["params"]["requestId"] in done
    ]


async def _measure(tab: Page, answer: dict[str, Any]) -> tuple[int, int]:
    found = json.loads(await tab.body(answer["requestId"]))
    rows = sum(query.get("rowcount") or 0 for query in found.get("result", []))
    return int(answer["response"]["status"]), rows
