"""`serve` and `worker`: the daemons."""

import typer

from cadence_sync import wiring
from cadence_sync.cli.options import examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.daemon import app as daemon
from cadence_sync.web.access import check_access

app = new_app()


@app.command(epilog=examples("cadence-sync serve", "cadence-sync --config /etc/cadence-sync/cadence-sync.toml serve"))
def serve(context: typer.Context) -> None:
    settings = read_settings(context, daemon=True)
    check_access(settings)
    run(daemon.serve(settings))


@app.command(epilog=examples("cadence-sync worker"))
def worker(context: typer.Context) -> None:
    wiring.load()
    settings = read_settings(context, daemon=True)
    if settings.worker_port is not None:
        check_access(settings)
    run(daemon.work(settings))
