"""Renders a cadence as Zoho's answers spell it: v7 lists, v8 lists, and v8's single cadence with its steps.

All state the same facts in different words; the order of keys is that of Zoho's own samples. Steps and rules of
unenrollment follow from the cadence's id and counts, so that two answers never disagree.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeAlias

from cadence_sync.simulator.org import CALLS, MAILS, TASKS
from cadence_sync.simulator.records import Cadence, Counts, Execution, User

Json: TypeAlias = dict[str, Any]

INDIA = timezone(timedelta(hours=5, minutes=30))
"""v8's samples write some times of a cadence in UTC and others with this offset."""

_LIST_TYPES = {"custom_view": "Custom view", "manual_enrollment": "Manual enrollment"}
_STEP_IDS = 2  # after the cadence's id: every step takes three, for itself, its wait and its action
_RULE_IDS = 400
_TRIGGERS = {
    "tasks": ("Completed",),
    "schedule_call": ("Completed", "Missed"),
    "email_notifications": ("Opened", "Not opened", "Clicked"),
    "whatsapp_message_notification": ("Delivered",),
}
_WAITS = ((10, "minutes"), (2, "hours"), (1, "days"), (3, "days"), (1, "weeks"))


def list_v7(cadence: Cadence, utc_offset: timedelta) -> Json:
    """Renders an item of v7's list; times have the organization's offset, written without a colon."""
    zone = timezone(utc_offset)
    head = {"summary": _summary(cadence.counts), "created_time": _without_colon(cadence.created_time, zone)}
    modified = _without_colon(cadence.modified_time, zone) if cadence.modified_time else None
    # The one id that v7 sends as a JSON number; it is above 2^53, where doubles lose digits.
    return _list_item(cadence, head, modified, int(cadence.view.id) if cadence.view else None)


def list_v8(cadence: Cadence, _utc_offset: timedelta) -> Json:
    summary = _summary(cadence.counts)
    if cadence.counts.whatsapp:
        summary["whatsapp_follow_up_count"] = cadence.counts.whatsapp
    created = _with_colon(cadence.created_time, UTC)
    head = {"summary": summary, "description": cadence.description, "created_time": created}
    modified = _with_colon(cadence.modified_time, INDIA) if cadence.modified_time else None
    return _list_item(cadence, head, modified, cadence.view.id if cadence.view else None)


def _list_item(cadence: Cadence, head: Json, modified: str | None, view_id: str | int | None) -> Json:
    return {
        **head,
        "module": {"api_name": cadence.module.api_name, "id": cadence.module.id},
        "active": cadence.active,
        "execution_details": cadence.execution and _list_execution(cadence.execution),
        "published": cadence.published,
        "type": _LIST_TYPES[cadence.type],
        "created_by": _user(cadence.created_by),
        "modified_time": modified,
        "name": cadence.name,
        "modified_by": _user(cadence.modified_by),
        "id": cadence.id,
        "custom_view": cadence.view and {"name": cadence.view.name, "id": view_id},
        "status": cadence.status,
    }


def one_v8(cadence: Cadence) -> Json:
    """Renders v8's single cadence: without `active` and `published`, with the steps and the rules in full."""
    return {
        "summary": {"whatsapp_follow_up_count": cadence.counts.whatsapp, **_summary(cadence.counts)},
        "created_time": _with_colon(cadence.created_time, UTC),
        "module": {"api_name": cadence.module.api_name, "id": cadence.module.id},
        "description": cadence.description,
        "execution_details": cadence.execution
        and {
            "unenroll_properties": _rules(cadence, cadence.execution),
            "execute_every": _execute_every(cadence.execution),
        },
        "type": cadence.type,
        "created_by": _user(cadence.created_by),
        "modified_time": cadence.modified_time and _with_colon(cadence.modified_time, UTC),
        "modified_by": _user(cadence.modified_by),
        "name": cadence.name,
        "follow_ups": _follow_ups(cadence, _with_colon(cadence.created_time, INDIA)),
        "id": cadence.id,
        "draft_cadence": cadence.draft and {"id": cadence.draft.id, "name": cadence.draft.name},
        "parent_cadence": cadence.parent and {"id": cadence.parent.id, "name": cadence.parent.name},
        "custom_view": cadence.view and {"name": cadence.view.name, "id": cadence.view.id},
        "status": cadence.status,
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


def _follow_ups(cadence: Cadence, made: str) -> list[Json]:
    """Returns the steps of all kinds, a tree through `parent_follow_up`."""
    rng = random.Random(cadence.id)
    counts = cadence.counts
    kinds = ["tasks"] * counts.task + ["schedule_call"] * counts.call
    kinds += ["email_notifications"] * counts.email + ["whatsapp_message_notification"] * counts.whatsapp
    rng.shuffle(kinds)
    steps: list[Json] = []
    for number, kind in enumerate(kinds):
        first_id = int(cadence.id) + _STEP_IDS + 3 * number
        action = _ACTIONS[kind](cadence, rng, str(first_id + 2), made)
        # Mostly a chain; now and then two steps follow the same one.
        parent = rng.choice(steps[-2:]) if steps else None
        steps.append(_step(first_id, action, parent, rng))
    return steps


def _rules(cadence: Cadence, execution: Execution) -> list[Json]:
    found: list[tuple[str, Json | None]] = [(execution.unenroll, None)]
    if execution.end_date:
        found.append(("end_date", {"unenroll_date": execution.end_date}))
    if execution.revenue:
        revenue = _criteria(cadence, "Annual_Revenue", 4814, execution.revenue)
        subject = _criteria(cadence, "Subject", 4066, TASKS[0])
        followed = {"criteria": subject, "state": None, "specific": False}
        found.append(("criteria", {"criteria": revenue}))
        found.append(("followup_criteria", {"details": followed, "type": "Tasks"}))
    first_id = int(cadence.id) + _RULE_IDS
    return [
        {"details": details, "id": str(first_id + 2 * number), "type": kind}
        for number, (kind, details) in enumerate(found)
    ]


def _step(first_id: int, action: Json, parent: Json | None, rng: random.Random) -> Json:
    if parent is None:
        return {"parent_follow_up": None, "action": action, "id": str(first_id)}
    unit, period = rng.choice(_WAITS)
    kind = parent["action"]["type"]
    return {
        "execute_after": {"unit": unit, "period": period, "id": str(first_id + 1)},
        "parent_follow_up": {"id": parent["id"], "type": kind},
        "action": action,
        "id": str(first_id),
        "triggers": [rng.choice(_TRIGGERS[kind])],
    }


def _task(cadence: Cadence, rng: random.Random, action_id: str, made: str) -> Json:
    subject = rng.choice(TASKS)
    maker = _user(cadence.created_by)
    due = {"period": "business_days", "unit": "1", "trigger_field": "${CURRENTTIME}", "sign": "plus"}
    return {
        "created_time": made,
        "lock_status": {"locked": False},
        "related_details": None,
        "editable": True,
        "module": {"api_name": cadence.module.api_name, "id": cadence.module.id},
        "related_module": None,
        "deletable": True,
        "source": "crm",
        "type": "tasks",
        "created_by": maker,
        "notify": False,
        "feature_type": "cadences",
        "field_mappings": [
            _static(cadence, "Subject", 4066, subject),
            {
                "display_value": "Trigger Date plus 1 business day(s)",
                "field": _field(cadence, "Due_Date", 4068),
                "type": "execution_time",
                "value": due,
            },
            _static(cadence, "Priority", 4076, "High"),
        ],
        "modified_time": made,
        "associated": True,
        "modified_by": maker,
        "name": subject,
        "id": action_id,
    }


def _call(cadence: Cadence, rng: random.Random, action_id: str, _made: str) -> Json:
    return {
        "name": "Calls",
        "details": {
            "layout": {"name": "Standard", "id": _fixed_id(cadence, 3660)},
            "field_mappings": [
                _static(cadence, "Call_Type", 4208, "Outbound"),
                _static(cadence, "Call_Purpose", 4262, rng.choice(CALLS)),
            ],
            "module": {"api_name": "Calls", "id": _fixed_id(cadence, 2654)},
        },
        "id": action_id,
        "type": "schedule_call",
    }


def _mail(cadence: Cadence, rng: random.Random, action_id: str, _made: str) -> Json:
    number = rng.randrange(len(MAILS))
    template = {"name": MAILS[number], "id": _fixed_id(cadence, 80016 + number)}
    return {"template": template, "name": template["name"], "id": action_id, "type": "email_notifications"}


def _whatsapp(cadence: Cadence, rng: random.Random, action_id: str, _made: str) -> Json:
    number = rng.randrange(len(MAILS))
    return {
        "message_template": {"id": _fixed_id(cadence, 115032 + number), "title": MAILS[number]},
        "name": MAILS[number],
        "id": action_id,
        "type": "whatsapp_message_notification",
    }


_ACTIONS: dict[str, Callable[[Cadence, random.Random, str, str], Json]] = {
    "tasks": _task,
    "schedule_call": _call,
    "email_notifications": _mail,
    "whatsapp_message_notification": _whatsapp,
}


def _static(cadence: Cadence, name: str, number: int, value: str) -> Json:
    return {"display_value": value, "field": _field(cadence, name, number), "type": "static", "value": value}


def _criteria(cadence: Cadence, name: str, number: int, value: str) -> Json:
    return {"comparator": "equal", "field": _field(cadence, name, number), "type": "value", "value": value}


def _field(cadence: Cadence, name: str, number: int) -> Json:
    return {"api_name": name, "id": _fixed_id(cadence, number)}


def _fixed_id(cadence: Cadence, number: int) -> str:
    """Returns the id of something that every organization has, such as a field, under its own prefix."""
    return f"{cadence.id[:-12]}{number:012}"
