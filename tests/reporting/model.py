"""A second, simple account of what the reporting layer must say of any time: lists of what was sent, and when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

TICK = timedelta(microseconds=1)
FOREVER = datetime.max.replace(tzinfo=UTC)
NOTED = (
    "name",
    "status",
    "active",
    "published",
    "email_follow_up_count",
    "execution_interval",
    "modified_time",
    "description",
)
"""Columns that the model follows."""


def facts(record: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a record as the reporting layer shows them."""
    every = record["execution_details"] and record["execution_details"]["execute_every"]
    reported = {"description": record["description"]} if "description" in record else {}
    return reported | {
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
    discovered: dict[str, tuple[Any, datetime]] = field(default_factory=dict)
    """What became known of it, and when: a key that was not sent before."""

    def known(self, by: datetime) -> dict[str, Any] | None:
        """Return the facts that were known at that time."""
        return self.facts and self.facts | {name: value for name, (value, at) in self.discovered.items() if at <= by}


@dataclass
class Model:
    """The states of one organization's cadences, oldest first."""

    states: dict[str, list[State]] = field(default_factory=dict)
    listings: list[datetime] = field(default_factory=list)

    def fetch_listing(self, at: datetime, records: Iterable[dict[str, Any]]) -> None:
        """Note a complete listing."""
        listed = {record["id"]: facts(record) for record in records}
        for cadence_id in sorted({*self.states, *listed}):
            self._note(cadence_id, listed.get(cadence_id), at)
        self.listings.append(at)

    def _note(self, cadence_id: str, seen: dict[str, Any] | None, at: datetime) -> None:
        known = self.states.setdefault(cadence_id, [])
        before = known[-1] if known else State(at - TICK, at, None)
        # The last facts: those of the state before a deletion count too. What is not sent now stays as it was.
        last = next((state.known(at) for state in reversed(known) if state.facts), None)
        seen = seen and (last or {}) | seen
        if seen == before.known(at) or self._learn(before, seen, at):
            return
        begins = at
        if seen is not None and self.listings:
            moved = last is None or seen["modified_time"] > last["modified_time"]
            if moved and self.listings[-1] < seen["modified_time"] <= at:
                begins = seen["modified_time"]
        if known:
            begins = max(begins, before.valid_from + TICK)
        known.append(State(begins, at, seen))

    def _learn(self, before: State, seen: dict[str, Any] | None, at: datetime) -> bool:
        """Note what became known, if that is all that is new."""
        last = before.known(at)
        if last is None or seen is None or last != {name: seen[name] for name in last}:
            return False
        before.discovered |= {name: (value, at) for name, value in seen.items() if name not in last}
        return True

    def known_at(self, at: datetime, axis: str) -> dict[str, dict[str, Any]]:
        """Return what is known of the live cadences of a time."""
        found = {}
        for cadence_id, states in self.states.items():
            begun = [s for s in states if (s.valid_from if axis == "valid" else s.observed_at) <= at]
            facts = begun[-1].known(at if axis == "observed" else FOREVER) if begun else None
            if facts is not None:
                found[cadence_id] = facts
        return found

    def as_of(self, at: datetime, axis: str) -> dict[str, dict[str, Any]]:
        """Return the live cadences of a time, with null for what is not known."""
        return {i: {"description": None} | facts for i, facts in self.known_at(at, axis).items()}
