"""A made-up organization and its sandbox: nine months of people at work in Zoho, and every time the list was read.

The cookbook's answers are about this story. Between listings people do what `EVENTS` says; a listing sees what is there
then.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.errors import AccessError
from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.support.lab import Lab, WrittenSource

PRODUCTION = Org("production", "eu")
SANDBOX = Org("sandbox", "eu")
CAUTIOUS = SyncOptions(threshold=DeletionThreshold(count=2, percent=10))

ID = "5725767"
"""What the ids of production begin with."""
PEOPLE = {"Ines Duarte": 11, "Jonas Weber": 12, "Marta Kowalska": 13, "Marta Nowak": 13, "Priya Nair": 14}
MODULES = {"Leads": 2175, "Contacts": 2179, "Deals": 2181, "Renewals": 9017, "Contract_Renewals": 9017}

Record = dict[str, Any]


def person(name: str) -> Record:
    return {"name": name, "id": f"{ID}0000002860{PEOPLE[name]}"}


def steps(email: int, task: int, call: int, whatsapp: int = 0) -> Record:
    names = ("email", "task", "call", "whatsapp")
    return {f"{name}_follow_up_count": n for name, n in zip(names, (email, task, call, whatsapp), strict=True)}


def rule(number: int, kind: str, **details: str) -> Record:
    return {"id": f"{ID}0000005550{number}", "type": kind, "details": details or None}


def execution(unit: int, period: str, leave: str | list[Record] = "respond_email") -> Record:
    rules = {"type": leave, "end_date": ""} if isinstance(leave, str) else leave
    return {
        "type": "automatic_unenroll",
        "end_date": "",
        "automatic_unenroll": True,
        "execute_every": {"unit": unit, "period": period},
        "unenroll_properties": rules,
    }


def on(*, published: bool = True) -> Record:
    return {"status": "active", "active": True, "published": published}


def off() -> Record:
    return {"status": "inactive", "active": False}


def draft() -> Record:
    return {"status": "draft", "active": False, "published": False}


def cadence(name: str, module: str, state: Record, counts: Record, every: Record) -> Record:
    return {
        "name": name,
        "description": None,
        "type": "Custom view",
        "published": True,
        "module": {"api_name": module, "id": f"{ID}00000000{MODULES[module]}"},
        "custom_view": {"name": f"All {module.replace('_', ' ')}", "id": f"{ID}00000008{MODULES[module]}"},
        "summary": counts,
        "execution_details": every,
    } | state


@dataclass(frozen=True)
class Created:
    at: str
    by: str
    key: str
    record: Record
    edited: str = ""
    """When it was last edited before watching began, if it was."""


@dataclass(frozen=True)
class Edited:
    """An edit; without a person Zoho tells neither who nor when."""

    at: str
    by: str | None
    key: str
    changes: Record


@dataclass(frozen=True)
class Deleted:
    at: str
    keys: str


@dataclass(frozen=True)
class Restored:
    at: str
    by: str
    key: str
    changes: Record


@dataclass(frozen=True)
class Renamed:
    """A person or a module has another name from now on; that is no edit of a cadence."""

    at: str
    old: str
    new: str


Event = Created | Edited | Deleted | Restored | Renamed

DAILY, TWO_DAYS, WEEKLY = execution(1, "days"), execution(2, "days"), execution(1, "weeks")

EVENTS: tuple[Event, ...] = (
    # Before watching began.
    Created(
        "2024-03-11 09:00:00",
        "Ines Duarte",
        "win-back",
        cadence("Win-back lost deals", "Deals", off(), steps(2, 0, 0), WEEKLY),
        "2024-11-18 16:20:00",
    ),
    Created(
        "2025-02-03 10:15:00",
        "Ines Duarte",
        "nps",
        cadence("NPS detractors", "Contacts", off(), steps(1, 1, 0), TWO_DAYS),
        "2025-06-03 08:05:00",
    ),
    Created(
        "2025-04-07 13:00:00",
        "Ines Duarte",
        "welcome",
        cadence("Welcome new leads", "Leads", on(), steps(3, 1, 1), DAILY),
        "2026-01-19 09:40:00",
    ),
    Created(
        "2025-05-20 08:30:00",
        "Marta Kowalska",
        "no-show",
        cadence("Demo no-show", "Leads", on(), steps(1, 1, 1), execution(4, "hours")),
    ),
    Created(
        "2025-06-10 11:45:00",
        "Jonas Weber",
        "outbound",
        cadence("Cold outbound DACH", "Leads", on(), steps(4, 2, 2), TWO_DAYS),
        "2025-12-15 17:10:00",
    ),
    Created(
        "2025-09-01 07:50:00",
        "Marta Kowalska",
        "badges",
        cadence("Event badge scans", "Leads", on(), steps(2, 0, 0), DAILY),
    ),
    Created(
        "2025-09-15 12:00:00",
        "Marta Kowalska",
        "trial",
        cadence("Trial ends in 7 days", "Contacts", on(), steps(3, 0, 1), DAILY),
    ),
    Created(
        "2025-10-06 09:05:00", "Jonas Weber", "stalled", cadence("Stalled deals", "Deals", on(), steps(1, 2, 1), WEEKLY)
    ),
    Created(
        "2025-10-06 09:30:00",
        "Jonas Weber",
        "proposal",
        cadence("Proposal sent", "Deals", on(), steps(2, 1, 1), TWO_DAYS),
    ),
    Created(
        "2025-11-03 14:00:00", "Ines Duarte", "t-90", cadence("Renewal T-90", "Renewals", on(), steps(3, 1, 1), WEEKLY)
    ),
    Created(
        "2025-11-03 14:20:00",
        "Ines Duarte",
        "t-30",
        cadence("Renewal T-30", "Renewals", on(), steps(2, 1, 2), TWO_DAYS),
    ),
    # Spring.
    Edited("2026-02-17 10:24:05", "Jonas Weber", "outbound", {"summary": steps(4, 2, 3), "execution_details": DAILY}),
    Edited("2026-03-11 15:02:40", "Ines Duarte", "welcome", {"name": "Welcome inbound leads"}),
    Edited("2026-03-26 08:47:12", "Marta Kowalska", "welcome", {"description": "For leads from the website"}),
    Edited("2026-04-14 09:12:33", "Jonas Weber", "t-90", off()),
    Edited("2026-04-20 08:30:10", "Ines Duarte", "t-90", on()),
    Created(
        "2026-04-21 13:05:00",
        "Ines Duarte",
        "expansion",
        cadence("Expansion signals", "Contacts", draft(), steps(0, 0, 0), DAILY),
    ),
    Edited("2026-05-05 16:40:00", "Ines Duarte", "expansion", on() | {"summary": steps(2, 1, 0)}),
    Deleted("2026-05-12 18:00:00", "badges"),
    Edited(
        "2026-05-28 11:20:00",
        "Marta Kowalska",
        "no-show",
        {
            "execution_details": execution(
                4, "hours", [rule(1, "respond_email"), rule(2, "end_date", unenroll_date="2026-12-31")]
            )
        },
    ),
    # Summer.
    Restored("2026-06-03 12:00:00", "Priya Nair", "badges", {"summary": steps(1, 0, 0)}),
    Edited("2026-06-16 12:00:00", None, "stalled", {"summary": steps(1, 3, 1)}),
    Renamed("2026-07-01 00:00:00", "Marta Kowalska", "Marta Nowak"),
    Edited("2026-07-08 09:00:00", "Marta Nowak", "trial", {"execution_details": execution(4, "hours")}),
    Edited("2026-07-21 14:15:30", "Priya Nair", "t-30", off()),
    Renamed("2026-08-04 08:00:00", "Renewals", "Contract_Renewals"),
    Edited("2026-08-11 10:10:10", "Jonas Weber", "outbound", {"summary": steps(6, 1, 3)}),
    Deleted("2026-08-19 20:00:00", "win-back"),
    Edited("2026-08-25 07:00:00", "Marta Nowak", "t-90", {"summary": steps(4, 1, 1)}),
    # Autumn.
    Created(
        "2026-09-09 10:45:00",
        "Jonas Weber",
        "upsell",
        cadence("Q4 upsell push", "Deals", on(published=False), steps(1, 0, 2), DAILY),
    ),
    Edited("2026-09-17 12:00:00", None, "proposal", off()),
    Created(
        "2026-09-22 15:30:00",
        "Ines Duarte",
        "partners",
        cadence("Partner referrals", "Leads", draft(), steps(0, 0, 0), TWO_DAYS),
    ),
    # Two people between two listings; then an edit on the day that nobody looked.
    Edited("2026-10-06 09:30:00", "Marta Nowak", "welcome", {"summary": steps(4, 1, 1)}),
    Edited("2026-10-06 16:00:00", "Jonas Weber", "welcome", {"execution_details": TWO_DAYS}),
    Edited("2026-10-12 14:00:00", "Priya Nair", "stalled", off()),
    # Zoho sends nonsense for three days.
    Edited("2026-10-14 05:00:00", None, "nps", {"summary": steps(1, 1, 0) | {"call_follow_up_count": "two"}}),
    Edited("2026-10-17 05:00:00", None, "nps", {"summary": steps(1, 1, 0)}),
    # The night in which clocks go back in Berlin: Sunday there, and still Saturday in UTC.
    Edited("2026-10-24 22:30:00", "Marta Nowak", "trial", {"summary": steps(4, 0, 1)}),
    Deleted("2026-10-29 21:00:00", "nps no-show badges"),
)

SANDBOX_EVENTS: tuple[Event, ...] = (
    Edited("2026-09-21 08:00:00", "Jonas Weber", "upsell", {"published": True}),
    Created(
        "2026-09-23 09:00:00",
        "Jonas Weber",
        "scoring",
        cadence("Lead scoring experiment", "Leads", on(), steps(1, 0, 0), DAILY),
    ),
    Edited("2026-10-02 11:00:00", "Ines Duarte", "t-30", {"summary": steps(3, 1, 2)}),
)
"""The sandbox was refreshed from production in mid-September; what follows happened there only."""

SIX = time(6, 0, tzinfo=UTC)
NO_RUN = date(2026, 10, 12)
FAILED = date(2026, 10, 20)
REFRESHED = date(2026, 9, 14)


def listings() -> Iterator[datetime]:
    """Yield when production was looked at: at 06:00 UTC, on Mondays since February and every day of October but one."""
    for number in range((date(2026, 11, 1) - date(2026, 2, 2)).days):
        day = date(2026, 2, 2) + timedelta(days=number)
        if (day.weekday() == 0 or day >= date(2026, 10, 1)) and day != NO_RUN:
            yield datetime.combine(day, SIX)


@dataclass
class Zoho:
    """What an organization holds: it changes as events pass."""

    events: tuple[Event, ...]
    prefix: str
    """What its ids begin with."""
    there: dict[str, Record] = field(default_factory=dict)
    away: dict[str, Record] = field(default_factory=dict)
    passed: int = 0

    def until(self, at: datetime) -> list[Record]:
        """Let everything happen that happens by then, and return what Zoho lists."""
        while self.passed < len(self.events) and _instant(self.events[self.passed].at) <= at:
            self._happen(self.events[self.passed])
            self.passed += 1
        return list(self.there.values())

    def refresh(self, other: "Zoho") -> None:
        """Become a copy as a refresh of a sandbox makes it: the same in everything but the ids."""
        self.there = self._own(other.there)

    def _own(self, records: Record) -> Record:
        own: Record = json.loads(json.dumps(records).replace(f'"{ID}', f'"{self.prefix}'))
        return own

    def _happen(self, event: Event) -> None:
        match event:
            case Created(at, by, key, record, edited):
                number = 1 + max((int(r["id"][-3:]) for r in (self.there | self.away).values()), default=100)
                edit = {"modified_time": _sent(edited or at), "modified_by": person(by)}
                new = {"id": f"{ID}0000042{number}"} | record | _edit("created", at, by) | edit
                self.there[key] = self._own(new)
            case Edited(at, by, key, changes):
                self.there[key] |= self._own(changes | (_edit("modified", at, by) if by else {}))
            case Deleted(keys=keys):
                self.away |= {key: self.there.pop(key) for key in keys.split()}
            case Restored(at, by, key, changes):
                self.there[key] = self.away.pop(key) | self._own(changes | _edit("modified", at, by))
            case Renamed(old=old, new=new):
                self.there = json.loads(json.dumps(self.there).replace(f'"{old}"', f'"{new}"'))


async def tell(lab: Lab) -> None:
    """Sync everything that happened, at the times at which it was looked at."""
    production = Zoho(EVENTS, ID)
    sandbox = Zoho(SANDBOX_EVENTS, "8800417")
    for at in listings():
        records = production.until(at)
        if at.date() == FAILED:
            await _fail(lab, at)
        else:
            await _look(lab, at, records, PRODUCTION)
        if not sandbox.there and at.date() >= REFRESHED:
            sandbox.refresh(production)
            await _look(lab, at + timedelta(minutes=30), list(sandbox.there.values()), SANDBOX)
    end = at + timedelta(minutes=30)
    await _look(lab, end, sandbox.until(end), SANDBOX)


async def _look(lab: Lab, at: datetime, records: list[Record], org: Org) -> None:
    lab.clock.time = at - timedelta(minutes=1)  # `sync` moves it on by a minute
    report = await lab.sync(*records, org=org, permits=CAUTIOUS)
    assert report.error is None, report


async def _fail(lab: Lab, at: datetime) -> None:
    lab.clock.time = at
    refused = AccessError("Zoho refused the refresh token.", hint="Make a new one.", code="TOKEN_REFUSED")
    await lab.syncing(WrittenSource(b"", lab.clock, refused), PRODUCTION).run("schedule")


def _edit(role: str, at: str, by: str) -> Record:
    return {f"{role}_time": _sent(at), f"{role}_by": person(by)}


def _instant(at: str) -> datetime:
    return datetime.fromisoformat(f"{at}+00:00")


def _sent(at: str) -> str:
    """Return a time as Zoho sends it, with an offset that is not zero."""
    return _instant(at).astimezone(timezone(timedelta(hours=2))).isoformat()
