"""A second, simple account of what the reporting layer must say of any time: lists of what was sent, and when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

TICK = timedelta(microseconds=1)
NOTED = ("name", "status", "active", "published", "email_follow_up_count", "execution_interval", "modified_time")
"""Columns that the model follows."""


def facts(record: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a record as the reporting layer shows them."""
    every = record["execution_details"] and record["execution_details"]["execute_every"]
    return {
        "name": record["name"],
        "status": record["status"],
        "active": record["active"],
        "published": record["published"],
        "email_follow_up_count": record["summary"] and record["summary"]["email_follow_up_count"],
        "execution_interval": every and words(every["unit"], every["period"]),
        "modified_time": datetime.fromisoformat(record["modified_time"]),
    }


def words(unit: int, period: str) -> str:
    return f"every {period[:-1]}" if unit == 1 else f"every {unit} {period}"


@dataclass
class State:
    """What a cadence was from one time on; None: it was not there."""

    valid_from: datetime
    observed_at: datetime
    facts: dict[str, Any] | None


@dataclass
class Model:
    """The states of one organisation's cadences, oldest first."""

    states: dict[str, list[State]] = field(default_factory=dict)
    walks: list[datetime] = field(default_factory=list)

    def walk(self, at: datetime, records: Iterable[dict[str, Any]]) -> None:
        """Note a complete listing."""
        listed = {record["id"]: facts(record) for record in records}
        for cadence_id in sorted({*self.states, *listed}):
            self._note(cadence_id, listed.get(cadence_id), at)
        self.walks.append(at)

    def _note(self, cadence_id: str, seen: dict[str, Any] | None, at: datetime) -> None:
        known = self.states.setdefault(cadence_id, [])
        before = known[-1] if known else None
        if seen == (before and before.facts):
            return
        begins = at
        # The last facts: those of the state before a deletion count too.
        last = next((state.facts for state in reversed(known) if state.facts), None)
        if seen is not None and self.walks:
            moved = last is None or seen["modified_time"] > last["modified_time"]
            if moved and self.walks[-1] < seen["modified_time"] <= at:
                begins = seen["modified_time"]
        if before is not None:
            begins = max(begins, before.valid_from + TICK)
        known.append(State(begins, at, seen))

    def as_of(self, at: datetime, axis: str) -> dict[str, dict[str, Any]]:
        """Return the live cadences of a time."""
        found = {}
        for cadence_id, states in self.states.items():
            begun = [s for s in states if (s.valid_from if axis == "valid" else s.observed_at) <= at]
            if begun and begun[-1].facts is not None:
                found[cadence_id] = begun[-1].facts
        return found
