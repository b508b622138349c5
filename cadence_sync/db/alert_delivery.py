"""Claims outbox messages for delivery, one process each, and records the results."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.alerts.events import AlertEvent, Event, HoldState
from cadence_sync.core.fields import LABELS
from cadence_sync.core.labels import plural
from cadence_sync.core.records import FieldChange
from cadence_sync.db import audit
from cadence_sync.db.engine import autocommit, transaction
from cadence_sync.db.queries.changes import VersionEdit, load_edits
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables.running import alert_outbox
from cadence_sync.errors import CadenceSyncError
from cadence_sync.ports import Actor

LEASE: Final = timedelta(minutes=3)
"""How long a process owns a message unless it renews the lease; then another may send it."""

_ROWS: Final = alert_outbox.c
_DUE: Final = sa.text("""
    SELECT channel, org_id, bool_or(message_id IS NULL) AS unbundled FROM cadence_sync.alert_outbox
    WHERE channel = ANY(:channels) AND sent_at IS NULL AND dead_lettered_at IS NULL AND next_attempt_at <= now()
        AND (leased_until IS NULL OR leased_until <= now())
        AND (is_bundle_head OR message_id IS NULL)
    GROUP BY channel, org_id ORDER BY channel, min(next_attempt_at), org_id
""").bindparams(sa.bindparam("channels", type_=sa.ARRAY(sa.Text)))
# Under an id that no organization has. A row that exists is locked and stays as it is.
_LOCK_CHANNEL: Final = sa.text("""
    INSERT INTO cadence_sync.locks (org_id, name) VALUES ('*', 'alerts/' || :channel)
    ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name WHERE false
""")
_POSTPONE_LATE: Final = sa.text("""
    UPDATE cadence_sync.alert_outbox AS late SET due_at = :next, next_attempt_at = :next
    WHERE channel = :channel AND sent_at IS NULL AND dead_lettered_at IS NULL AND next_attempt_at <= now()
        AND message_id IS NULL AND EXISTS (
            SELECT FROM cadence_sync.alert_outbox AS gone
            WHERE gone.channel = late.channel AND gone.due_at = late.due_at AND gone.message_id IS NOT NULL
        )
""")
_BUNDLE: Final = sa.text("""
    WITH waiting AS (
        SELECT org_id, event_key, row_number() OVER (ORDER BY happened_at, org_id, event_key) AS place
        FROM cadence_sync.alert_outbox
        WHERE channel = :channel AND sent_at IS NULL AND dead_lettered_at IS NULL AND next_attempt_at <= now()
            AND message_id IS NULL
    ), message AS MATERIALIZED (
        SELECT gen_random_uuid()::text AS id
    )
    UPDATE cadence_sync.alert_outbox AS o SET message_id = message.id, is_bundle_head = waiting.place = 1
    FROM waiting, message
    WHERE o.org_id = waiting.org_id AND o.channel = :channel AND o.event_key = waiting.event_key
""")
_CLAIM: Final = sa.text("""
    UPDATE cadence_sync.alert_outbox SET attempts = attempts + 1, leased_until = now() + :lease
    WHERE org_id = :org_id AND channel = :channel AND event_key = (
        SELECT event_key FROM cadence_sync.alert_outbox
        WHERE org_id = :org_id AND channel = :channel AND is_bundle_head
            AND sent_at IS NULL AND dead_lettered_at IS NULL AND next_attempt_at <= now()
            AND (leased_until IS NULL OR leased_until <= now())
        ORDER BY next_attempt_at, happened_at LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING message_id, channel, attempts
""")
_STATUS: Final = sa.text("""
    SELECT channel, count(*) FILTER (WHERE sent_at IS NULL AND dead_lettered_at IS NULL) AS pending,
        count(*) FILTER (WHERE sent_at IS NOT NULL) AS sent,
        count(*) FILTER (WHERE dead_lettered_at IS NOT NULL) AS dead_lettered,
        min(created_at) FILTER (WHERE sent_at IS NULL AND dead_lettered_at IS NULL) AS oldest,
        max(sent_at) AS last_sent_at,
        (array_agg(last_error ORDER BY next_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error
    FROM cadence_sync.alert_outbox WHERE sent_at IS NULL OR message_id IS NOT NULL
    GROUP BY channel ORDER BY channel
""")
# An episode that lasts stays, sent without a message: otherwise the next check would announce it again.
_DROP: Final = sa.text("""
    WITH mine AS (
        SELECT org_id, channel, event_key, event IN ('failing', 'stale') AND resolved_at IS NULL AS lasts
        FROM cadence_sync.alert_outbox WHERE channel = ANY(:channels) AND sent_at IS NULL
        FOR UPDATE
    ), kept AS (
        UPDATE cadence_sync.alert_outbox AS o
        SET sent_at = now(), dead_lettered_at = NULL, message_id = NULL, is_bundle_head = false, leased_until = NULL,
            last_error = NULL
        FROM mine
        WHERE (o.org_id, o.channel, o.event_key) = (mine.org_id, mine.channel, mine.event_key) AND mine.lasts
    ), gone AS (
        DELETE FROM cadence_sync.alert_outbox AS o USING mine
        WHERE (o.org_id, o.channel, o.event_key) = (mine.org_id, mine.channel, mine.event_key) AND NOT mine.lasts
    )
    SELECT count(*) FROM mine
""").bindparams(sa.bindparam("channels", type_=sa.ARRAY(sa.Text)))


def _labels_of(version: str) -> str:
    paths = (f"'{path}', {version}.raw #>> '{{{name.replace('.', ',')}}}'" for name, path in LABELS.items())
    return f"json_build_object({', '.join(paths)})"


_EVENTS: Final = sa.text(f"""
    SELECT o.event, o.event_key AS key, o.org_id, o.happened_at AS at, o.cadence_id, o.version, o.run_id,
        v.document ->> 'name' AS name, coalesce(d.cadences, r.held, 0) AS count, coalesce(h.names, '{{}}') AS names,
        r.error_code, r.error_message AS error, r.error_hint AS hint, o.resolved_at IS NOT NULL AS is_over,
        coalesce(d.decision, s.decision) AS decision, coalesce(d.decided_by, s.decided_by) AS decided_by,
        CASE WHEN o.event <> 'deletions_held' OR c.open THEN 'open' WHEN s.decision IS NOT NULL THEN s.decision
            WHEN c.newer THEN 'replaced' ELSE 'settled' END AS hold_state,
        {_labels_of("b")} AS old_labels, {_labels_of("v")} AS new_labels
    FROM cadence_sync.alert_outbox AS o
    LEFT JOIN cadence_sync.cadence_versions AS v USING (org_id, cadence_id, version)
    LEFT JOIN LATERAL (
        SELECT x.raw FROM cadence_sync.cadence_versions AS x
        WHERE x.org_id = v.org_id AND x.cadence_id = v.cadence_id AND x.version < v.version AND x.raw IS NOT NULL
        ORDER BY x.version DESC LIMIT 1
    ) AS b ON true
    LEFT JOIN cadence_sync.sync_runs AS r ON r.org_id = o.org_id AND r.run_id = o.run_id
    LEFT JOIN cadence_sync.deletion_decisions AS d
        ON d.org_id = o.org_id AND o.event = 'deletions_reviewed'
        AND o.event_key = 'deletions_reviewed/' || d.decision_id
    LEFT JOIN LATERAL (
        SELECT x.decision, x.decided_by FROM cadence_sync.deletion_decisions AS x
        WHERE o.event = 'deletions_held' AND x.org_id = o.org_id AND x.hold_id = o.run_id
        ORDER BY x.decision_id DESC LIMIT 1
    ) AS s ON true
    LEFT JOIN LATERAL (
        SELECT bool_or(x.hold_id = o.run_id) AS open, bool_or(x.hold_id > o.run_id) AS newer
        FROM cadence_sync.held_deletions AS x
        WHERE o.event = 'deletions_held' AND x.org_id = o.org_id AND x.decision IS NULL
    ) AS c ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(n.name) AS names FROM (
            SELECT coalesce(nullif(k.name, ''), k.cadence_id) AS name
            FROM cadence_sync.held_deletions AS m
            JOIN cadence_sync.cadences AS k ON k.org_id = m.org_id AND k.cadence_id = m.cadence_id
            WHERE o.event = 'deletions_held' AND m.org_id = o.org_id AND m.hold_id = o.run_id
            ORDER BY 1 LIMIT 10
        ) AS n
    ) AS h ON true
    WHERE o.message_id = :message_id AND o.sent_at IS NULL AND o.dead_lettered_at IS NULL AND EXISTS (
        SELECT FROM cadence_sync.alert_outbox AS first
        WHERE first.message_id = :message_id AND first.is_bundle_head AND first.attempts = :attempts
            AND first.sent_at IS NULL AND first.dead_lettered_at IS NULL AND first.leased_until > now()
    )
    ORDER BY o.happened_at, o.org_id, o.event_key
""").columns(old_labels=sa.JSON, new_labels=sa.JSON)  # noqa: S608 - built from our own words


class DueBatch(NamedTuple):
    """A channel on which events of an organization are due; `unbundled` if some of them wait for a digest."""

    channel: str
    org_id: str
    unbundled: bool


class OutboxMessage(NamedTuple):
    """A message that this process has leased; `attempts` counts this one too, and so identifies the lease."""

    message_id: str
    channel: str
    attempts: int
    events: Sequence[AlertEvent] = ()


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """The outbox as a dispatcher uses it; each method raises `DatabaseError`."""

    engine: AsyncEngine

    async def load_due(self, channels: Iterable[str]) -> list[DueBatch]:
        async with autocommit(self.engine) as connection:
            return [DueBatch(*row) for row in await connection.execute(_DUE, {"channels": list(channels)})]

    async def build_digest(self, channel: str, following: datetime) -> None:
        """Bundles the due events of a channel's digest; events that come late wait for the `following` one."""
        async with transaction(self.engine) as connection:
            await connection.execute(_LOCK_CHANNEL, {"channel": channel})
            await connection.execute(_POSTPONE_LATE, {"channel": channel, "next": following})
            await connection.execute(_BUNDLE, {"channel": channel})

    async def claim(self, batch: DueBatch) -> OutboxMessage | None:
        """Leases the message that has waited longest; returns None where no message waits.

        It has no events if it was purged or dropped since, or if its lease ended while this process slept.
        """
        about = {"org_id": batch.org_id, "channel": batch.channel, "lease": LEASE}
        async with autocommit(self.engine) as connection:
            row = (await connection.execute(_CLAIM, about)).one_or_none()
        if row is None:
            return None
        message = OutboxMessage(*row)
        try:
            return message._replace(events=await self.load_events(message))
        except CadenceSyncError:  # this was not an attempt to send it
            with suppress(CadenceSyncError):
                await self._update(_is_leased(message), attempts=_ROWS.attempts - 1, leased_until=None)
            raise

    async def load_events(self, message: OutboxMessage) -> list[AlertEvent]:
        """Returns a message's events as they are known now; none if it is gone, or leased to another process."""
        async with autocommit(self.engine) as connection:
            about = {"message_id": message.message_id, "attempts": message.attempts}
            rows = (await connection.execute(_EVENTS, about)).mappings().all()
            keys = [(row["org_id"], row["cadence_id"], row["version"]) for row in rows]
            edits = await load_edits(connection, [key for key in keys if key[2] is not None])
        found = {edit.key: edit for edit in edits}
        return [_event(row, found.get(key)) for row, key in zip(rows, keys, strict=True)]

    async def renew_lease(self, message: OutboxMessage) -> None:
        await self._update(_is_leased(message), leased_until=sa.func.now() + LEASE)

    async def mark_sent(self, message: OutboxMessage) -> None:
        values = {"sent_at": sa.func.now(), "leased_until": None, "last_error": None}
        await self._update(sa.and_(_ROWS.message_id == message.message_id, _is_pending()), **values)

    async def retry_later(self, message: OutboxMessage, error: str, pause: timedelta) -> None:
        values = {"leased_until": None, "last_error": error, "next_attempt_at": sa.func.now() + pause}
        await self._update(_is_leased(message), **values)

    async def dead_letter(self, message: OutboxMessage, error: str) -> None:
        """Gives a message up, unless its lease has gone to another process."""
        values = {"dead_lettered_at": sa.func.now(), "leased_until": None, "last_error": error}
        is_mine = sa.exists().where(_is_leased(message, alert_outbox.alias("head")))
        await self._update(sa.and_(_ROWS.message_id == message.message_id, _is_pending(), is_mine), **values)

    async def _update(self, condition: sa.ColumnElement[bool], **values: object) -> None:
        async with autocommit(self.engine) as connection:
            await connection.execute(sa.update(alert_outbox).where(condition).values(values))


async def delivery_status(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with autocommit(engine) as connection:
        await check_migrated(connection)
        return [dict(row) for row in (await connection.execute(_STATUS)).mappings()]


async def retry_failed(engine: AsyncEngine, channels: Collection[str], by: Actor) -> int:
    """Makes failed messages and dead letters due now; returns the number of their events."""
    attempts = sa.case((_ROWS.dead_lettered_at.is_(None), _ROWS.attempts), else_=0)
    statement = (
        sa.update(alert_outbox)
        .where(_ROWS.channel.in_(channels), _ROWS.sent_at.is_(None))
        .where(sa.or_(_ROWS.dead_lettered_at.is_not(None), _ROWS.last_error.is_not(None)))
        .values(dead_lettered_at=None, next_attempt_at=sa.func.now(), attempts=attempts)
    )
    async with transaction(engine) as connection:
        await check_migrated(connection)
        count = (await connection.execute(statement)).rowcount
        await audit.enter(
            connection, by, "alerts retry", plural(count, "event"), details={"channels": sorted(channels)}
        )
        return count


async def drop_pending(engine: AsyncEngine, channels: Collection[str], by: Actor) -> int:
    """Drops unsent events, and with them the ends of their episodes; returns their number."""
    async with transaction(engine) as connection:
        await check_migrated(connection)
        count = int((await connection.execute(_DROP, {"channels": list(channels)})).scalar_one())
        await audit.enter(connection, by, "alerts drop", plural(count, "event"), details={"channels": sorted(channels)})
        return count


def _is_pending(rows: sa.FromClause = alert_outbox) -> sa.ColumnElement[bool]:
    return sa.and_(rows.c.sent_at.is_(None), rows.c.dead_lettered_at.is_(None))


def _is_leased(message: OutboxMessage, rows: sa.FromClause = alert_outbox) -> sa.ColumnElement[bool]:
    is_head = sa.and_(rows.c.message_id == message.message_id, rows.c.is_bundle_head)
    return sa.and_(is_head, rows.c.attempts == message.attempts, _is_pending(rows))


def _event(row: sa.RowMapping, edit: VersionEdit | None) -> AlertEvent:
    known: dict[str, Any] = {**row, "event": Event(row["event"]), "hold_state": HoldState(row["hold_state"])}
    old, new = known.pop("old_labels"), known.pop("new_labels")
    if edit is not None:
        known |= {"kind": edit.kind, "changed_by_id": edit.by_id, "changed_by_name": edit.by_name}
        known["changes"] = [
            FieldChange(change.field, change.old, change.new, old.get(change.field), new.get(change.field))
            for change in edit.fields
        ]
    return AlertEvent(**known)
