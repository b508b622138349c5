"""Taking messages out of the outbox, so that each is sent once by one of many processes, and what became of them."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, JSON, Row, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.events import AlertEvent, HoldState
from cadence_sync.alerts.routing import Event
from cadence_sync.core.fields import LABELS
from cadence_sync.core.records import FieldChange
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.queries.changes import VersionEdit, load_edits
from cadence_sync.db.revision import check_migrated

LEASE: Final = timedelta(minutes=3)
"""So long a message is one process's own, unless that renews it: then another may send it."""

_DUE: Final = text("""
    SELECT channel, org_id, bool_or(message_id IS NULL) AS unbundled FROM cadence_sync.alert_outbox
    WHERE channel = ANY(:channels) AND sent_at IS NULL AND dead_lettered_at IS NULL AND next_attempt_at <= now()
        AND (leased_until IS NULL OR leased_until <= now())
        AND (is_bundle_head OR message_id IS NULL)
    GROUP BY channel, org_id ORDER BY channel, min(next_attempt_at), org_id
""").bindparams(bindparam("channels", type_=ARRAY(Text)))
_LOCK_CHANNEL: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('cadence_sync/alerts/' || :channel, 0))")
_LATE: Final = text("""
    UPDATE cadence_sync.alert_outbox AS late SET due_at = :next, next_attempt_at = :next
    WHERE channel = :channel AND sent_at IS NULL AND dead_lettered_at IS NULL AND next_attempt_at <= now()
        AND message_id IS NULL AND EXISTS (
            SELECT FROM cadence_sync.alert_outbox AS gone
            WHERE gone.channel = late.channel AND gone.due_at = late.due_at AND gone.message_id IS NOT NULL
        )
""")
_BUNDLE: Final = text("""
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
_TAKE: Final = text("""
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


_GIVE_BACK: Final = text("""
    UPDATE cadence_sync.alert_outbox SET attempts = attempts - 1, leased_until = NULL
    WHERE message_id = :message_id AND is_bundle_head AND attempts = :attempts AND sent_at IS NULL AND dead_lettered_at
    IS NULL
""")
_RENEW: Final = text("""
    UPDATE cadence_sync.alert_outbox SET leased_until = now() + :lease
    WHERE message_id = :message_id AND is_bundle_head AND attempts = :attempts AND sent_at IS NULL AND dead_lettered_at
    IS NULL
""")
_SENT: Final = text("""
    UPDATE cadence_sync.alert_outbox SET sent_at = now(), leased_until = NULL, last_error = NULL
    WHERE message_id = :message_id AND sent_at IS NULL AND dead_lettered_at IS NULL
""")
_AGAIN: Final = text("""
    UPDATE cadence_sync.alert_outbox
    SET leased_until = NULL, last_error = :error, next_attempt_at = now() + :pause
    WHERE message_id = :message_id AND is_bundle_head AND attempts = :attempts AND sent_at IS NULL AND dead_lettered_at
    IS NULL
""")
_DEAD: Final = text("""
    UPDATE cadence_sync.alert_outbox SET dead_lettered_at = now(), leased_until = NULL, last_error = :error
    WHERE message_id = :message_id AND sent_at IS NULL AND dead_lettered_at IS NULL AND EXISTS (
        SELECT FROM cadence_sync.alert_outbox AS first
        WHERE first.message_id = :message_id AND first.is_bundle_head AND first.attempts = :attempts
            AND first.sent_at IS NULL AND first.dead_lettered_at IS NULL
    )
""")
_STATUS: Final = text("""
    SELECT channel, count(*) FILTER (WHERE sent_at IS NULL AND dead_lettered_at IS NULL) AS pending,
        count(*) FILTER (WHERE sent_at IS NOT NULL) AS sent, count(*) FILTER (WHERE dead_lettered_at IS NOT NULL) AS
        dead_lettered,
        min(created_at) FILTER (WHERE sent_at IS NULL AND dead_lettered_at IS NULL) AS oldest,
        max(sent_at) AS last_sent_at,
        (array_agg(last_error ORDER BY next_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error
    FROM cadence_sync.alert_outbox WHERE sent_at IS NULL OR message_id IS NOT NULL
    GROUP BY channel ORDER BY channel
""")
_RETRY: Final = text("""
    UPDATE cadence_sync.alert_outbox
    SET dead_lettered_at = NULL, next_attempt_at = now(), attempts = CASE WHEN dead_lettered_at IS NULL THEN attempts
    ELSE 0 END
    WHERE channel = ANY(:channels) AND sent_at IS NULL AND (dead_lettered_at IS NOT NULL OR last_error IS NOT NULL)
""").bindparams(bindparam("channels", type_=ARRAY(Text)))
# What lasts stays, sent without a message: else the next look would find that nobody was told of it.
_DROP: Final = text("""
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
""").bindparams(bindparam("channels", type_=ARRAY(Text)))


@dataclass(frozen=True, slots=True)
class DueBatch:
    """Where something is due; `unbundled` where it waited for a digest."""

    channel: str
    org_id: str
    unbundled: bool


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that is this process's own for the lease; `attempts` counts this one too."""

    message_id: str
    channel: str
    attempts: int


async def load_due(engine: AsyncEngine, channels: Collection[str]) -> list[DueBatch]:
    """Return what is due on these channels, the organization that has waited longest first."""
    async with autocommit(engine) as connection:
        return [DueBatch(*row) for row in await connection.execute(_DUE, {"channels": list(channels)})]


async def build_digest(engine: AsyncEngine, channel: str, following: datetime) -> None:
    """Make one message of all that waits for a channel's digest; what comes late waits for the one that follows."""
    with translate_errors():
        async with engine.begin() as connection:
            await connection.execute(_LOCK_CHANNEL, {"channel": channel})
            await connection.execute(_LATE, {"channel": channel, "next": following})
            await connection.execute(_BUNDLE, {"channel": channel})


async def claim(engine: AsyncEngine, what: DueBatch) -> OutboxMessage | None:
    """Take the message that has waited longest, or None; other processes leave it alone meanwhile."""
    about = {"org_id": what.org_id, "channel": what.channel, "lease": LEASE}
    async with autocommit(engine) as connection:
        row = (await connection.execute(_TAKE, about)).one_or_none()
    return None if row is None else OutboxMessage(row.message_id, row.channel, row.attempts)


async def release(engine: AsyncEngine, message: OutboxMessage) -> None:
    """Let a message wait as if nobody had taken it."""
    about = {"message_id": message.message_id, "attempts": message.attempts}
    async with autocommit(engine) as connection:
        await connection.execute(_GIVE_BACK, about)


async def renew_lease(engine: AsyncEngine, message: OutboxMessage) -> None:
    """Keep a message that is still being sent for another lease."""
    about = {"message_id": message.message_id, "attempts": message.attempts, "lease": LEASE}
    async with autocommit(engine) as connection:
        await connection.execute(_RENEW, about)


async def mark_sent(engine: AsyncEngine, message: OutboxMessage) -> None:
    """Note that the receiver has it."""
    async with autocommit(engine) as connection:
        await connection.execute(_SENT, {"message_id": message.message_id})


async def mark_failed(engine: AsyncEngine, message: OutboxMessage, error: str, pause: timedelta | None) -> None:
    """Note that it was not taken: it is tried again after a pause, or never."""
    about: dict[str, Any] = {"message_id": message.message_id, "attempts": message.attempts, "error": error}
    async with autocommit(engine) as connection:
        if pause is None:
            await connection.execute(_DEAD, about)
        else:
            await connection.execute(_AGAIN, about | {"pause": pause})


async def delivery_status(engine: AsyncEngine) -> list[dict[str, Any]]:
    """Return one row a channel that ever had something to tell."""
    async with autocommit(engine) as connection:
        await check_migrated(connection)
        return [dict(row) for row in (await connection.execute(_STATUS)).mappings()]


async def retry_failed(engine: AsyncEngine, channels: Collection[str]) -> int:
    """Let what failed be tried at once, dead letters too; returns how many events that are."""
    async with autocommit(engine) as connection:
        await check_migrated(connection)
        return int((await connection.execute(_RETRY, {"channels": list(channels)})).rowcount)


async def drop_pending(engine: AsyncEngine, channels: Collection[str]) -> int:
    """Forget what was not sent, and do not tell of its end; returns how many events that were."""
    async with autocommit(engine) as connection:
        await check_migrated(connection)
        return int((await connection.execute(_DROP, {"channels": list(channels)})).scalar_one())


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection on which each statement is a transaction of its own."""
    with translate_errors():
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection


MOST_NAMES: Final = 10
"""Held cadences that a message names."""


def _names(version: str) -> str:
    """Return an object of what Zoho called the things that a version's ids stand for."""
    paths = (f"'{path}', {version}.raw #>> '{{{name.replace('.', ',')}}}'" for name, path in LABELS.items())
    return f"json_build_object({', '.join(paths)})"


_ALERTS: Final = text(f"""
    SELECT o.event, o.event_key, o.org_id, o.happened_at, o.cadence_id, o.version, o.run_id,
        v.document ->> 'name' AS name, {_names("b")} AS old_names, {_names("v")} AS new_names,
        r.error_code, r.error_message, r.error_hint, r.held, d.cadences AS decided, h.names,
        o.resolved_at IS NOT NULL AS is_over,
        coalesce(d.decision, s.decision) AS decision, coalesce(d.decided_by, s.decided_by) AS decided_by,
        CASE WHEN o.event <> 'deletions_held' OR c.open THEN 'open' WHEN s.decision IS NOT NULL THEN s.decision
            WHEN c.newer THEN 'replaced' ELSE 'settled' END AS standing
    FROM cadence_sync.alert_outbox AS o
    LEFT JOIN cadence_sync.cadence_versions AS v USING (org_id, cadence_id, version)
    LEFT JOIN LATERAL (
        SELECT x.raw FROM cadence_sync.cadence_versions AS x
        WHERE x.org_id = v.org_id AND x.cadence_id = v.cadence_id AND x.version < v.version AND x.raw IS NOT NULL
        ORDER BY x.version DESC LIMIT 1
    ) AS b ON true
    LEFT JOIN cadence_sync.sync_runs AS r ON r.org_id = o.org_id AND r.run_id = o.run_id
    LEFT JOIN cadence_sync.deletion_decisions AS d
        ON d.org_id = o.org_id AND o.event = 'deletions_reviewed' AND o.event_key = 'deletions_reviewed/' ||
        d.decision_id
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
            ORDER BY 1 LIMIT :most
        ) AS n
    ) AS h ON true
    WHERE o.message_id = :message_id AND o.sent_at IS NULL AND o.dead_lettered_at IS NULL AND EXISTS (
        SELECT FROM cadence_sync.alert_outbox AS first
        WHERE first.message_id = :message_id AND first.is_bundle_head AND first.attempts = :attempts
            AND first.sent_at IS NULL AND first.dead_lettered_at IS NULL AND first.leased_until > now()
    )
    ORDER BY o.happened_at, o.org_id, o.event_key
""").columns(old_names=JSON, new_names=JSON)  # noqa: S608 - built from our own words


async def load_alerts(engine: AsyncEngine, message: OutboxMessage) -> list[AlertEvent]:
    """Return what a message tells, as it is known now; nothing where it is gone, or not this process's any more."""
    async with autocommit(engine) as connection:
        about = {"message_id": message.message_id, "attempts": message.attempts, "most": MOST_NAMES}
        rows = (await connection.execute(_ALERTS, about)).all()
        keys = [(row.org_id, row.cadence_id, row.version) for row in rows if row.version is not None]
        known = {edit.key: edit for edit in await load_edits(connection, keys)}
        return [_alert_event(row, known.get((row.org_id, row.cadence_id, row.version))) for row in rows]


def _labeled(change: FieldChange, row: Row[Any]) -> FieldChange:
    """Add labels; those of a restored version stand in its records only."""
    return change._replace(
        old_label=change.old_label or row.old_names.get(change.field),
        new_label=change.new_label or row.new_names.get(change.field),
    )


def _alert_event(row: Row[Any], edit: VersionEdit | None) -> AlertEvent:
    kind, by_id, by_name = (None, None, None) if edit is None else (edit.kind, edit.by_id, edit.by_name)
    moved = () if edit is None else edit.fields
    return AlertEvent(
        Event(row.event),
        row.event_key,
        row.org_id,
        row.happened_at,
        cadence_id=row.cadence_id,
        version=row.version,
        kind=kind,
        name=row.name,
        changes=tuple(_labeled(each, row) for each in moved),
        changed_by_id=by_id,
        changed_by_name=by_name,
        run_id=row.run_id,
        count=row.decided if row.event == "deletions_reviewed" else row.held or 0,
        names=tuple(row.names or ()),
        hold_state=HoldState(row.standing),
        is_over=row.is_over,
        decision=row.decision,
        decided_by=row.decided_by,
        error_code=row.error_code,
        error=row.error_message,
        hint=row.error_hint,
    )
