"""The commands below `alerts`: try, watch and retry deliveries."""

from typing import Annotated

import typer

from cadence_sync.cli import alerting
from cadence_sync.cli.options import Json, examples, new_app
from cadence_sync.cli.runtime import read_settings, run

ChannelOption = Annotated[str | None, typer.Option("--channel", metavar="NAME", help="One channel only.")]
app = new_app()


@app.command("test", epilog=examples("cadence-sync alerts test", "cadence-sync alerts test --channel sales"))
def check(context: typer.Context, channel: ChannelOption = None, as_json: Json = False) -> None:
    """Send a test message to every channel, and say which took it."""
    run(alerting.check_command(read_settings(context), channel, as_json=as_json))


@app.command("list", epilog=examples("cadence-sync alerts list"))
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show channels, without their addresses, and rules."""
    alerting.list_command(read_settings(context), as_json=as_json)


@app.command(epilog=examples("cadence-sync alerts status --json"))
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show how much waits, was sent, and was never taken, for each channel."""
    run(alerting.status_command(read_settings(context), as_json=as_json))


@app.command(epilog=examples("cadence-sync alerts send"))
def send(context: typer.Context, as_json: Json = False) -> None:
    """Send what is due, once: for those who run `sync` by a timer instead of a daemon."""
    run(alerting.send_command(read_settings(context), as_json=as_json))


@app.command(epilog=examples("cadence-sync alerts retry --channel sales"))
def retry(context: typer.Context, channel: ChannelOption = None) -> None:
    """Let a daemon try at once what was not taken, dead letters too."""
    run(alerting.retry_command(read_settings(context), channel))


@app.command(epilog=examples("cadence-sync alerts drop --channel url-2"))
def drop(
    context: typer.Context,
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="The channel, in the settings or not.")],
) -> None:
    """Delete a channel's pending alerts."""
    run(alerting.drop_command(read_settings(context), channel))
