"""An organization whose every text is an attack, beside those of two years of history."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.ports import Org
from tests.support.lab import Lab
from tests.support.records import RECORD

WORK, EVIL = "production", "<img src=x onerror=alert(1)>\"'&"
PAYLOADS: Final = (
    "<script>alert(document.domain)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title></script><script>alert(1)//",
    "javascript:alert(1)",
    "{{ cycler.__init__.__globals__ }}<b>bold</b>",
    "\u202e\u2066gnp.exe \u0001\u001b[31m",
    "<a href='javascript:alert(1)'>" + "W" * 10_000,
)


async def write_attacks(engine: AsyncEngine, until: datetime) -> None:
    """Sync that organization twice, so that every text changes once."""
    lab = Lab(engine)
    for number in (0, 1):
        lab.clock.time = until - timedelta(days=1 - number, minutes=1)  # `sync` moves it on by a minute
        records = [_attack(payload, f"{number}{payload}") for payload in PAYLOADS]
        report = await lab.sync(*records, org=Org(EVIL, "eu"))
        assert report.counters is not None
        assert not report.counters.quarantined


def _attack(payload: str, text: str) -> dict[str, Any]:
    """Return a record whose every text, known or not, is that."""
    number = PAYLOADS.index(payload)
    edited = (datetime(2026, 1, 1) + timedelta(days=number)).isoformat()  # noqa: DTZ001 - Zoho's zone follows
    filled: dict[str, Any] = _filled(RECORD, text)
    return filled | {
        "id": str(number),
        "description": text,
        "active": True,
        "published": False,
        "created_time": "2024-07-17T20:38:22Z",
        "modified_time": f"{edited}Z",
        "summary": RECORD["summary"],
        text[:100]: text,
    }


def _filled(value: Any, text: str) -> Any:
    match value:
        case dict():
            return {name: _filled(each, text) for name, each in value.items()}
        case str() if value and not value[0].isdigit():
            return text
        case _:
            return value
