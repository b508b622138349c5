import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from cadence_sync.simulator.tokens import credentials

SAMPLES = Path(__file__).parent / "samples"
LIST = "/crm/{}/settings/automation/cadences"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Caller:
    """Asks a running simulator as a client of organization 0 would, without retries or checks."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base
        self.access_token = ""

    async def token(self, index: int = 0, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        mine = credentials(index)
        data = {
            "grant_type": "refresh_token",
            "client_id": mine.client_id,
            "client_secret": mine.client_secret,
            "refresh_token": mine.refresh_token,
        } | dict(form or {})
        async with self.session.post(f"{self.base}/oauth/v2/token", data=data) as answer:
            return answer.status, await answer.json()

    async def sign_in(self, index: int = 0) -> str:
        self.access_token = (await self.token(index))[1]["access_token"]
        return self.access_token

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> tuple[int, Any, Mapping[str, str]]:
        headers = {"Authorization": f"Zoho-oauthtoken {self.access_token}"} if self.access_token else {}
        async with self.session.get(self.base + path, params=query, headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
            return answer.status, json.loads(body) if body else None, answer.headers

    async def page(self, page: int = 1, per_page: int = 50, version: str = "v7") -> Any:
        return (await self.get(LIST.format(version), {"page": page, "per_page": per_page}))[1]

    async def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.base}/_simulator/{path}", json=body) as answer:
            content = await answer.read()
            return answer.status, json.loads(content) if content else None


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def ids(page: Any) -> list[str]:
    return [cadence["id"] for cadence in page["cadences"]]


def error(code: str) -> tuple[int, dict[str, object]]:
    found = next(item for item in sample("errors") if item["body"]["code"] == code)
    return found["http"], found["body"]
