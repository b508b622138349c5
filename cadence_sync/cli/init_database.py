"""The wizard's first question: a database that works and has the tables."""

from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from cadence_sync import wiring
from cadence_sync.cli.init_asking import tell, valid
from cadence_sync.cli.output import show_error
from cadence_sync.cli.prompts import confirm, prompt
from cadence_sync.cli.run import run
from cadence_sync.config.settings import Settings
from cadence_sync.config.sources import variable_of
from cadence_sync.config.urls import checked_database_url
from cadence_sync.doctor.checks import Check, CheckState
from cadence_sync.errors import ArgumentError, CadenceSyncError

_NONE: Final = "-"
"""What is typed for no address, where an empty answer takes the former one."""


def ask_for_database(settings: Settings, values: dict[str, str]) -> Settings:
    """Return the settings with a database that works and has the tables; its address goes into the file."""
    tell("\n1. The database: a Postgres 15 to 18, or the embedded server that needs no set-up.")
    if settings.database_url is not None:
        variable = variable_of("database_url")
        tell(f"   {variable} names it, and goes on doing so: it is not written into the file.")
        if not _usable(settings):
            raise ArgumentError(
                f"The database of {variable} cannot be used.", hint="Correct it or unset it, and try again."
            )
        return settings
    question, former = "Address, as postgresql://user@host/database; empty for the embedded server", ""
    while True:
        url = valid(question, _url, default=former)
        question, former = f"Address; {_NONE} for the embedded server", _without_password(url)
        tried = settings.model_copy(update={"database_url": SecretStr(url) if url else None})
        if _usable(tried):
            if url:
                values["database_url"] = url
            return tried


def _url(text: str) -> str:
    """Return the address with a password, which is asked for apart so that nobody reads it from the screen."""
    if text in {"", _NONE}:
        return ""
    url = checked_database_url(text)
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at or ":" in user or not host:
        return url
    password = prompt("Password (empty for none)", hidden=True, default="")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")) if password else url


def _without_password(url: str) -> str:
    """Return an address as it may be shown, or what stands for the embedded server."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(each for each in parts.query.split("&") if "password" not in each.partition("=")[0].lower())
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query)) or _NONE


def _usable(settings: Settings) -> bool:
    """Try the database and show what is found."""
    try:
        checks = run(_look(settings))
        for check in checks:
            if check.state is not CheckState.UNKNOWN and check.code != "NOT_MIGRATED":
                tell(f"   {check.name}: {check.message} {check.hint}".rstrip())
        codes = {check.code for check in checks if check.state is CheckState.FAILED}
        if codes == {"NOT_MIGRATED"}:
            _offer_tables(settings)
    except CadenceSyncError as error:
        show_error(error)
        return False
    return codes <= {"NOT_MIGRATED"}


def _offer_tables(settings: Settings) -> None:
    """Make the tables, if somebody wants that."""
    if confirm("It lacks the tables of this cadence-sync. Make them now?", default=True):
        run(_migrated(settings))
        tell("   The tables are there.")
    else:
        tell("   `cadence-sync migrate` does so later; nothing can be synced before.")


async def _look(settings: Settings) -> list[Check]:
    from cadence_sync.doctor.database import database_checks

    async with wiring.database(settings) as engine:
        checks, _ = await database_checks(settings, engine, debug=False)
    return [check for check in checks if check.name in {"database", "version", "rights", "migrations", "queue tables"}]


async def _migrated(settings: Settings) -> None:
    from cadence_sync.daemon.migration import migrate

    async with wiring.direct_database(settings) as engine:
        await migrate(engine)
