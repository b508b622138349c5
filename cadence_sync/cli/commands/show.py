"""`status`, `list` and `show`: what the tables say, for people or as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.history_start import check_org
from cadence_sync.cli.output import one_line, print_fields, print_json, print_table
from cadence_sync.config.settings import Settings
from cadence_sync.errors import NotFoundError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_STATUS: Final = (
    "org_id",
    "live",
    "deleted",
    "last_success_at",
    "last_outcome",
    "last_error_code",
    "held",
    "missing",
    "quarantined",
    "drift",
)
_LIST: Final = (
    "cadence_id",
    "name",
    "type",
    "status",
    "published",
    "module_api_name",
    "last_changed_at",
    "deleted_at",
)


async def status_command(settings: Settings, *, as_json: bool) -> None:
    """Show one line an organization."""
    from cadence_sync.db.queries import current

    async with wiring.database(settings) as engine:
        rows = await current.status(engine)
    if as_json:
        print_json(rows)
        return
    _print_rows("Organizations (times in UTC)", _STATUS, rows)
    for row in rows:
        if row["held"]:
            run = row["held_run_id"]
            echo(one_line(f"{row['org_id']}: {row['held']} deletion(s) are held: approve {run} or reject {run}."))
        if row["last_error_message"]:
            echo(one_line(f"{row['org_id']}: {row['last_error_message']} {row['last_error_hint'] or ''}".rstrip()))


async def list_command(settings: Settings, org_id: str | None, *, deleted: bool, as_json: bool) -> None:
    """Show one line a cadence."""
    from cadence_sync.db.queries import current, history

    async with wiring.database(settings) as engine:
        if org_id is not None:
            async with history.snapshot(engine) as connection:
                check_org(await history.history_start(connection), org_id)
        rows = await current.list_cadences(engine, org_id, deleted=deleted)
    if as_json:
        print_json(rows)
        return
    several = len({row["org_id"] for row in rows}) > 1
    _print_rows("Cadences (times in UTC)", ("org_id", *_LIST) if several else _LIST, rows)


async def show_command(settings: Settings, org_id: str | None, cadence_id: str, *, as_json: bool) -> None:
    """Show the current row of one cadence."""
    async with wiring.database(settings) as engine:
        row = await one_cadence(engine, org_id, cadence_id)
    if as_json:
        print_json(row)
    else:
        print_fields(row)


async def one_cadence(engine: "AsyncEngine", org_id: str | None, cadence_id: str) -> dict[str, Any]:
    """Return the current row of the only cadence that is meant."""
    from cadence_sync.db.queries import current

    rows = await current.find_cadence(engine, org_id, cadence_id) if _is_text(cadence_id, org_id or "") else []
    if not rows:
        where = "" if org_id is None else f" in the organization {org_id!r}"
        raise NotFoundError(
            f"There is no cadence {cadence_id!r}{where}.", hint="`cadence-sync list --deleted` lists all."
        )
    if len(rows) > 1:
        orgs = ", ".join(row["org_id"] for row in rows)
        raise NotFoundError(f"Several organizations have a cadence {cadence_id!r}: {orgs}.", hint="Add --org.")
    return rows[0]


def _is_text(*words: str) -> bool:
    """Whether Postgres can be asked for them: bytes that are no UTF-8 arrive as halves of surrogate pairs."""
    return not any("\ud800" <= char <= "\udfff" for word in words for char in word)


def _print_rows(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    print_table(title, columns, [[row[name] for name in columns] for row in rows])
