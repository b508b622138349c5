"""What a message of the outbox tells, as it is known when it is sent."""

from typing import Any, Final

from sqlalchemy import JSON, Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.alerts.events import AlertEvent, HoldState, LabeledChange
from cadence_sync.alerts.routing import Event
from cadence_sync.core.fields import LABELS
from cadence_sync.db.alert_delivery import OutboxMessage, autocommit
from cadence_sync.db.queries.changes import EditedField, VersionEdit, edits

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
        known = {edit.key: edit for edit in await edits(connection, keys)}
        return [_alert_event(row, known.get((row.org_id, row.cadence_id, row.version))) for row in rows]


def _labeled_change(moved: EditedField, row: Row[Any]) -> LabeledChange:
    """Return a field; what came back has names in its records only."""
    old = moved.old_label or row.old_names.get(moved.field)
    new = moved.new_label or row.new_names.get(moved.field)
    return LabeledChange(moved.field, moved.old, moved.new, old, new)


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
        changes=tuple(_labeled_change(each, row) for each in moved),
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
