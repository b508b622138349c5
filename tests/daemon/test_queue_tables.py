"""The queue's tables: PgQueuer's plan, run in transactions."""

from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.daemon import migration
from cadence_sync.db.queue import driver_of
from tests.support.lab import Lab

INDEX = "SELECT indexdef FROM pg_indexes WHERE indexname = 'pgqueuer_picked_heartbeat_idx'"


async def test_a_label_that_an_older_queue_lacks_is_committed_before_it_is_used(lab: Lab, engine: AsyncEngine) -> None:
    await lab.execute(
        "DROP INDEX cadence_queue.pgqueuer_picked_heartbeat_idx",
        "ALTER TYPE cadence_queue.pgqueuer_status RENAME VALUE 'picked' TO 'of_old'",
    )
    async with driver_of(engine) as connection:
        assert await migration.is_queue_outdated(connection)
        await migration.install_queue(connection)
        assert not await migration.is_queue_outdated(connection)
    assert "'picked'" in (await lab.row(INDEX))["indexdef"]


async def test_a_queue_without_a_leader_table_is_outdated(lab: Lab, engine: AsyncEngine) -> None:
    await lab.execute("DROP TABLE cadence_queue.leader")
    async with driver_of(engine) as connection:
        assert await migration.is_queue_outdated(connection)
        await migration.install_queue(connection)
        assert not await migration.is_queue_outdated(connection)


async def test_the_queue_is_vacuumed_early(lab: Lab) -> None:
    options = await lab.row("SELECT reloptions FROM pg_class WHERE oid = 'cadence_queue.pgqueuer'::regclass")
    assert "autovacuum_vacuum_scale_factor=0.01" in options["reloptions"]
