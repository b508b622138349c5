"""Renders a cadence as Zoho's answers spell it: v7 lists, v8 lists, and v8's single cadence.

The three state the same facts in different words; each key stands where Zoho's own samples have it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, TypeAlias

from cadence_sync.simulator.records import Cadence, Counts, Execution, User
from cadence_sync.simulator.steps import follow_ups, rules

Json: TypeAlias = dict[str, Any]
Version: TypeAlias = Literal["v7", "v8"]
Renderer: TypeAlias = Callable[[Cadence, timedelta], Json]

INDIA = timezone(timedelta(hours=5, minutes=30))
"""v8's samples write some times of one and the same cadence in UTC and others with this offset."""

_LIST_TYPES = {"custom_view": "Custom view", "manual_enrollment": "Manual enrollment"}


def list_v7(cadence: Cadence, utc_offset: timedelta) -> Json:
    """Render an item of v7's list; times have the organization's offset, written without a colon."""
    zone = timezone(utc_offset)
    return {
        "summary": _summary(cadence.counts),
        "created_time": _without_colon(cadence.created_time, zone),
        **_list_middle(cadence),
        "modified_time": cadence.modified_time and _without_colon(cadence.modified_time, zone),
        "name": cadence.name,
        "modified_by": _user(cadence.modified_by),
        "id": cadence.id,
        # The one id that v7 sends as a JSON number; it is above 2^53, where doubles lose digits.
        "custom_view": cadence.view and {"name": cadence.view.name, "id": int(cadence.view.id)},
        "status": cadence.status,
    }


def list_v8(cadence: Cadence, _utc_offset: timedelta) -> Json:
    """Render an item of v8's list."""
    summary = _summary(cadence.counts)
    if cadence.counts.whatsapp:
        summary["whatsapp_follow_up_count"] = cadence.counts.whatsapp
    return {
        "summary": summary,
        "description": cadence.description,
        "created_time": _with_colon(cadence.created_time, UTC),
        **_list_middle(cadence),
        "modified_time": cadence.modified_time and _with_colon(cadence.modified_time, INDIA),
        "name": cadence.name,
        "modified_by": _user(cadence.modified_by),
        "id": cadence.id,
        "custom_view": cadence.view and {"name": cadence.view.name, "id": cadence.view.id},
        "status": cadence.status,
    }


def one_v8(cadence: Cadence) -> Json:
    """Render v8's single cadence: no `active`, no `published`, but the steps and the rules in full."""
    return {
        "summary": {"whatsapp_follow_up_count": cadence.counts.whatsapp, **_summary(cadence.counts)},
        "created_time": _with_colon(cadence.created_time, UTC),
        "module": {"api_name": cadence.module.api_name, "id": cadence.module.id},
        "description": cadence.description,
        "execution_details": cadence.execution
        and {
            "unenroll_properties": rules(cadence, cadence.execution),
            "execute_every": _execute_every(cadence.execution),
        },
        "type": cadence.type,
        "created_by": _user(cadence.created_by),
        "modified_time": cadence.modified_time and _with_colon(cadence.modified_time, UTC),
        "modified_by": _user(cadence.modified_by),
        "name": cadence.name,
        "follow_ups": follow_ups(cadence, _with_colon(cadence.created_time, INDIA)),
        "id": cadence.id,
        "draft_cadence": cadence.draft and {"id": cadence.draft.id, "name": cadence.draft.name},
        "parent_cadence": cadence.parent and {"id": cadence.parent.id, "name": cadence.parent.name},
        "custom_view": cadence.view and {"name": cadence.view.name, "id": cadence.view.id},
        "status": cadence.status,
    }


LISTS: dict[Version, Renderer] = {"v7": list_v7, "v8": list_v8}
"""API version → renderer of one item of its list."""


def _list_middle(cadence: Cadence) -> Json:
    return {
        "module": {"api_name": cadence.module.api_name, "id": cadence.module.id},
        "active": cadence.active,
        "execution_details": cadence.execution and _list_execution(cadence.execution),
        "published": cadence.published,
        "type": _LIST_TYPES[cadence.type],
        "created_by": _user(cadence.created_by),
    }


def _summary(counts: Counts) -> Json:
    return {
        "task_follow_up_count": counts.task,
        "call_follow_up_count": counts.call,
        "email_follow_up_count": counts.email,
    }


def _list_execution(execution: Execution) -> Json:
    return {
        "unenroll_properties": {
            "end_date": execution.end_date,
            "type": "date" if execution.end_date else execution.unenroll,
        },
        "end_date": execution.end_date,
        "automatic_unenroll": execution.automatic,
        "type": execution.unenroll,
        "execute_every": _execute_every(execution),
    }


def _execute_every(execution: Execution) -> Json:
    unit = {} if execution.unit is None else {"unit": execution.unit}
    return {**unit, "period": execution.period}


def _user(user: User) -> Json:
    return {"name": user.name, "id": user.id}


def _without_colon(instant: datetime, zone: timezone) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%dT%H:%M:%S%z}"


def _with_colon(instant: datetime, zone: timezone) -> str:
    return instant.astimezone(zone).isoformat(timespec="seconds")
