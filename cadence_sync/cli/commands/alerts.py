"""The commands below `alerts`: their options."""

from typing import Annotated, Final

import typer

from cadence_sync.cli.examples import epilog
from cadence_sync.cli.options import Json
from cadence_sync.cli.runtime import run

ChannelOption = Annotated[str | None, typer.Option("--channel", metavar="NAME", help="One channel only.")]


def check(context: typer.Context, channel: ChannelOption = None, as_json: Json = False) -> None:
    """Send a test message to every channel, and say which took it."""
    from cadence_sync.cli.alerting import check_command

    run(check_command(context.obj.settings(), channel, as_json=as_json))


def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show channels, without their addresses, and rules."""
    from cadence_sync.cli.alerting import list_command

    list_command(context.obj.settings(), as_json=as_json)


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show how much waits, was sent, and was never taken, for each channel."""
    from cadence_sync.cli.alerting import status_command

    run(status_command(context.obj.settings(), as_json=as_json))


def send(context: typer.Context, as_json: Json = False) -> None:
    """Send what is due, once: for those who run `sync` by a timer instead of a daemon."""
    from cadence_sync.cli.alerting import send_command

    run(send_command(context.obj.settings(), as_json=as_json))


def retry(context: typer.Context, channel: ChannelOption = None) -> None:
    """Let a daemon try at once what was not taken, dead letters too."""
    from cadence_sync.cli.alerting import retry_command

    run(retry_command(context.obj.settings(), channel))


def drop(
    context: typer.Context,
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="The channel, in the settings or not.")],
) -> None:
    """Delete a channel's pending alerts."""
    from cadence_sync.cli.alerting import drop_command

    run(drop_command(context.obj.settings(), channel))


app: Final = typer.Typer(help="Try, watch and retry alerts.", no_args_is_help=True)
for function in (check, list_, status, send, retry, drop):
    name = "test" if function is check else function.__name__.rstrip("_")
    app.command(name, epilog=epilog(f"alerts {name}"))(function)
