"""How an organization is added: everything about it is checked, and proved by one call, before anything is stored."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig, Schedule, in_settings_error, named_orgs
from cadence_sync.config.settings import Settings
from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.db import orgs
from cadence_sync.db.cipher import Cipher
from cadence_sync.db.engine import Engine
from cadence_sync.errors import AccessError, CadenceSyncError, InvalidResponseError
from cadence_sync.ports import AccessToken, Actor, TokenSlot
from cadence_sync.zoho.errors import SCOPE
from cadence_sync.zoho.http import Http
from cadence_sync.zoho.oauth import WRONG_DC_CODES, matching_data_centers, request_token, token_form

SPENT: Final = "The grant code is used now: try again with a new one."
_NEW_CODE: Final = f"Generate a new one on Zoho's self-client page (scope {SCOPE}) and use it at once."


@dataclass(frozen=True, slots=True)
class NewOrg:
    """An organization to add; with a grant code its refresh token is yet to come."""

    org: OrgConfig
    grant_code: str | None = field(default=None, repr=False)
    schedule: Schedule | None = None


@dataclass(slots=True)
class InMemoryTokenCache(TokenSlot):
    """Implements `ports.TokenCache` for an organization that the database does not hold yet."""

    refresh_token: str | None = field(default=None, repr=False)
    """What a grant code was exchanged for: it is good for another attempt, and the code is not."""

    async def load(self) -> AccessToken | None:
        return self.token

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[TokenSlot]:
        yield self

    async def drop(self) -> None:
        self.token = None


async def add_org(
    settings: Settings,
    engine: Engine,
    new_org: NewOrg,
    by: Actor,
    *,
    again: bool = False,
    prove: bool = True,
    probe: Collection[str] = (),
) -> None:
    """Adds an organization, or with `again` gives it new credentials; raises where anything about it is wrong.

    Only the data centers in `probe` are asked whether refused credentials are theirs.
    """
    cipher, org = Cipher(settings.encryption_key_list), new_org.org
    if org.org_id in named_orgs(settings):
        raise in_settings_error(org.org_id)
    # A grant code is good for one attempt: everything that can fail without it is checked before.
    await orgs.check_free(engine, org.org_id, replace=again)
    held = InMemoryTokenCache()
    if prove:
        org = await verify_credentials(settings, new_org, held, probe)
    try:
        await orgs.upsert_org(engine, cipher, org, new_org.schedule, by, replace=again)
    except CadenceSyncError as error:
        if new_org.grant_code is not None:
            error.hint = f"{error.hint} {SPENT}".lstrip()
        raise
    if held.token is not None:
        # It counts against Zoho's limit, and is good for the first sync.
        async with wiring.token_cache(settings, engine, org).refreshing() as slot:
            for issued_at in held.issued_at:
                slot.keep(held.token, issued_at)


async def verify_credentials(
    settings: Settings, new_org: NewOrg, held: InMemoryTokenCache, probe: Collection[str] = ()
) -> OrgConfig:
    """Returns the organization with a refresh token that may read cadences; raises where one call does not prove it."""
    async with wiring.session(settings) as http:
        org = new_org.org
        if new_org.grant_code is not None:
            held.refresh_token = await _exchange_grant_code(settings, http, new_org, held, probe)
            org = replace(org, refresh_token=held.refresh_token)
        try:
            client = wiring.client(settings, http, wiring.auth(settings, http, org, wiring.SystemClock(), held))
            await client.page(1, None, EMPTY_INDEX)
        except CadenceSyncError as error:
            if new_org.grant_code is not None:
                error.hint = f"{error.hint} {SPENT}".lstrip()
                raise
            raise await _diagnose(settings, http, org, token_form(org), error, probe) from error
    return org


async def _exchange_grant_code(
    settings: Settings, http: Http, new_org: NewOrg, held: InMemoryTokenCache, probe: Collection[str]
) -> str:
    """Returns a refresh token; the access token that comes with it serves for the proof."""
    org, now = new_org.org, wiring.SystemClock().now
    form = token_form(org, new_org.grant_code or "")
    try:
        grant = await request_token(http, wiring.addresses_of(settings, org), form, now())
    except AccessError as error:
        raise await _diagnose(settings, http, org, form, error, probe) from error
    if grant.refresh_token is None:
        raise InvalidResponseError(
            "Zoho answered the grant code without a refresh token.",
            hint="Use a code of a self client: those of other clients are for online access.",
            code="NO_REFRESH_TOKEN",
        )
    held.keep(grant.token, now())
    return grant.refresh_token


async def _diagnose(
    settings: Settings,
    http: Http,
    org: OrgConfig,
    form: dict[str, str],
    error: CadenceSyncError,
    probe: Collection[str],
) -> CadenceSyncError:
    """Returns the error, or the one that names the data center of these credentials if that is another."""
    if error.code not in WRONG_DC_CODES:
        return error
    invalid_grant_code = form["grant_type"] == "authorization_code" and error.code == "INVALID_CODE"
    candidates = [] if org.accounts_url or settings.zoho_accounts_url else sorted({*probe} - {org.data_center})
    if candidates:
        found = await matching_data_centers(http, candidates, form, error.code, wiring.SystemClock().now())
        if found:
            again = " and a new code: this one is used now" if invalid_grant_code else ""
            return AccessError(
                f"The credentials are not for the data center {org.data_center!r} but for {' or '.join(found)}.",
                hint=f"Add it with --data-center {found[0]}{again}.",
                code="WRONG_DATA_CENTER",
            )
    if invalid_grant_code:
        return AccessError("The grant code has expired, or was used before.", hint=_NEW_CODE, code="INVALID_GRANT_CODE")
    return error
