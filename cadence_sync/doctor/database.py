"""Checks of what all organizations share: settings, machine and database."""

import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Final
from urllib.parse import unquote

from cadence_sync import wiring
from cadence_sync.config.secrecy import KEY_COMMAND, weak_keys
from cadence_sync.config.settings import Settings
from cadence_sync.config.sources import PREFIX
from cadence_sync.config.urls import remote_hosts
from cadence_sync.core.labels import span
from cadence_sync.daemon.migration import check_migration_rights
from cadence_sync.db import diagnostics, grants, server_versions
from cadence_sync.db.engine import Engine, EngineConnection, translate_errors
from cadence_sync.db.queue import Depth, check_queue
from cadence_sync.db.revision import HEAD, check_migrated
from cadence_sync.doctor.checks import Check, failed, passed, run_check, skipped, warning
from cadence_sync.errors import DatabaseError, docs_hint

NAMES: Final = ("version", "rights", "migrations", "queue tables", "database clock", "queue", "room", "readers")
"""What needs the database."""
SKEW: Final = timedelta(seconds=5)
SILENT: Final = 30.0
"""Seconds without a sign of life after which a scheduler does not count."""
WAITING: Final = 900.0
"""Seconds that a job may wait before somebody should look."""
MANY_RUNS: Final = 2_000_000
_NO_SETTINGS: Final = ("DEBUG", "ORG_CLIENT_SECRET", "ORG_REFRESH_TOKEN", "ORG_GRANT_CODE")
_EXPOSURE: Final = dict.fromkeys(("disable", "allow", "prefer"), "it may be read, and altered, on its way") | {
    "require": "nothing proves that it leads to that server",
    "verify-ca": "any host with a certificate of that authority may pose as it",
}
_CLOCKS: Final = "Let both keep time by NTP (chrony, systemd-timesyncd): versions are dated by this machine's clock."


def settings_checks(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Check]:
    source = f"{settings.file} and the environment" if settings.file else "the environment"
    checks = [passed("settings", f"read from {source}")]
    for file in settings.exposed_files:
        message = f"Other users of this machine may read the secrets in {file}."
        checks.append(warning("settings", message, f"Close it with: chmod 600 {file}"))
    known = [f"{PREFIX}{name.upper()}" for name in (*Settings.model_fields, *map(str.lower, _NO_SETTINGS))]
    if weak := weak_keys(settings.encryption_key_list):
        numbers = ", ".join(map(str, weak))
        message = f"Key number {numbers} in {PREFIX}ENCRYPTION_KEYS is not 32 random bytes: it could be guessed."
        hint = f"Make one with `{KEY_COMMAND}`, put it first, run `cadence-sync rotate-keys`, then remove the old one."
        checks.append(warning("encryption keys", message, hint))
    checks += encryption_checks(settings, environ)
    for variable in sorted(environ):
        name = variable.upper().removesuffix("_FILE")
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}TEST_"):
            close = get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]}?" if close else docs_hint("Settings")
            checks.append(warning("settings", f"The variable {variable} is no setting: nothing reads it.", hint))
    return checks


def address(settings: Settings) -> str:
    """Returns where the database is, without user, password and parameters."""
    if settings.database_url is None:
        return f"the embedded server in {settings.data_dir}"
    rest = settings.database_url.get_secret_value().partition("://")[2].partition("?")[0]
    host, _, name = rest.rpartition("@")[2].partition("/")
    return f"{host or 'a socket of this machine'}/{unquote(name)}"


async def database_checks(settings: Settings, engine: Engine, *, debug: bool) -> tuple[list[Check], bool]:
    """Checks the database; returns also whether the tables of the history can be read."""
    clock = wiring.SystemClock()
    before = clock.now()
    server = await run_check("database", partial(diagnostics.server, engine), debug=debug)
    if isinstance(server, Check):
        return [server, *skipped(NAMES, "the database cannot be reached")], False
    clocks = clock_check("database clock", "The database's", server.now, before, clock.now())
    checks = [passed("database", f"it answers, at {address(settings)}")]
    if settings.database_url is None:
        from cadence_sync.db import embedded  # noqa: PLC0415 - Windows lacks what it stands on

        checks.append(passed("embedded server", embedded.describe(settings.data_dir)))
    checks.append(version_check(server))
    at_head = passed("migrations", f"at revision {HEAD}, as this cadence-sync needs it")
    migrated = await run_check("migrations", partial(_check_tables, engine, check_migrated, at_head), debug=debug)
    checks += [await run_check("rights", partial(_rights, engine, server), debug=debug), migrated]
    not_migrated = "the database is not migrated"
    if migrated.code is not None:
        return [*checks, *skipped(["queue tables"], not_migrated), clocks, *skipped(NAMES[-3:], not_migrated)], False
    complete = passed("queue tables", "they are there")
    tables = await run_check("queue tables", partial(_check_tables, engine, check_queue, complete), debug=debug)
    checks += [tables, clocks]
    if tables.code is not None:
        return [*checks, *skipped(NAMES[-3:], not_migrated)], True
    checks.append(await run_check("queue", partial(_queue, engine), debug=debug))
    checks.append(await run_check("room", partial(_room, settings, engine), debug=debug))
    checks.append(await run_check("readers", partial(_readers, engine, server), debug=debug))
    return checks, True


def clock_check(name: str, whose: str, theirs: datetime, before: datetime, after: datetime) -> Check:
    """Compares a clock that was read between two readings of this machine's."""
    skew = max(before - theirs, theirs - after, timedelta(0))
    if skew <= SKEW:
        return passed(name, f"{whose} clock and this machine's agree")
    which = "ahead of" if theirs > after else "behind"
    return warning(name, f"{whose} clock is {skew.total_seconds():.0f} s {which} this machine's.", _CLOCKS)


def version_check(server: diagnostics.Server) -> Check:
    if server.number < server_versions.OLDEST:
        error = f"Postgres {server.version} is too old."
        return failed("version", DatabaseError(error, hint="Use Postgres 15 to 18.", code="DATABASE_TOO_OLD"))
    if server.number >= server_versions.NEWEST + 10000:
        return warning("version", f"Postgres {server.version} is newer than any that was tried.", "Use 15 to 18.")
    advice = server_versions.upgrade_advice(server.number, server.readers)
    return warning("version", *advice) if advice else passed("version", f"Postgres {server.version}")


def encryption_checks(settings: Settings, environ: Mapping[str, str]) -> list[Check]:
    """Checks the connections that leave this machine."""
    urls = {"DATABASE_URL": settings.database_url, "DATABASE_DIRECT_URL": settings.database_direct_url}
    checks = []
    for name, url in urls.items():
        mode, hosts = remote_hosts("" if url is None else url.get_secret_value(), environ)
        if url is None or not hosts:
            continue
        place = f"{', '.join(hosts)} ({PREFIX}{name})"
        if mode == "verify-full":
            checks.append(passed("encryption", f"the connection to {place} is encrypted, and its host is verified"))
        else:
            checks.append(
                warning(
                    "encryption",
                    f"The connection to {place} has sslmode={mode}: {_EXPOSURE[mode]}.",
                    "Add sslmode=verify-full&sslrootcert=/path/to/ca.pem to the URL.",
                )
            )
    return checks


async def _rights(engine: Engine, server: diagnostics.Server) -> Check:
    if server.read_only:
        raise DatabaseError(
            "The database takes no writes.", hint="Connect to the primary server.", code="DATABASE_READ_ONLY"
        )
    lacking = await diagnostics.lacking_rights(engine)
    if lacking:
        more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise DatabaseError(
            f"The user {server.user!r} lacks {lacking[0]}{more}.",
            hint="Run `migrate` and `sync` as the same user, or grant it these rights.",
            code="DATABASE_PERMISSION",
        )
    return passed("rights", f"{server.user!r} may read and write all that a sync needs")


async def _check_tables(engine: Engine, check: Callable[[EngineConnection], Awaitable[None]], result: Check) -> Check:
    """Runs a check of the tables; where `migrate` is the remedy, its rights are checked too."""
    try:
        with translate_errors():
            async with engine.connect() as connection:
                await check(connection)
    except DatabaseError as error:
        if error.code == "NOT_MIGRATED":
            await check_migration_rights(engine)
        raise
    return result


async def _queue(engine: Engine) -> Check:
    return queue_check(*await diagnostics.queue(engine))


def queue_check(depth: Depth, daemons: diagnostics.Daemons) -> Check:
    leads = daemons.leader_silent is not None and daemons.leader_silent < SILENT
    jobs = f"{depth.queued} job(s) wait, {depth.running} are under way"
    if daemons.silent_jobs:
        return warning(
            "queue",
            f"{daemons.silent_jobs} job(s) are of workers that were not heard of for a minute.",
            "Another worker takes them over: start `cadence-sync serve` or `cadence-sync worker`.",
        )
    if depth.queued and depth.oldest > WAITING:
        nobody = "no daemon is connected" if not daemons.connections else "the workers are busy"
        return warning(
            "queue",
            f"The oldest job waits for {span(depth.oldest)}, and {nobody}.",
            "Start `cadence-sync serve` or one more `cadence-sync worker`.",
        )
    if not leads:
        return passed("queue", f"{jobs}; no scheduler leads: nothing is synced but by `cadence-sync sync`")
    return passed("queue", f"{jobs}; a scheduler leads")


async def _room(settings: Settings, engine: Engine) -> Check:
    used = await diagnostics.size(engine)
    if settings.database_url is None:
        disk = shutil.disk_usage(settings.data_dir)
        if disk.free < disk.total * 0.05:
            return warning(
                "room",
                f"Of the disk of {settings.data_dir} {disk.free / disk.total:.0%} is free.",
                "Free some: the embedded server stops where there is none.",
            )
    if used.runs > MANY_RUNS:
        return warning(
            "room",
            f"About {used.runs:,} runs are kept.",
            "`cadence-sync prune` deletes old ones that changed nothing; a daemon does so by itself.",
        )
    return passed("room", f"tables and indexes take {used.bytes / 2**20:,.0f} MiB")


async def _readers(engine: Engine, server: diagnostics.Server) -> Check:
    found = await grants.load_readers(engine)
    if found.shadowing:
        first = found.shadowing[0]
        remedies = "; ".join(dict.fromkeys(each.remedy for each in found.shadowing))
        return warning(
            "readers",
            f"{first.role!r} may create objects on the search path of {server.user!r}: {first.place}.",
            f"They could run with the rights of {server.user!r}. Run: {remedies}.",
        )
    if found.readers and found.is_superuser:
        return warning(
            "readers",
            f"{server.user!r} is a superuser, and {len(found.readers)} role(s) read the reporting layer.",
            docs_hint("Connect a BI tool"),
        )
    return passed("readers", ", ".join(map(_reader_in_words, found.readers)) or "no role reads the reporting layer")


def _reader_in_words(reader: grants.Reader) -> str:
    return f"{reader.role} ({'all organizations' if reader.org_ids is None else ', '.join(reader.org_ids)})"
