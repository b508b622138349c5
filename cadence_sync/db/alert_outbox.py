"""Enters events in the outbox, in the transaction in which they happen.

A row holds numbers, never texts: the content is loaded when the message is sent, so that a redaction reaches it too.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import uuid4

from sqlalchemy import and_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.events import ENDS, AlertEvent, Event
from cadence_sync.alerts.routing import AlertRouting, IsStale
from cadence_sync.core.diff import Plan
from cadence_sync.db.bulk import Write, copy_rows
from cadence_sync.db.engine import transaction
from cadence_sync.db.tables.history import orgs
from cadence_sync.db.tables.running import alert_outbox, sync_runs
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

_Entry: TypeAlias = dict[str, Any]


def plan_entries(alerting: AlertRouting, run: Run, plan: Plan) -> Iterator[Write]:
    if not alerting.rules:
        return
    entries: list[_Entry] = []
    for version in plan.versions:
        cadence_id, number = version.row.cadence_id, version.number
        alert = AlertEvent(
            Event.CHANGE,
            f"{Event.CHANGE}/{cadence_id}/{number}",
            run.org_id,
            version.valid_from,
            cadence_id=cadence_id,
            version=number,
            run_id=run.run_id,
        )
        entries += _entries(alerting, alert, alerting.channels_for_change(run.org_id, version), run.started_at)
    yield from copy_rows(alert_outbox, entries)


async def coalesce(connection: AsyncConnection, run: Run) -> None:
    await connection.execute(_COALESCE, {"org_id": run.org_id, "run_id": run.run_id, "flood": FLOOD})


def run_entries(alerting: AlertRouting, run: Run, event: Event) -> Iterator[Write]:
    alert = AlertEvent(event, f"{event}/{run.run_id}", run.org_id, run.started_at, run_id=run.run_id)
    return copy_rows(alert_outbox, _entries_by_rule(alerting, alert, run.started_at))


async def enter_decision(
    connection: AsyncConnection, alerting: AlertRouting, org_id: str, hold_id: int, decision: int, now: datetime
) -> None:
    alert = AlertEvent(Event.DECIDED, f"{Event.DECIDED}/{decision}", org_id, now, run_id=hold_id)
    await _insert(connection, _entries_by_rule(alerting, alert, now))


async def enter_staleness(engine: AsyncEngine, alerting: AlertRouting, now: datetime, is_stale: IsStale) -> None:
    """Enters organizations that were not read for too long, and the ends of episodes.

    Any number of processes may do so at any time: each episode has one row per channel.
    """
    if alerting.rules:
        async with transaction(engine) as connection:
            await _insert(connection, await _end_episodes(connection, alerting, now))
            await _insert(connection, await _begin_episodes(connection, alerting, now, is_stale))


async def _end_episodes(connection: AsyncConnection, alerting: AlertRouting, now: datetime) -> list[_Entry]:
    rows, o = alert_outbox.c, orgs.c
    good = select(sync_runs.c.run_id).where(
        sync_runs.c.org_id == rows.org_id, sync_runs.c.run_id > rows.run_id, sync_runs.c.outcome != "failed"
    )
    entries: list[_Entry] = []
    for event, is_over in {Event.FAILING: good.exists(), Event.STALE: o.last_listed_at > rows.happened_at}.items():
        was_dropped = and_(rows.sent_at.is_not(None), rows.message_id.is_(None)).label("was_dropped")
        ended = await connection.execute(
            update(alert_outbox)
            .where(rows.event == str(event), rows.resolved_at.is_(None), o.org_id == rows.org_id, is_over)
            .values(resolved_at=now)
            .returning(rows.org_id, rows.channel, rows.event_key, rows.run_id, o.last_listed_at, was_dropped)
        )
        for row in ended:
            end = ENDS[event]
            if not row.was_dropped and row.channel in alerting.channels_for(end, row.org_id):
                key = f"{end}/{row.event_key.partition('/')[2]}"
                alert = AlertEvent(end, key, row.org_id, row.last_listed_at or now, run_id=row.run_id)
                entries += _entries(alerting, alert, [row.channel], now)
    return entries


async def _begin_episodes(
    connection: AsyncConnection, alerting: AlertRouting, now: datetime, is_stale: IsStale
) -> list[_Entry]:
    known = select(orgs.c.org_id, orgs.c.last_listed_at).where(
        orgs.c.enabled, orgs.c.removed_at.is_(None), orgs.c.last_listed_at.is_not(None)
    )
    lasting = select(alert_outbox.c.org_id, alert_outbox.c.channel).where(
        alert_outbox.c.event == str(Event.STALE), alert_outbox.c.resolved_at.is_(None)
    )
    announced = {tuple(row) for row in await connection.execute(lasting)}
    stale = [
        AlertEvent(Event.STALE, f"{Event.STALE}/{last.timestamp():.6f}", org_id, last)
        for org_id, last in await connection.execute(known)
        if is_stale(org_id, last)
    ]
    entries = [entry for alert in stale for entry in _entries_by_rule(alerting, alert, now)]
    return [entry for entry in entries if (entry["org_id"], entry["channel"]) not in announced]


async def _insert(connection: AsyncConnection, entries: Sequence[_Entry]) -> None:
    if entries:
        await connection.execute(insert(alert_outbox).on_conflict_do_nothing(), entries)


def _entries_by_rule(alerting: AlertRouting, alert: AlertEvent, now: datetime) -> list[_Entry]:
    return _entries(alerting, alert, alerting.channels_for(alert.event, alert.org_id), now)


def _entries(alerting: AlertRouting, alert: AlertEvent, channels: Sequence[str], now: datetime) -> list[_Entry]:
    """Returns a row for each channel; one that waits for a digest has no message yet."""
    entry = {
        "org_id": alert.org_id,
        "event_key": alert.key,
        "event": str(alert.event),
        "happened_at": alert.at,
        "cadence_id": alert.cadence_id,
        "version": alert.version,
        "run_id": alert.run_id,
    }
    entries: list[_Entry] = []
    for channel in channels:
        due, waits = alerting.due(channel, now), channel in alerting.digests
        message = {"message_id": None if waits else str(uuid4()), "is_bundle_head": not waits}
        entries.append(entry | message | {"channel": channel, "due_at": due, "next_attempt_at": due})
    return entries
