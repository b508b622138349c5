"""What the tests of the views share: records, looks at Zoho at a given time, and what a session then reads."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.support.lab import ORG, Lab
from tests.support.records import RECORD, record

EVERY: dict[str, Any] = RECORD["execution_details"]
RULES: list[dict[str, Any]] = [
    {"id": "71", "type": "respond_email", "details": None},
    {"id": "72", "type": "end_date", "details": {"unenroll_date": "2026-12-31"}},
]


def at(written: str) -> datetime:
    return datetime.fromisoformat(f"{written}+00:00")


def counts(email: int | None = 0, task: int | None = 0, call: int | None = 0, **others: int) -> dict[str, Any]:
    names = ("email_follow_up_count", "task_follow_up_count", "call_follow_up_count")
    return dict(zip(names, (email, task, call), strict=True)) | others


def every(unit: int | None, period: str) -> dict[str, Any]:
    return EVERY | {"execute_every": {"unit": unit, "period": period}}


def edited(when: str, cadence_id: str = "1", **changes: object) -> dict[str, Any]:
    """Return a record that Jan edited at that time."""
    by = {"name": "Jan Novak", "id": "77"}
    return record(cadence_id, modified_time=f"{when}+00:00", modified_by=by, **changes)


async def look(lab: Lab, when: str, *records: dict[str, Any], org: Org = ORG) -> int:
    """Sync at that time, without a delete threshold."""
    lab.clock.time = at(when) - timedelta(minutes=1)  # `sync` moves it on by a minute
    report = await lab.sync(*records, org=org, permits=SyncOptions(allow_mass_delete=True, allow_other_org=True))
    assert report.run_id is not None
    assert report.error is None
    return report.run_id


async def read(lab: Lab, columns: str, source: str, zone: str = "UTC") -> list[tuple[Any, ...]]:
    """Return rows of the reporting schema, as a session in that zone sees them."""
    async with lab.engine.connect() as connection:
        await connection.execute(text(f"SET timezone = '{zone}'"))
        return [
            tuple(row) for row in await connection.execute(text(f"SELECT {columns} FROM cadence_reporting.{source}"))
        ]
