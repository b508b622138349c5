"""Checks of one organization: what is stored of it, and one call to Zoho."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.core.labels import span
from cadence_sync.daemon.schedule import org_schedule
from cadence_sync.db.orgs import OrgRow
from cadence_sync.doctor.checks import Check, failed, passed, run_check, skipped, warning
from cadence_sync.doctor.database import SKEW, clock_check
from cadence_sync.errors import BudgetError, CadenceSyncError
from cadence_sync.ports import TokenCache
from cadence_sync.zoho.http import Http

ZOHO: Final = ("token", "scope", "API", "Zoho's clock", "credits")
STORED: Final = ("freshness", "deletions", "quarantine", "schema drift")
PATIENCE: Final = timedelta(hours=1)
"""How late a success may be without a warning."""
FEW_CREDITS: Final = 200
SHOWN: Final = 3
"""How many unknown fields are named."""


@dataclass(frozen=True, slots=True)
class OrgFacts:
    entries: Mapping[str, OrgRow] = field(default_factory=dict)
    status: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    drift: Mapping[str, Sequence[str]] = field(default_factory=dict)


async def zoho_checks(
    settings: Settings, http: Http, org: OrgConfig, cache: TokenCache, calls: int, *, debug: bool
) -> list[Check]:
    """Makes one call, unless the `calls` of the last 24 hours have used up the daily limit."""
    budget = settings.zoho_daily_call_limit
    if budget is not None and calls >= budget:
        spent = BudgetError(f"The {budget} API calls of this day are spent.")
        return [*skipped(ZOHO[:-1], "no call is left"), failed("credits", spent)]
    clock = wiring.SystemClock()
    http = http.with_own_counter()
    client = wiring.client(settings, http, wiring.auth(settings, http, org, clock, cache))

    async def look() -> list[Check]:
        await client.auth.token()
        access = [
            passed("token", "Zoho hands out access tokens"),
            passed("scope", "cadences may be read"),
            passed("API", "it answers with cadences"),
        ]
        before = clock.now()
        try:
            await client.page(1, None, EMPTY_INDEX)
        except CadenceSyncError as error:
            access = refused(error, access[0])
        clocks = _compare_clocks(client.date, before, clock.now())
        return [*access, clocks, credits_check(client.credits_left, calls, budget)]

    found = await run_check("token", look, debug=debug)
    return [found, *skipped(ZOHO[1:], "there is no access token")] if isinstance(found, Check) else found


def refused(error: CadenceSyncError, token: Check) -> list[Check]:
    if error.code in {"INVALID_TOKEN", "AUTHENTICATION_FAILURE"}:
        return [failed("token", error), *skipped(ZOHO[1:3], "Zoho refuses the token")]
    if error.code in {"OAUTH_SCOPE_MISMATCH", "NO_PERMISSION", "FEATURE_NOT_ENABLED"}:
        return [token, failed("scope", error), passed("API", "it answers")]
    return [token, *skipped(["scope"], "the API does not answer as it should"), failed("API", error)]


def _compare_clocks(header: str | None, before: datetime, after: datetime) -> Check:
    try:
        zoho_time = parsedate_to_datetime(header or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return skipped(["Zoho's clock"], "Zoho did not tell the time")[0]
    # The header is to the second, and may be of any time of that second.
    return clock_check("Zoho's clock", "Zoho's", zoho_time, before - timedelta(seconds=1), after)


def credits_check(left: int | None, calls: int, budget: int | None) -> Check:
    if budget is not None and calls >= budget * 0.8:
        hint = "Sync less often, or raise CADENCE_SYNC_ZOHO_DAILY_CALL_LIMIT."
        return warning("credits", f"{calls} of {budget} API calls of this day are spent.", hint)
    if left is not None and left < FEW_CREDITS:
        hint = "Zoho gives new ones within 24 hours: sync less often, or see which other program spends them."
        return warning("credits", f"Zoho has {left} credits left for this organization.", hint)
    used = f"{calls} API call(s) in the last 24 hours" + (f", of {budget}" if budget else "")
    return passed("credits", f"{used}; {f'{left} credits are left' if left is not None else 'Zoho has plenty'}")


def stored_checks(settings: Settings, org_id: str, known: OrgFacts, now: datetime) -> list[Check]:
    row, entry = known.status.get(org_id), known.entries.get(org_id)
    if row is None:
        return [
            warning("freshness", "It was never synced.", f"Run `cadence-sync sync --org {org_id}`."),
            *skipped(STORED[1:], "it was never synced"),
        ]
    return [
        _freshness(settings, org_id, row, entry, now),
        _deletions(row),
        _quarantine(row),
        _drift(known.drift.get(org_id, ())),
    ]


def _freshness(settings: Settings, org_id: str, row: Mapping[str, Any], entry: OrgRow | None, now: datetime) -> Check:
    last = row["last_success_at"]
    if entry is not None and not entry.enabled:
        return passed("freshness", "it is paused")
    if row["last_outcome"] == "failed":
        since = "" if last is None else f" The last success was {ago(last, now)}."
        message = f"The last run failed ({row['last_error_code']}): {row['last_error_message']}{since}"
        return warning("freshness", message, row["last_error_hint"] or "")
    if last is None:
        hint = f"Run `cadence-sync sync --org {org_id}`."
        return warning("freshness", "It was never synced to the end.", hint)
    try:
        due = _due(settings, org_id, entry, last)
    except CadenceSyncError as error:
        return failed("freshness", error)
    if now > due:
        hint = "Let `cadence-sync serve` run, or something that syncs; `org schedule` says how often it should."
        return warning("freshness", f"The last success was {ago(last, now)}: the next one is late.", hint)
    return passed("freshness", f"synced {ago(last, now)}")


def _due(settings: Settings, org_id: str, entry: OrgRow | None, last: datetime) -> datetime:
    row = replace(entry or OrgRow(org_id, ""), consecutive_failures=0, last_run_at=last)
    schedule = org_schedule(settings, row)
    return schedule.next_after(last) + max(PATIENCE, timedelta(seconds=schedule.seconds / 4))


def _deletions(row: Mapping[str, Any]) -> Check:
    if not row["held"]:
        return passed("deletions", "none await a decision")
    run = row["held_run_id"]
    hint = f"`cadence-sync approve {run}` deletes them, `cadence-sync reject {run}` keeps them."
    return warning("deletions", f"{row['held']} deletion(s) are held.", hint, exit_code=6)


def _quarantine(row: Mapping[str, Any]) -> Check:
    if not row["quarantined"]:
        return passed("quarantine", "the last run could read every record")
    hint = "The table quarantined_records has them and says why; a newer cadence-sync may be able to."
    return warning("quarantine", f"{row['quarantined']} record(s) could not be read.", hint, exit_code=7)


def _drift(paths: Sequence[str]) -> Check:
    if not paths:
        return passed("schema drift", "every field that Zoho sends is known")
    named = ", ".join(sorted(paths)[:SHOWN]) + (" …" if len(paths) > SHOWN else "")
    hint = "They are kept in `cadences.extra`; a newer cadence-sync may keep their history."
    return warning("schema drift", f"Zoho sends {len(paths)} unknown field(s) or word(s): {named}.", hint)


def ago(then: datetime, now: datetime) -> str:
    return "just now" if now - then < 2 * SKEW else f"{span((now - then).total_seconds())} ago"
