"""The examination: every check that can run; what one failure makes impossible is skipped, and says so."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig, configured_orgs, named_orgs
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import plural
from cadence_sync.db import diagnostics, integrity
from cadence_sync.db.engine import Engine
from cadence_sync.db.orgs import load_orgs
from cadence_sync.db.queries.current import load_status
from cadence_sync.doctor.checks import Check, failed, passed, run_check, run_checks, skipped
from cadence_sync.doctor.database import NAMES, database_checks, settings_checks
from cadence_sync.doctor.orgs import STORED, ZOHO, OrgFacts, stored_checks, zoho_checks
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError
from cadence_sync.orgs.onboarding import InMemoryTokenCache
from cadence_sync.orgs.registry import OrgConfigs, enabled_orgs, select_orgs
from cadence_sync.zoho.http import Http


async def examine_all(
    settings_of: Callable[[], Settings],
    org_ids: Sequence[str] = (),
    *,
    deep: bool = False,
    offline: bool = False,
    debug: bool = False,
) -> list[Check]:
    """Runs the checks; `deep` adds those of the whole history, `debug` lets a defect end it."""
    try:
        settings = settings_of()
    except CadenceSyncError as error:
        names = ("database", *NAMES, "credentials", *ZOHO, *STORED)
        return [failed("settings", error), *skipped(names, "the settings cannot be read")]
    checks = settings_checks(settings)
    if settings.alert_channels:
        checks.append(await run_check("alerts", partial(_alerts, settings), debug=debug))
    async with AsyncExitStack() as stack:
        engine: Engine | None = None
        try:
            there = await stack.enter_async_context(wiring.database(settings))
        except CadenceSyncError as error:
            checks += [failed("database", error), *skipped(NAMES, "the database cannot be reached")]
        else:
            found, usable = await database_checks(settings, there, debug=debug)
            checks, engine = [*checks, *found], there if usable else None
        if deep:
            checks += (
                skipped(["history"], "the database cannot be read")
                if engine is None
                else await run_checks("history", partial(_history, engine), debug=debug)
            )
        examine_orgs = partial(_orgs, settings, engine, org_ids, offline=offline, debug=debug)
        return [*checks, *await run_checks("organizations", examine_orgs, debug=debug)]


async def _alerts(settings: Settings) -> Check:
    channels = await asyncio.to_thread(wiring.open_channels, settings, wiring.SystemClock())
    return passed("alerts", f"{plural(len(channels), 'channel')}; `cadence-sync alerts test` sends to each")


async def _history(engine: Engine) -> list[Check]:
    return [_finding(finding) for finding in await integrity.examine(engine)]


def _finding(finding: integrity.Finding) -> Check:
    if finding.ok:
        return passed("history", finding.what)
    places = ", ".join("/".join(str(part) for part in place) for place in finding.exceptions[:5])
    error = DatabaseError(
        f"not true: {finding.what}: {len(finding.exceptions)} exceptions, such as {places}",
        hint="Restore a backup from before, and please report how it came about.",
        code="INTEGRITY_VIOLATION",
    )
    return replace(failed("history", error), exceptions=finding.exceptions)


async def _orgs(
    settings: Settings, engine: Engine | None, org_ids: Sequence[str], *, offline: bool, debug: bool
) -> list[Check]:
    orgs = await _select_orgs(settings, engine, org_ids)
    facts = OrgFacts() if engine is None else await _load_facts(engine)
    places, quick = asyncio.Semaphore(8), settings.model_copy(update={"zoho_max_attempts": 1})
    async with AsyncExitStack() as stack:
        http = None if offline else await stack.enter_async_context(wiring.session(quick))

        async def examine(org_id: str, org: OrgConfig | CadenceSyncError) -> list[Check]:
            async with places:
                access = await _access(quick, http, engine, org, facts.calls.get(org_id, 0), debug=debug)
            if engine is None:
                return [*access, *skipped(STORED, "the database cannot be read")]
            return [*access, *stored_checks(settings, org_id, facts, wiring.SystemClock().now())]

        async with asyncio.TaskGroup() as group:
            tasks = {
                org_id: group.create_task(run_checks("organization", partial(examine, org_id, org), debug=debug))
                for org_id, org in orgs.items()
            }
    return [replace(check, org_id=org_id) for org_id, task in tasks.items() for check in task.result()]


async def _select_orgs(settings: Settings, engine: Engine | None, org_ids: Sequence[str]) -> OrgConfigs:
    if engine is not None:
        return await (select_orgs(settings, engine, org_ids) if org_ids else enabled_orgs(settings, engine))
    own = named_orgs(settings)
    if not own:
        raise SettingsError(
            "The settings name no organization, and the database cannot be asked.", hint="See to the database first."
        )
    return configured_orgs(settings, [org_id for org_id in org_ids if org_id in own])


async def _load_facts(engine: Engine) -> OrgFacts:
    return OrgFacts(
        await load_orgs(engine),
        {row["org_id"]: row for row in await load_status(engine)},
        await diagnostics.calls_of_the_day(engine, wiring.SystemClock().now()),
        await diagnostics.drift(engine),
    )


async def _access(
    settings: Settings,
    http: Http | None,
    engine: Engine | None,
    org: OrgConfig | CadenceSyncError,
    calls: int,
    *,
    debug: bool,
) -> list[Check]:
    """Checks an organization's credentials, and Zoho by one call unless `http` is None."""
    if isinstance(org, CadenceSyncError):
        return [failed("credentials", org), *skipped(ZOHO, "the credentials are not known")]
    known = passed("credentials", f"they are there, for the data center {org.data_center!r}")
    if http is None:
        return [known, *skipped(ZOHO, "--offline")]
    cache = InMemoryTokenCache() if engine is None else wiring.token_cache(settings, engine, org)
    return [known, *await zoho_checks(settings, http, org, cache, calls, debug=debug)]
