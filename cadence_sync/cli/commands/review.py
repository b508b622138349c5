"""`approve` and `reject`: a person decides about deletions that a run held."""

import typer

from cadence_sync.alerts.routing import build_routing
from cadence_sync.cli.options import RunId, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, with_database
from cadence_sync.db.deletion_reviews import Decision, review_deletions

app = new_app()


@app.command(epilog=examples("cadence-sync approve 4711"))
def approve(context: typer.Context, run_id: RunId) -> None:
    _review(context, run_id, "approved")


@app.command(epilog=examples("cadence-sync reject 4711"))
def reject(context: typer.Context, run_id: RunId) -> None:
    _review(context, run_id, "rejected")


def _review(context: typer.Context, run_id: int, decision: Decision) -> None:
    settings = read_settings(context)
    by, routing = current_actor(), build_routing(settings)
    org_id, count = with_database(settings, lambda engine: review_deletions(engine, run_id, decision, by, routing))
    then = "the next sync deletes those still missing" if decision == "approved" else "they stay live"
    print(f"Deletion of {count} cadence(s) of {org_id!r} {decision}: {then}.")
