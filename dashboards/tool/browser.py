"""Shows a page in a headless Chromium, by the protocol of its developer tools; needs no driver and no package."""

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from dashboards.tool.server import stop

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START: Final = 60
_FLAGS: Final = (
    *("--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--force-color-profile=srgb"),
)


class BrowserError(Exception):
    """No browser was found, or it does not obey."""


@dataclass
class Page:
    """One tab: what is sent gets an answer, what it reports by itself is collected."""

    socket: aiohttp.ClientWebSocketResponse
    events: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order and return its result."""
        number = len(self._answers) + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(START):
            found = await answer
        if "error" in found:
            raise BrowserError(f"{method}: {found['error']}")
        result: dict[str, Any] = found["result"]
        return result

    async def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is."""
        found = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def screenshot(self) -> bytes:
        """Return the page as it looks, as a PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])

    async def body(self, request_id: str) -> str:
        """Return what a request was answered with."""
        found = await self.send("Network.getResponseBody", requestId=request_id)
        return base64.b64decode(found["body"]).decode() if found["base64Encoded"] else str(found["body"])

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        async for message in self.socket:
            reply = json.loads(message.data)
            if "id" in reply:
                self._answers[reply["id"]].set_result(reply)
            else:
                self.events.append(reply)


def chromium() -> str:
    """Return the browser of this machine."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise BrowserError(f"No browser is installed: looked for {', '.join(NAMES)}.")
    return found


@asynccontextmanager
async def page(width: int, height: int) -> AsyncIterator[Page]:
    """Yield an empty tab of this size, in a browser with a profile of its own that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="cadence-sync-browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(chromium(), *_FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"),
            # Root may not use the sandbox; the pages are this machine's own.
            *("--no-sandbox", "about:blank"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tab = next(target for target in await answer.json() if target["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as connection:
                    found = Page(connection)
                    listening = asyncio.create_task(found.listen())
                    yield found
                    listening.cancel()
        finally:
            await stop(process)


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(START):
        while not file.exists() or "\n" not in file.read_text(encoding="ascii"):
            if process.returncode is not None:
                raise BrowserError(f"The browser ended with code {process.returncode} as soon as it began.")
            await asyncio.sleep(0.1)
    return int(file.read_text(encoding="ascii").splitlines()[0])
