"""`demo`: a listing goes through a real HTTP client into a real Postgres, changes, and leaves a history."""

import asyncio
from typing import Annotated, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.commands.history import load_history, print_history
from cadence_sync.cli.console import print_rows
from cadence_sync.cli.options import examples, new_app
from cadence_sync.cli.runtime import program_name, read_settings, run
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import DEFAULT_ORG, Settings
from cadence_sync.db import embedded
from cadence_sync.db.engine import Engine, open_engine
from cadence_sync.db.migrate import migrate
from cadence_sync.db.queries import current, history
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import configure_logs
from cadence_sync.simulator.edits import Edit
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from cadence_sync.web.access import check_access
from cadence_sync.web.app import web_ui_app
from cadence_sync.web.server import Listener, Probes, serving

CADENCES: Final = 25
_EDITS: Final = ("deactivate", "change_execution", "rename", "change_counts", "create", "delete", "rename_user")
_ANY_CADENCE: Final = frozenset({"rename", "change_counts", "delete"})
"""Edits that fit every cadence; for the others the simulator looks for one that they fit."""
_COUNTS: Final = ("seen", "baseline", "created", "updated", "deleted", "unchanged", "api_calls")
_LOG: Final = ("changed_at", "kind", "name", "field", "old_value", "new_value", "changed_by_name")

_NEXT: Final = """
What to try next:
  {program} simulate --edit-every 5
    a Zoho of your own on this machine; it prints the settings for a second terminal
  {program} migrate
    creates the tables, in an embedded Postgres or in CADENCE_SYNC_DATABASE_URL
  {program} sync
    then: status, list, show ID, history ID
With a real organization: set CADENCE_SYNC_ZOHO_CLIENT_ID, _CLIENT_SECRET and _REFRESH_TOKEN, and sync.
"""
app = new_app()


@app.command(epilog=examples("cadence-sync demo", "cadence-sync demo --serve"))
def demo(
    context: typer.Context,
    serve: Annotated[bool, typer.Option("--serve", help="Then show the web UI over it, until Ctrl-C.")] = False,
) -> None:
    print("Starting a temporary Postgres on this machine ...", flush=True)
    run(_demo(read_settings(context) if serve else None))


async def _demo(web: Settings | None) -> None:
    """Runs the whole story in a temporary folder that is removed at the end; `web` says where to serve it meanwhile."""
    configure_logs("WARNING")
    if web is not None:
        check_access(web)
    clock = wiring.SystemClock()
    began = clock.monotonic()
    simulator = Simulator(cadences=CADENCES, clock=clock.now)
    with embedded.temporary("cadence-sync-demo-") as url:
        async with running(simulator) as zoho, open_engine(url) as engine:
            await _show(simulator, zoho, engine)
            if web is not None:
                await _serve(web, zoho, engine)
    print(f"\nThat took {clock.monotonic() - began:.0f} s; the server is stopped and its folder removed.")
    print(_NEXT.format(program=program_name()))


async def _show(simulator: Simulator, zoho: str, engine: Engine) -> None:
    print("1. An empty Postgres gets its tables.")
    await migrate(engine)
    print(f"2. A first sync reads {CADENCES} cadences from a simulated Zoho.")
    await _sync(zoho, engine)
    print("3. People at work in Zoho:")
    edits = _edit(simulator)
    for edit in edits:
        print(f"   - {edit.text}")
    print("4. The next sync finds out; a person's new name is no change of a cadence.")
    await _sync(zoho, engine)
    print("5. What changed, newest first:")
    print_rows("Change log (times in UTC)", _LOG, await current.load_change_log(engine, DEFAULT_ORG, limit=20))
    print("6. The history of one cadence:")
    renamed = str(next(edit.cadence_id for edit in edits if edit.kind == "rename"))
    row, versions = await load_history(engine, DEFAULT_ORG, renamed, history.load_versions)
    print_history(row["name"], versions)


def _edit(simulator: Simulator) -> list[Edit]:
    edits: list[Edit] = []
    for kind in _EDITS:
        touched = {edit.cadence_id for edit in edits}
        free = next(cadence_id for cadence_id in simulator.orgs[0].cadences if cadence_id not in touched)
        edits.append(simulator.edit_one(kind, free if kind in _ANY_CADENCE else None))
    return edits


async def _serve(settings: Settings, zoho: str, engine: Engine) -> None:
    """Serves the web UI until Ctrl-C; "sync now" syncs in this process, since there is no worker."""

    async def ask(_org_id: str) -> str:
        await _sync(zoho, engine)
        return "done"

    async def ready() -> None:
        return None

    async def nothing() -> bytes:
        return b""

    page = web_ui_app(settings, engine, wiring.SystemClock(), ask)
    listener, probes = Listener.of(settings), Probes(ready, nothing, lambda: None)
    async with serving(listener, probes, page) as port:
        scheme, host = "http" if listener.certificate is None else "https", listener.host
        print(f"\nThe page: {scheme}://{host}:{port}/ (Ctrl-C ends it)", flush=True)
        await asyncio.Event().wait()


async def _sync(zoho: str, engine: Engine) -> None:
    given = credentials(0)
    org = OrgConfig(DEFAULT_ORG, "us", given.client_id, given.client_secret, given.refresh_token, zoho, zoho)
    # Defaults only: a demo must not touch what the environment or a settings file names.
    async with wiring.sync(Settings.model_construct(), engine, org) as sync:
        report = await sync.run("demo")
    if report.error is not None:
        raise CadenceSyncError(report.error.message, hint=report.error.hint, code=report.error.code)
    print_rows("Sync", _COUNTS, [report.to_json()])
