"""Enters events in the outbox, in the transaction in which they happen.

A row holds numbers, never texts: the content is loaded when the message is sent, so that a redaction reaches it too.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import uuid4

from sqlalchemy import and_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.events import ENDS, Event
from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.diff import Plan
from cadence_sync.db.bulk import Write, copy_rows
from cadence_sync.db.engine import transaction
from cadence_sync.db.tables import alert_outbox, orgs, sync_runs
from cadence_sync.ports import Run

FLOOD: Final = 10
"""Changes of one run that are a message each; more of them share one message."""

# No other process can have claimed them: they were entered in this transaction. An index covers the open ones.
_COALESCE: Final = text("""
    UPDATE cadence_sync.alert_outbox AS o SET message_id = first.message_id,
    is_bundle_head = o.event_key = first.event_key
    FROM (
        SELECT DISTINCT ON (channel) channel, event_key, message_id, count(*) OVER (PARTITION BY channel) AS changes
        FROM cadence_sync.alert_outbox
        WHERE org_id = :org_id AND run_id = :run_id AND event = 'change' AND is_bundle_head
          AND sent_at IS NULL AND dead_lettered_at IS NULL
        ORDER BY channel, event_key
    ) AS first
    WHERE o.org_id = :org_id AND o.run_id = :run_id AND o.event = 'change' AND o.is_bundle_head
      AND o.sent_at IS NULL AND o.dead_lettered_at IS NULL
      AND o.channel = first.channel AND first.changes > :flood
""")

IsStale: TypeAlias = Callable[[str, datetime], bool]
"""Tells by an organization and the time of its last listing whether that is old enough for an alert."""


def plan_entries(alerting: AlertRouting, run: Run, plan: Plan) -> Iterator[Write]:
    """Yield the entries for the versions of a plan."""
    if not alerting.rules:
        return
    entries = [
        _entry(
            alerting, run.org_id, channel, Event.CHANGE, f"{version.row.cadence_id}/{version.number}", run.started_at,
            happened_at=version.valid_from, cadence_id=version.row.cadence_id, version=version.number,
            run_id=run.run_id,
        )
        for version in plan.versions
        for channel in alerting.channels_for_change(run.org_id, version)
    ]  # fmt: skip
    yield from copy_rows(alert_outbox, entries)


async def coalesce(connection: AsyncConnection, run: Run) -> None:
    """Combine the changes of a run into one message on each channel that would receive more than `FLOOD`."""
    await connection.execute(_COALESCE, {"org_id": run.org_id, "run_id": run.run_id, "flood": FLOOD})


def hold_entries(alerting: AlertRouting, run: Run, deletions: DeletionPlan) -> Iterator[Write]:
    """Yield the entries for a new hold; an open one was announced before."""
    if deletions.hold and deletions.hold_id is None:
        yield from run_entries(alerting, run, Event.HELD)


def run_entries(alerting: AlertRouting, run: Run, event: Event) -> Iterator[Write]:
    """Yield the entries for an event of a run."""
    entries = [
        _entry(alerting, run.org_id, channel, event, str(run.run_id), run.started_at, run_id=run.run_id)
        for channel in alerting.channels_for(event, run.org_id)
    ]
    yield from copy_rows(alert_outbox, entries)


async def enter_decision(
    connection: AsyncConnection, alerting: AlertRouting, org_id: str, case: int, decision: int, now: datetime
) -> None:
    """Enter the review of a hold."""
    channels = alerting.channels_for(Event.DECIDED, org_id)
    entries = [_entry(alerting, org_id, c, Event.DECIDED, str(decision), now, run_id=case) for c in channels]
    await _insert(connection, entries)


async def enter_staleness(engine: AsyncEngine, alerting: AlertRouting, now: datetime, is_stale: IsStale) -> None:
    """Enter organizations that were not read for too long, and the ends of episodes.

    Any number of processes may do so at any time: each episode has one row per channel.
    """
    if alerting.rules:
        async with transaction(engine) as connection:
            await _insert(connection, await _end_episodes(connection, alerting, now))
            await _insert(connection, await _begin_episodes(connection, alerting, now, is_stale))


async def _end_episodes(connection: AsyncConnection, alerting: AlertRouting, now: datetime) -> list[dict[str, Any]]:
    """Close the episodes that are over, and return the entries for their ends."""
    rows, o = alert_outbox, orgs
    good = select(sync_runs.c.run_id).where(
        sync_runs.c.org_id == rows.c.org_id, sync_runs.c.run_id > rows.c.run_id, sync_runs.c.outcome != "failed"
    )
    over = {Event.FAILING: good.exists(), Event.STALE: o.c.last_listed_at > rows.c.happened_at}
    entries: list[dict[str, Any]] = []
    for event, is_over in over.items():
        ended = await connection.execute(
            update(rows)
            .where(rows.c.event == str(event), rows.c.resolved_at.is_(None), o.c.org_id == rows.c.org_id, is_over)
            .values(resolved_at=now)
            .returning(
                rows.c.org_id, rows.c.channel, rows.c.event_key, rows.c.run_id, o.c.last_listed_at,
                and_(rows.c.sent_at.is_not(None), rows.c.message_id.is_(None)).label("was_dropped"),
            )
        )  # fmt: skip
        for row in ended:
            end, number = ENDS[event], row.event_key.partition("/")[2]
            if not row.was_dropped and row.channel in alerting.channels_for(end, row.org_id):
                at = row.last_listed_at or now
                entries.append(
                    _entry(alerting, row.org_id, row.channel, end, number, now, happened_at=at, run_id=row.run_id)
                )
    return entries


async def _begin_episodes(
    connection: AsyncConnection, alerting: AlertRouting, now: datetime, is_stale: IsStale
) -> list[dict[str, Any]]:
    known = select(orgs.c.org_id, orgs.c.last_listed_at).where(
        orgs.c.enabled, orgs.c.removed_at.is_(None), orgs.c.last_listed_at.is_not(None)
    )
    lasting = select(alert_outbox.c.org_id, alert_outbox.c.channel).where(
        alert_outbox.c.event == str(Event.STALE), alert_outbox.c.resolved_at.is_(None)
    )
    announced = {tuple(row) for row in await connection.execute(lasting)}
    return [
        _entry(alerting, org_id, channel, Event.STALE, f"{last.timestamp():.6f}", now, happened_at=last)
        for org_id, last in await connection.execute(known)
        if is_stale(org_id, last)
        for channel in alerting.channels_for(Event.STALE, org_id)
        if (org_id, channel) not in announced
    ]


async def _insert(connection: AsyncConnection, entries: Sequence[dict[str, Any]]) -> None:
    for entry in entries:
        await connection.execute(insert(alert_outbox).values(entry).on_conflict_do_nothing())


def _entry(  # noqa: PLR0913 - what a row holds
    alerting: AlertRouting,
    org_id: str,
    channel: str,
    event: Event,
    number: str,
    now: datetime,
    *,
    happened_at: datetime | None = None,
    cadence_id: str | None = None,
    version: int | None = None,
    run_id: int | None = None,
) -> dict[str, Any]:
    """Return a row; one that waits for a digest has no message yet."""
    due, waits = alerting.due(channel, now), channel in alerting.digests
    return {
        "org_id": org_id,
        "channel": channel,
        "event_key": f"{event}/{number}",
        "event": str(event),
        "happened_at": happened_at or now,
        "cadence_id": cadence_id,
        "version": version,
        "run_id": run_id,
        "message_id": None if waits else str(uuid4()),
        "is_bundle_head": not waits,
        "due_at": due,
        "next_attempt_at": due,
    }
