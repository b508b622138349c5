"""What the commands below `alerts` do."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.output import print_json, print_table
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import plural
from cadence_sync.errors import ArgumentError, SettingsError, TransientError, docs_hint

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.alerts.channels import Channel
    from cadence_sync.db.alert_outbox import IsStale

ANSWER: Final = 90.0
"""Seconds after which somebody who tries a channel is told that it hangs."""
_STATUS: Final = ("channel", "pending", "sent", "dead_lettered", "oldest", "last_sent_at", "last_error")


async def check_command(settings: Settings, channel: str | None, *, as_json: bool) -> None:
    """Send one message to each channel; raises `TransientError` where one did not take it."""
    import asyncio

    from cadence_sync.alerts.events import AlertEvent, Event
    from cadence_sync.core.records import FieldChange

    _check(settings, channel)
    clock = wiring.SystemClock()
    senders = await asyncio.to_thread(wiring.open_channels, settings, clock)
    example = (FieldChange("status", "active", "inactive"),)
    alerts = [AlertEvent(Event.TEST, "test", "", clock.now(), kind="updated", changes=example)]
    async with asyncio.TaskGroup() as group:  # one that hangs keeps nobody waiting for the others
        tried = {
            name: group.create_task(_tried(sender, alerts))
            for name, sender in senders.items()
            if channel in {None, name}
        }
    rows = [{"channel": name, "kind": senders[name].kind, "error": task.result()} for name, task in tried.items()]
    if as_json:
        print_json(rows)
    else:
        shown = [(row["channel"], row["kind"], row["error"] or "sent") for row in rows]
        print_table("Test messages", ("channel", "kind", "result"), shown)
    failed = [str(row["channel"]) for row in rows if row["error"]]
    if failed:
        raise TransientError(
            f"{len(failed)} of {plural(len(rows), 'channel')} did not take the message: {', '.join(failed)}.",
            hint=docs_hint("Get alerts"),
            code="ALERT_NOT_SENT",
        )


async def _tried(sender: "Channel", alerts: list[Any]) -> str | None:
    import asyncio

    try:
        async with asyncio.timeout(ANSWER):
            await sender.send(str(uuid4()), alerts)
    except TimeoutError:
        return f"The channel does not answer within {ANSWER:.0f} s."
    except TransientError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - a service's client raises what it likes, with texts that hold secrets
        return f"The channel failed ({type(error).__name__})."
    return None


def list_command(settings: Settings, *, as_json: bool) -> None:
    """Show what the settings say, without addresses and secrets."""
    channels = [
        {
            "channel": name,
            "kind": "webhook" if channel.url is None else channel.url.get_secret_value().partition("://")[0].lower(),
            "digest": channel.digest,
        }
        for name, channel in settings.alert_channels.items()
    ]
    rules = [
        {
            "channels": list(rule.channels),
            "events": sorted(set(rule.topics)),
            "orgs": sorted(set(rule.orgs)),
            "kinds": sorted(set(rule.kinds)),
            "fields": list(rule.fields),
            "modules": sorted(set(rule.modules)),
            "name": rule.name,
            "persons": sorted(set(rule.persons)),
        }
        for rule in wiring.alert_routing(settings).rules
    ]
    if as_json:
        print_json({"channels": channels, "rules": rules})
        return
    print_table("Channels", ("channel", "kind", "digest"), [tuple(each.values()) for each in channels])
    shown = [[", ".join(value) if isinstance(value, list) else value for value in rule.values()] for rule in rules]
    print_table("Rules", ("channels", "events", "orgs", "kinds", "fields", "modules", "name", "persons"), shown)


async def status_command(settings: Settings, *, as_json: bool) -> None:
    """Show each channel of the settings, and those that were told something before."""
    from cadence_sync.db import alert_delivery

    async with wiring.database(settings) as engine:
        found = {row["channel"]: row for row in await alert_delivery.delivery_status(engine)}
    nothing = dict.fromkeys(_STATUS) | {"pending": 0, "sent": 0, "dead_lettered": 0}
    known = settings.alert_channels
    rows = [
        {"channel": name, "in_settings": name in known} | {key: found.get(name, nothing)[key] for key in _STATUS[1:]}
        for name in sorted({*found, *known})
    ]
    if as_json:
        print_json(rows)
    else:
        columns = ("channel", "in_settings", *_STATUS[1:])
        print_table("Alerts", columns, [[row[name] for name in columns] for row in rows])


async def send_command(settings: Settings, *, as_json: bool) -> None:
    """Send what is due; what is not taken is tried again by the next call, after a pause."""
    from cadence_sync.db import alert_outbox

    _check(settings, None)
    results: Counter[str] = Counter()
    async with wiring.database(settings) as engine:
        dispatcher = await wiring.dispatcher(settings, engine, lambda _channel, result: results.update([result]))
        now = wiring.SystemClock().now()
        await alert_outbox.enter_staleness(engine, dispatcher.alerting, now, await _staleness(settings, engine))
        await dispatcher.drain()
    counts = {name: results[name] for name in ("sent", "failed", "dead_lettered")}
    if as_json:
        print_json(counts)
    else:
        print_table("Messages", list(counts), [list(counts.values())])
    if not_taken := counts["failed"] + counts["dead_lettered"]:
        raise TransientError(
            f"{plural(not_taken, 'message was', 'messages were')} not taken.",
            hint="`cadence-sync alerts status` says by which channel, and why.",
            code="ALERT_NOT_SENT",
        )


async def retry_command(settings: Settings, channel: str | None) -> None:
    """Let what was not taken be tried at once."""
    from cadence_sync.db import alert_delivery

    _check(settings, channel)
    async with wiring.database(settings) as engine:
        count = await alert_delivery.retry_failed(
            engine, list(settings.alert_channels) if channel is None else [channel]
        )
    echo(f"{plural(count, 'event')} will be tried at once by `serve`, `worker` or `alerts send`.")


async def drop_command(settings: Settings, channel: str) -> None:
    """Delete what a channel was not told of."""
    from cadence_sync.db import alert_delivery

    async with wiring.database(settings) as engine:
        count = await alert_delivery.drop_pending(engine, [channel])
    echo(f"{plural(count, 'event')} of the channel {channel!r} deleted.")


async def _staleness(settings: Settings, engine: "AsyncEngine") -> "IsStale":
    from cadence_sync.daemon.schedule import ScheduleSource, staleness
    from cadence_sync.orgs.registry import usable_orgs

    schedules = await ScheduleSource(settings, engine, usable_orgs(settings)).look()
    return staleness(settings, schedules, wiring.SystemClock().now())


def _check(settings: Settings, channel: str | None) -> None:
    """Raise unless there are channels, and this one among them."""
    known = settings.alert_channels
    if not known:
        raise SettingsError(
            "There is no channel for alerts.",
            hint=f"Set CADENCE_SYNC_ALERT_URLS, or name channels in cadence-sync.toml. {docs_hint('Get alerts')}",
        )
    if channel is not None and channel not in known:
        raise ArgumentError(f"There is no channel {channel!r}.", hint=f"Known: {', '.join(known)}.")
