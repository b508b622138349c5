"""Records as Zoho sends them, small variations of one."""

import json
from typing import Any

RECORD: dict[str, Any] = {
    "id": "3652397000017949001",
    "name": "Welcome",
    "type": "Custom view",
    "status": "active",
    "active": True,
    "published": True,
    "module": {"api_name": "Contacts", "id": "3652397000000002179"},
    "custom_view": {"name": "All Contacts", "id": 3652397000000087529},
    "created_time": "2024-07-17T20:38:22-0700",
    "created_by": {"name": "Patricia Boyle", "id": "3652397000000186017"},
    "modified_time": "2024-07-17T23:01:40-0700",
    "modified_by": {"name": "Patricia Boyle", "id": "3652397000000186017"},
    "summary": {"task_follow_up_count": 1, "call_follow_up_count": 1, "email_follow_up_count": 1},
    "execution_details": {
        "unenroll_properties": {"end_date": "", "type": "respond_email"},
        "end_date": "",
        "automatic_unenroll": False,
        "type": "respond_email",
        "execute_every": {"unit": 1, "period": "hours"},
    },
}


def record(cadence_id: str = "1", **changes: object) -> dict[str, Any]:
    """Return a record of its own with some keys changed."""
    copy: dict[str, Any] = json.loads(json.dumps(RECORD))
    return copy | {"id": cadence_id} | changes


def without(source: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a record without a key."""
    return {name: value for name, value in source.items() if name != key}


def listing(records: list[dict[str, Any]], page: int = 1, *, more: bool = False, per_page: int = 200) -> bytes:
    """Return the body of one page."""
    info = {"per_page": per_page, "count": len(records), "page": page, "more_records": more}
    return json.dumps({"cadences": records, "info": info}).encode()
