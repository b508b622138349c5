"""The parts of a cadence that only v8's single-cadence answer shows: steps and rules of un-enrollment.

Nothing of this is stored: it follows from the cadence's id and counts, so that two answers never disagree.
"""

import random
from collections.abc import Callable
from typing import Any, TypeAlias

from cadence_sync.simulator import generate
from cadence_sync.simulator.records import Cadence, Execution

Json: TypeAlias = dict[str, Any]

_STEP_IDS = 2  # after the cadence's id: every step takes three, for itself, its wait and its action
_RULE_IDS = 400
_TRIGGERS = {
    "tasks": ("Completed",),
    "schedule_call": ("Completed", "Missed"),
    "email_notifications": ("Opened", "Not opened", "Clicked"),
    "whatsapp_message_notification": ("Delivered",),
}
_WAITS = ((10, "minutes"), (2, "hours"), (1, "days"), (3, "days"), (1, "weeks"))


def follow_ups(cadence: Cadence, made: str) -> list[Json]:
    """Return as many steps of each kind as the counts say, a tree through `parent_follow_up`."""
    rng = random.Random(cadence.id)
    kinds = _kinds(cadence)
    rng.shuffle(kinds)
    steps: list[Json] = []
    for number, kind in enumerate(kinds):
        first_id = int(cadence.id) + _STEP_IDS + 3 * number
        action = _ACTIONS[kind](cadence, rng, str(first_id + 2), made)
        # Mostly a chain; now and then two steps follow the same one.
        parent = rng.choice(steps[-2:]) if steps else None
        steps.append(_step(first_id, action, parent, rng))
    return steps


def rules(cadence: Cadence, execution: Execution) -> list[Json]:
    """Return the array form of `unenroll_properties`."""
    found: list[tuple[str, Json | None]] = [(execution.unenroll, None)]
    if execution.end_date:
        found.append(("end_date", {"unenroll_date": execution.end_date}))
    if execution.revenue:
        revenue = _criteria(cadence, "Annual_Revenue", 4814, execution.revenue)
        subject = _criteria(cadence, "Subject", 4066, generate.TASKS[0])
        followed = {"criteria": subject, "state": None, "specific": False}
        found.append(("criteria", {"criteria": revenue}))
        found.append(("followup_criteria", {"details": followed, "type": "Tasks"}))
    first_id = int(cadence.id) + _RULE_IDS
    return [
        {"details": details, "id": str(first_id + 2 * number), "type": kind}
        for number, (kind, details) in enumerate(found)
    ]


def _kinds(cadence: Cadence) -> list[str]:
    counts = cadence.counts
    return [
        *("tasks" for _ in range(counts.task)),
        *("schedule_call" for _ in range(counts.call)),
        *("email_notifications" for _ in range(counts.email)),
        *("whatsapp_message_notification" for _ in range(counts.whatsapp)),
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
    subject = rng.choice(generate.TASKS)
    maker = {"name": cadence.created_by.name, "id": cadence.created_by.id}
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
                _static(cadence, "Call_Purpose", 4262, rng.choice(generate.CALLS)),
            ],
            "module": {"api_name": "Calls", "id": _fixed_id(cadence, 2654)},
        },
        "id": action_id,
        "type": "schedule_call",
    }


def _mail(cadence: Cadence, rng: random.Random, action_id: str, _made: str) -> Json:
    number = rng.randrange(len(generate.MAILS))
    template = {"name": generate.MAILS[number], "id": _fixed_id(cadence, 80016 + number)}
    return {"template": template, "name": template["name"], "id": action_id, "type": "email_notifications"}


def _whatsapp(cadence: Cadence, rng: random.Random, action_id: str, _made: str) -> Json:
    number = rng.randrange(len(generate.MAILS))
    return {
        "message_template": {"id": _fixed_id(cadence, 115032 + number), "title": generate.MAILS[number]},
        "name": generate.MAILS[number],
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
    """Return the id of something that every organization has, such as a field, under its own prefix."""
    return f"{cadence.id[:-12]}{number:012}"
