"""Superset's public interface, as far as it is used here: log in, import, list the charts, ask them for data."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import aiohttp
from yarl import URL

from dashboards.tool.bundle import DATABASE
from dashboards.tool.server import Superset


class SupersetError(Exception):
    """Superset refused something."""


@dataclass
class Client:
    """A session of the user `admin`, with a token for requests and a cookie for pages."""

    url: str
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """Make a request; returns its JSON."""
        async with self.session.request(method, f"{self.url}{path}", **more) as answer:
            text = await answer.text()
            if answer.status != HTTPStatus.OK:
                raise SupersetError(f"{method} {path} is answered with {answer.status}: {text[:2000]}")
        return json.loads(text)

    async def import_bundle(
        self, bundle: bytes, password: str | None, what: Literal["dashboard", "assets"] = "dashboard"
    ) -> None:
        """Import the bundle; `assets` also replaces what an import before has left."""
        form = aiohttp.FormData()
        name = "formData" if what == "dashboard" else "bundle"
        form.add_field(name, bundle, filename="cadence_sync.zip", content_type="application/zip")
        form.add_field("overwrite", "true")
        if password is not None:
            form.add_field("passwords", json.dumps({DATABASE: password}))
        await self.call("POST", f"/api/v1/{what}/import/", data=form)

    async def charts(self) -> dict[str, int]:
        """Return the id of each chart by its name."""
        found = await self.call("GET", "/api/v1/chart/?q=(page_size:100)")
        return {chart["slice_name"]: chart["id"] for chart in found["result"]}

    async def rows(self, chart: int) -> list[dict[str, Any]]:
        """Ask a chart for its data."""
        found = await self.call("GET", f"/api/v1/chart/{chart}/data/?force=true")
        return [row for query in found["result"] for row in query["data"]]

    def cookie(self) -> str:
        """Return the cookie of the session, for a browser."""
        return self.session.cookie_jar.filter_cookies(URL(self.url))["session"].value


@asynccontextmanager
async def logged_in(superset: Superset) -> AsyncIterator[Client]:
    """Yield a session of `admin`."""
    # A jar refuses cookies of hosts without a name without this option.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        client = Client(superset.url, session)
        login = {"username": "admin", "password": superset.password}
        answer = await client.call("POST", "/api/v1/security/login", json={**login, "provider": "db", "refresh": False})
        bearer = {"Authorization": f"Bearer {answer['access_token']}"}
        csrf = (await client.call("GET", "/api/v1/security/csrf_token/", headers=bearer))["result"]
        async with session.post(f"{superset.url}/login/", data={**login, "csrf_token": csrf}) as page:
            if page.status != HTTPStatus.OK or page.url.path.startswith("/login"):
                raise SupersetError(f"Superset's form does not let admin in: {page.status}")
        session.headers.update(bearer)
        csrf = (await client.call("GET", "/api/v1/security/csrf_token/"))["result"]
        session.headers.update({"X-CSRFToken": csrf, "Referer": superset.url})
        yield client
