"""The metrics, read back with the parser of Prometheus."""

import math

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report
from cadence_sync.daemon import metrics, queue
from cadence_sync.daemon.metrics import FRESH, Gauges
from cadence_sync.daemon.schedule import OrgSchedule, checked_cron_trigger
from cadence_sync.db.engine import open_engine
from cadence_sync.db.orgs import OrgRow
from cadence_sync.db.queue import direct
from cadence_sync.ports import Org
from tests.support.lab import Lab, SetClock
from tests.support.records import record

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"cadence_sync_{name}", frozenset(labels.items())))


async def test_how_organizations_fare_and_how_long_the_queue_is(lab: Lab, database_url: str) -> None:
    await lab.sync(*(record(f"{number}") for number in range(12)), org=Org("held", "us"))
    await lab.sync(record("1"), org=Org("held", "us"))
    await lab.sync(record("1"), record("2", summary={"email_follow_up_count": "x"}), org=Org("partly", "us"))
    await lab.sync(record("1"), org=Org("paused", "us"))
    await lab.execute(
        "UPDATE cadence_sync.orgs SET enabled = false WHERE org_id = 'paused'",
        "UPDATE cadence_sync.orgs SET consecutive_failures = 3 WHERE org_id = 'partly'",
        "UPDATE cadence_sync.sync_runs SET credits_left = 77 WHERE org_id = 'partly'",
    )
    async with direct(database_url) as connection:
        await queue.enqueue(connection, [queue.SyncJob(name, "us", "test") for name in ("a", "b")])
    clock = SetClock()
    by_cron = OrgSchedule(OrgRow("held", "us"), 900, checked_cron_trigger("0 9 * * 1-5", "UTC"))

    async def look() -> dict[str, OrgSchedule]:
        return {"partly": OrgSchedule(OrgRow("partly", "us"), 900), "held": by_cron}

    gauges = Gauges(lab.engine, clock, look)
    found = samples(await gauges.text())
    assert value(found, "held_deletions", org_id="held") == 11
    assert value(found, "quarantined_records", org_id="partly") == 1
    assert value(found, "org_failures", org_id="partly") == 3
    assert value(found, "api_credits_left", org_id="partly") == 77
    assert value(found, "org_interval_seconds", org_id="partly") == 900
    assert value(found, "org_interval_seconds", org_id="held") == pytest.approx(72 * 3600, abs=3600)
    assert value(found, "org_failures", org_id="paused") is None
    assert value(found, "orgs", state="enabled") == 2
    assert value(found, "orgs", state="paused") == 1
    assert value(found, "queue_jobs", state="queued") == 2
    last = await lab.row("SELECT last_success_at FROM cadence_reporting.sync_freshness WHERE org_id = 'held'")
    assert value(found, "last_success_timestamp_seconds", org_id="held") == last["last_success_at"].timestamp()
    await lab.execute("UPDATE cadence_sync.orgs SET consecutive_failures = 4 WHERE org_id = 'partly'")
    assert value(samples(await gauges.text()), "org_failures", org_id="partly") == 3
    clock.move(seconds=FRESH)
    assert value(samples(await gauges.text()), "org_failures", org_id="partly") == 4


async def test_without_a_database_old_values_are_not_shown(lab: Lab) -> None:
    await lab.sync(record("1"))
    clock = SetClock()
    gauges = Gauges(lab.engine, clock)
    assert value(samples(await gauges.text()), "org_failures", org_id="default") == 0
    async with open_engine("postgresql://nobody@127.0.0.1:1/none") as engine:
        gauges.engine = engine
        clock.move(seconds=FRESH)
        found = samples(await gauges.text())
    assert value(found, "org_failures", org_id="default") is None
    assert math.isnan(value(found, "queue_oldest_seconds") or 0)
    assert any(name == "cadence_sync_build_info" for name, _ in found)


async def test_what_channels_are_still_to_be_reported(lab: Lab) -> None:
    await lab.sync(record("1"))
    for key, more in {
        "a": "",
        "b": ", dead_lettered_at = now()",
        "c": ", sent_at = now()",
        "d": ", dead_lettered_at = now()",
    }.items():
        await lab.execute(
            "INSERT INTO cadence_sync.alert_outbox"
            " (org_id, channel, event_key, event, happened_at, is_bundle_head, due_at, next_attempt_at)"
            f" VALUES ('default', 'chat', '{key}', 'change', now(), false, now(), now())",
            f"UPDATE cadence_sync.alert_outbox SET attempts = 1{more} WHERE event_key = '{key}'",
        )
    clock = SetClock()
    gauges = Gauges(lab.engine, clock)
    found = samples(await gauges.text())
    assert (value(found, "alerts_pending", channel="chat"), value(found, "alerts_dead_lettered", channel="chat")) == (
        1,
        2,
    )
    await lab.execute("DELETE FROM cadence_sync.alert_outbox")
    clock.move(seconds=FRESH)
    assert value(samples(await gauges.text()), "alerts_dead_lettered", channel="chat") is None
    metrics.ALERTS.labels("chat", "sent").inc()
    assert value(samples_of(), "alerts_total", channel="chat", result="sent") == 1


def test_runs_are_counted() -> None:
    before = samples_of()
    counters = Counters(seen=3, created=2, unchanged=1)
    metrics.count(Report("a", 1, Outcome.SUCCEEDED, counters, 4, 0.2), "eu", "schedule")
    problem = ErrorInfo("TLS_ERROR", "No.", "", 4)
    metrics.count(Report("a", 2, Outcome.FAILED, Counters(), 1, 0.1, problem), "eu", "schedule")
    metrics.count(Report(None, None, Outcome.FAILED, None, error=problem), "eu", "schedule")
    metrics.TOKENS.labels("failed").inc()
    after = samples_of()

    def more(name: str, **labels: str) -> float:
        return (value(after, name, **labels) or 0) - (value(before, name, **labels) or 0)

    assert more("runs_total", outcome="succeeded", data_center="eu", trigger="schedule") == 1
    assert more("runs_total", outcome="failed", data_center="eu", trigger="schedule") == 2
    assert more("run_duration_seconds_count", outcome="succeeded") == 1
    assert more("api_calls_total", data_center="eu") == 5
    assert more("changes_total", kind="created") == 2
    assert more("token_refreshes_total", result="failed") == 1


def samples_of() -> Samples:
    return samples(generate_latest(metrics.REGISTRY))
