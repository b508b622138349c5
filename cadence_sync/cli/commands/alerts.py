"""The commands below `alerts`: try, watch and retry deliveries."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from cadence_sync import wiring
from cadence_sync.alerts.channels import Channel
from cadence_sync.alerts.events import AlertEvent, Event
from cadence_sync.alerts.routing import build_routing
from cadence_sync.cli.console import echo, print_json, print_rows, print_table
from cadence_sync.cli.options import Json, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, run, with_database
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import plural
from cadence_sync.core.records import FieldChange
from cadence_sync.daemon.schedule import ScheduleSource, staleness
from cadence_sync.db import alert_delivery, alert_outbox, audit
from cadence_sync.db.engine import Engine
from cadence_sync.errors import ArgumentError, SettingsError, TransientError, docs_hint
from cadence_sync.orgs.registry import usable_orgs

ANSWER: Final = 90.0
"""Seconds after which a channel that is tried counts as hanging."""
_STATUS: Final = ("channel", "in_settings", "pending", "sent", "dead_lettered", "oldest", "last_sent_at", "last_error")
ChannelOption = Annotated[str | None, typer.Option("--channel", metavar="NAME", help="One channel only.")]
app = new_app()


@app.command("test", epilog=examples("cadence-sync alerts test", "cadence-sync alerts test --channel sales"))
def check(context: typer.Context, channel: ChannelOption = None, as_json: Json = False) -> None:
    run(check_channels(read_settings(context), channel, as_json=as_json))


async def check_channels(settings: Settings, channel: str | None, *, as_json: bool) -> None:
    """Sends one message to each channel; raises `TransientError` where one refuses it."""
    _check(settings, channel)
    clock = wiring.SystemClock()
    senders = await asyncio.to_thread(wiring.open_channels, settings, clock)
    example = (FieldChange("status", "active", "inactive"),)
    alerts = [AlertEvent(Event.TEST, "test", "", clock.now(), kind="updated", changes=example)]
    async with asyncio.TaskGroup() as group:  # a channel that hangs delays no other
        tried = {
            name: group.create_task(_try(sender, alerts)) for name, sender in senders.items() if channel in {None, name}
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


async def _try(sender: Channel, alerts: Sequence[AlertEvent]) -> str | None:
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


@app.command("list", epilog=examples("cadence-sync alerts list"))
def list_(context: typer.Context, as_json: Json = False) -> None:
    settings = read_settings(context)
    channels = [
        {
            "channel": name,
            "kind": "webhook" if channel.url is None else channel.url.get_secret_value().partition("://")[0].lower(),
            "digest": channel.digest,
            "names": channel.names,
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
        for rule in build_routing(settings).rules
    ]
    if as_json:
        print_json({"channels": channels, "rules": rules})
        return
    print_rows("Channels", ("channel", "kind", "digest"), channels)
    shown = [[", ".join(value) if isinstance(value, list) else value for value in rule.values()] for rule in rules]
    print_table("Rules", ("channels", "events", "orgs", "kinds", "fields", "modules", "name", "persons"), shown)


@app.command(epilog=examples("cadence-sync alerts status --json"))
def status(context: typer.Context, as_json: Json = False) -> None:
    settings = read_settings(context)
    found = {row["channel"]: row for row in with_database(settings, alert_delivery.delivery_status)}
    known = settings.alert_channels
    nothing = dict.fromkeys(_STATUS) | {"pending": 0, "sent": 0, "dead_lettered": 0}
    rows: list[dict[str, Any]] = [
        {"channel": name, "in_settings": name in known} | {key: found.get(name, nothing)[key] for key in _STATUS[2:]}
        for name in sorted({*found, *known})
    ]
    print_rows("Alerts", _STATUS, rows, as_json=as_json)


@app.command(epilog=examples("cadence-sync alerts send"))
def send(context: typer.Context, as_json: Json = False) -> None:
    settings = read_settings(context)
    _check(settings, None)
    results = with_database(settings, lambda engine: _send(settings, engine))
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


async def _send(settings: Settings, engine: Engine) -> Counter[str]:
    """Sends what is due; what a channel refuses is retried by a later call, after a pause."""
    results: Counter[str] = Counter()
    dispatcher = await wiring.dispatcher(settings, engine, lambda _channel, result: results.update([result]))
    now = wiring.SystemClock().now()
    schedules = await ScheduleSource(settings, engine, usable_orgs(settings)).look()
    await alert_outbox.enter_staleness(engine, dispatcher.alerting, now, staleness(settings, schedules, now))
    await dispatcher.drain()
    if results:
        await audit.enter_alone(
            engine, current_actor(), "alerts send", plural(results["sent"], "message"), details=results
        )
    return results


@app.command(epilog=examples("cadence-sync alerts retry --channel sales"))
def retry(context: typer.Context, channel: ChannelOption = None) -> None:
    settings = read_settings(context)
    _check(settings, channel)
    channels = list(settings.alert_channels) if channel is None else [channel]
    by = current_actor()
    count = with_database(settings, lambda engine: alert_delivery.retry_failed(engine, channels, by))
    echo(f"{plural(count, 'event')} will be tried at once by `serve`, `worker` or `alerts send`.")


@app.command(epilog=examples("cadence-sync alerts drop --channel url-2"))
def drop(
    context: typer.Context,
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="The channel, in the settings or not.")],
) -> None:
    by = current_actor()
    count = with_database(read_settings(context), lambda engine: alert_delivery.drop_pending(engine, [channel], by))
    echo(f"{plural(count, 'event')} of the channel {channel!r} deleted.")


def _check(settings: Settings, channel: str | None) -> None:
    known = settings.alert_channels
    if not known:
        raise SettingsError(
            "There is no channel for alerts.",
            hint=f"Set CADENCE_SYNC_ALERT_URLS, or name channels in cadence-sync.toml. {docs_hint('Get alerts')}",
        )
    if channel is not None and channel not in known:
        raise ArgumentError(f"There is no channel {channel!r}.", hint=f"Known: {', '.join(known)}.")
