"""A long generated history of many organizations, copied straight into the tables: syncs would take too long."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from cadence_sync.core.canonical import to_document
from cadence_sync.core.decode import decode_record
from cadence_sync.core.diff import CurrentRow
from cadence_sync.core.records import Config, Record
from cadence_sync.db.columns import cadence_values, execution_values, summary_values
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.serializers import list_v7

END: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251 - trends end today
DAYS: Final = 730
DISCOVERED_AGO: Final = 366
"""Days since `description` became known, as it does when v8 is asked for the first time."""
LEARNERS: Final = 10
"""One in this number of organizations uses v8."""
DESCRIPTION: Final = "Calls and e-mails after a demo."
SEED: Final = 7
_AT_ONCE: Final = 20
"""Organizations in one transaction."""
Tables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Size:
    """The size of the history; each organization is listed once a day."""

    orgs: int
    cadences: int
    versions: int


async def fill(url: str, size: Size) -> None:
    """Fills migrated, empty tables."""
    connection = await asyncpg.connect(url)
    try:
        for start in range(0, size.orgs, _AT_ONCE):
            tables: Tables = {}
            for index in range(start, min(start + _AT_ONCE, size.orgs)):
                for table, row in _org(index, size):
                    tables.setdefault(table, []).append(row)
            async with connection.transaction():
                for table, rows in tables.items():
                    records = [tuple(row.values()) for row in rows]
                    await connection.copy_records_to_table(
                        table, schema_name="cadence_sync", columns=list(rows[0]), records=records
                    )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _org(index: int, size: Size) -> Iterator[tuple[str, dict[str, Any]]]:
    org_id, began = f"org-{index:04}", END - timedelta(days=DAYS)
    yield "orgs", {"org_id": org_id, "data_center": "us", "first_listed_at": began, "last_listed_at": END}
    for day in range(DAYS + 1):
        at = began + timedelta(days=day)
        run = {"org_id": org_id, "trigger": "schedule", "started_at": at, "finished_at": at, "outcome": "succeeded"}
        yield "sync_runs", run | {"host": "bench", "pid": 1, "process_started": "0", "lease_until": at}
    org = SimOrg(SEED, index, size.cadences)
    for number, cadence in enumerate(org.cadences.values()):
        record = list_v7(cadence, org.utc_offset)
        decoded = decode_record(msgspec.json.encode(record))
        if not isinstance(decoded, Record):
            raise TypeError("the simulator makes records that can be read")
        yield from _cadence(org_id, number, record, decoded, size)


def _cadence(
    org_id: str, number: int, record: dict[str, Any], seen: Record, size: Size
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields a cadence whose versions are spread over the days; each renames it or switches it."""
    key = {"org_id": org_id, "cadence_id": seen.cadence_id}
    config: Config = dict(seen.config)
    discovered_at = END - timedelta(days=DISCOVERED_AGO) if int(org_id[4:]) % LEARNERS == 0 else END
    days = [version * DAYS // size.versions + number % (DAYS // size.versions) for version in range(size.versions)]
    times = [END - timedelta(days=DAYS - day, seconds=number) for day in (0, *days[1:])]
    for version, (begins, ends) in enumerate(zip(times, (*times[1:], None), strict=True), 1):
        at = {"valid_from": begins, "valid_to": ends, "observed_at": begins}
        before = dict(config)
        if version > 1:
            field = "active" if version % 2 else "name"
            config[field] = not config.get("active") if version % 2 else f"{seen.config['name']} {version}"
            config["modified_time"] = begins.isoformat()
            for path in (field, "modified_time"):
                yield "cadence_changes", key | _change(version, path, before[path], config[path], begins)
        if discovered_at <= begins:
            config["description"] = DESCRIPTION
        elif discovered_at < (ends or END):
            said = {"field": "description", "value": msgspec.json.encode(DESCRIPTION).decode()}
            yield "discovered_fields", key | {"version": version, "observed_at": discovered_at, "run_id": DAYS} | said
        raw = msgspec.json.encode(record | {"name": config["name"], "active": config["active"]}).decode()
        kind = "updated" if version > 1 else "baseline"
        document = msgspec.json.encode(to_document(config)).decode()
        modified = datetime.fromisoformat(str(config["modified_time"])) if config["modified_time"] else None
        stored = {"source_modified_time": modified, "document": document, "raw": raw, "run_id": version}
        yield "cadence_versions", key | {"version": version, "kind": kind} | at | stored
    row = CurrentRow(seen.cadence_id, config, seen.labels, {}, seen.digest)
    seen_at = {"first_seen_at": times[0], "last_changed_at": times[-1]}
    yield "cadences", key | cadence_values(row) | seen_at | {"version": size.versions, "digest": seen.digest}
    for table, values in (
        ("follow_up_summaries", summary_values(config)),
        ("execution_details", execution_values(config)),
    ):
        if values is not None:
            yield table, key | values


def _change(version: int, field: str, old: object, new: object, at: datetime) -> dict[str, Any]:
    values = {"old_value": msgspec.json.encode(old).decode(), "new_value": msgspec.json.encode(new).decode()}
    when = {"changed_at": at, "observed_at": at, "run_id": version}
    return {"version": version, "kind": "updated", "field": field} | values | when
