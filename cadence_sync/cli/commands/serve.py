"""`serve` and `worker`: the daemons."""

import typer

from cadence_sync import wiring
from cadence_sync.cli.options import examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.cli.serve import serve_command
from cadence_sync.cli.worker import worker_command

app = new_app()


@app.command(epilog=examples("cadence-sync serve", "cadence-sync --config /etc/cadence-sync/cadence-sync.toml serve"))
def serve(context: typer.Context) -> None:
    """Sync every organization again and again, until stopped."""
    run(serve_command(read_settings(context, daemon=True)))


@app.command(epilog=examples("cadence-sync worker"))
def worker(context: typer.Context) -> None:
    """Run one more worker: it syncs what a scheduler enters in the queue."""
    wiring.load()
    run(worker_command(read_settings(context, daemon=True)))
