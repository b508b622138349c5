"""Every command: its name, its help and the function that runs it, imported only when it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cadence_sync.cli.history_commands import blame, diff, export, history
from cadence_sync.cli.options import CadenceId, Json, OneOrg, RunId
from cadence_sync.cli.runtime import run

if TYPE_CHECKING:
    from cadence_sync.config.settings import Settings


@dataclass(slots=True)
class Shared:
    """The options that every command shares."""

    config: Path | None = None
    debug: bool = False

    def settings(self, *, daemon: bool = False) -> "Settings":
        """Read the settings and set up logs by them; nobody repeats what a daemon did to see its tracebacks."""
        from cadence_sync.config.settings import load_settings
        from cadence_sync.logs import configure_logs

        settings = load_settings(self.config)
        configure_logs(settings.log_level, tracebacks=daemon or self.debug)
        if settings.exposed_file is not None:
            from cadence_sync.cli.output import show_warning

            show_warning(
                f"Other users of this machine may read the secrets in {settings.exposed_file}.",
                f"Close it with: chmod 600 {settings.exposed_file}",
            )
        return settings


def init(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to write; default: ./cadence-sync.toml.")
    ] = None,
    data_center: Annotated[str | None, typer.Option(help="us, eu, in, au, jp, cn, ca, sa or uk.")] = None,
) -> None:
    """Ask for database and credentials, try both, and write them into a settings file."""
    from cadence_sync.cli.commands.init import init_command

    raise typer.Exit(init_command(output or context.obj.config, data_center))


def demo(
    context: typer.Context,
    serve: Annotated[bool, typer.Option("--serve", help="Then show the web UI over it, until Ctrl-C.")] = False,
) -> None:
    """Show a first sync, some changes, and the history that they leave."""
    print("Starting a temporary Postgres on this machine ...", flush=True)  # before the imports, which take a second
    from cadence_sync.cli.commands.demo import show_demo

    run(show_demo(context.obj.settings() if serve else None))


def migrate(context: typer.Context) -> None:
    """Create or upgrade the tables."""
    from cadence_sync.cli.commands.migrate import migrate_command

    run(migrate_command(context.obj.settings()))


def grant_reader(
    context: typer.Context,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role of the database that exists.")],
) -> None:
    """Let a role of the database read the reporting layer, and nothing else."""
    from cadence_sync.cli.commands.migrate import grant_reader_command

    run(grant_reader_command(context.obj.settings(), role))


def sync(
    context: typer.Context,
    org: Annotated[list[str] | None, typer.Option("--org", help="An organization; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Delete all that is missing, however many they are.")
    ] = False,
    allow_other_org: Annotated[
        bool, typer.Option("--allow-other-org", help="Accept a listing that shares no cadence with what is stored.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Let a worker do it, ahead of what the schedule asks for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch every cadence and write what changed."""
    from cadence_sync import wiring
    from cadence_sync.cli.commands.sync import SyncArgs, sync_command
    from cadence_sync.cli.enqueue import enqueue_command

    wiring.load()
    args = SyncArgs(org or [], dry_run, as_json, allow_mass_delete=allow_mass_delete, allow_other_org=allow_other_org)
    code = run((enqueue_command if queue else sync_command)(context.obj.settings, args))
    raise typer.Exit(code)


def worker(context: typer.Context) -> None:
    """Run one more worker: it syncs what a scheduler enters in the queue."""
    from cadence_sync import wiring
    from cadence_sync.cli.worker import worker_command

    wiring.load()
    run(worker_command(context.obj.settings(daemon=True)))


def doctor(
    context: typer.Context,
    org: Annotated[list[str] | None, typer.Option("--org", help="An organization; may be repeated.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Prove that the whole stored history is consistent.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Zoho, one call an organization.")] = False,
    as_json: Json = False,
) -> None:
    """Check settings, database, clocks, Zoho and what is stored, and say what to do about what is wrong."""
    from cadence_sync.cli.commands.doctor import DoctorArgs, doctor_command

    args = DoctorArgs(org or [], deep, offline, as_json, context.obj.debug)
    raise typer.Exit(run(doctor_command(context.obj.settings, args)))


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show, for each organization, what is stored and how its last run went."""
    from cadence_sync.cli.commands.show import status_command

    run(status_command(context.obj.settings(), as_json=as_json))


def list_(
    context: typer.Context,
    org: OneOrg = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted cadences too.")] = False,
    as_json: Json = False,
) -> None:
    """List the cadences."""
    from cadence_sync.cli.commands.show import list_command

    run(list_command(context.obj.settings(), org, deleted=deleted, as_json=as_json))


def show(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    """Show all that is known of one cadence."""
    from cadence_sync.cli.commands.show import show_command

    run(show_command(context.obj.settings(), org, cadence_id, as_json=as_json))


def approve(context: typer.Context, run_id: RunId) -> None:
    """Let the next sync delete what a run held."""
    from cadence_sync.cli.commands.review import decide_command

    run(decide_command(context.obj.settings(), run_id, "approved"))


def reject(context: typer.Context, run_id: RunId) -> None:
    """Keep what a run held as live, and raise no further alarm about it."""
    from cadence_sync.cli.commands.review import decide_command

    run(decide_command(context.obj.settings(), run_id, "rejected"))


def redact_person(
    context: typer.Context,
    user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="The user's id at Zoho.")],
    org: OneOrg = None,
    as_json: Json = False,
) -> None:
    """Replace a user's name everywhere, history included; what happened and when stays."""
    from cadence_sync.cli.commands.redact_person import redact_command

    run(redact_command(context.obj.settings(), user_id, org, as_json=as_json))


def prune(
    context: typer.Context,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="TIME", help="How long to keep them, like 14d; at least 1d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many would go, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete old runs that changed nothing; a row a day of what they add up to stays."""
    from cadence_sync.cli.commands.prune import prune_command

    run(prune_command(context.obj.settings(), keep, dry_run=dry_run, as_json=as_json))


def rotate_keys(context: typer.Context, as_json: Json = False) -> None:
    """Encrypt all that is encrypted anew, under the first of CADENCE_SYNC_ENCRYPTION_KEYS."""
    from cadence_sync.cli.commands.rotate_keys import rotate_command

    run(rotate_command(context.obj.settings(), as_json=as_json))


def serve(context: typer.Context) -> None:
    """Sync every organization again and again, until stopped."""
    from cadence_sync.cli.serve import serve_command

    run(serve_command(context.obj.settings(daemon=True)))


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8787,
    orgs: Annotated[int, typer.Option(min=1, help="How many organizations.")] = 1,
    cadences: Annotated[int, typer.Option(min=0, help="How many cadences each.")] = 25,
    seed: Annotated[int, typer.Option(help="The same number makes the same organizations.")] = 7,
    edit_every: Annotated[float, typer.Option(min=0, help="Seconds between edits; 0 for none.")] = 0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that every answer takes.")] = 0,
) -> None:
    """Stand in for Zoho on this machine, to try things out."""
    from cadence_sync.cli.commands.simulate import SimulationOptions, simulate_command

    run(simulate_command(SimulationOptions(port, orgs, cadences, seed, edit_every, latency)))


@dataclass(frozen=True, slots=True)
class Command:
    """One command as typer wants it."""

    name: str
    function: Callable[..., None]

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").splitlines()[0]


COMMANDS: Final = [
    Command(function.__name__.rstrip("_").replace("_", "-"), function)
    for function in (
        *(init, demo, migrate, grant_reader, sync, serve, worker, status, list_, show, history, blame, diff, export),
        *(approve, reject, redact_person, prune, rotate_keys, doctor, simulate),
    )
]
