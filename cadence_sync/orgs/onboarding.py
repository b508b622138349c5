"""How an organization is added: everything about it is checked, and proved by one call, before anything is stored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.config.settings import Settings
from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.db import orgs
from cadence_sync.db.crypto import make_cipher
from cadence_sync.errors import AccessError, CadenceSyncError, InvalidResponseError
from cadence_sync.orgs.config import OrgConfig, Schedule, in_settings_error, named_orgs, with_overrides
from cadence_sync.ports import AccessToken, Clock
from cadence_sync.zoho.errors import SCOPE
from cadence_sync.zoho.http import Http
from cadence_sync.zoho.oauth import WRONG_DC_CODES, code_form, matching_data_centers, refresh_form, request_token

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

SPENT: Final = "The grant code is used now: try again with a new one."
_NEW_CODE: Final = f"Generate a new one on Zoho's self-client page (scope {SCOPE}) and use it at once."


@dataclass(frozen=True, slots=True)
class NewOrg:
    """What is known of an organization that is to be added: a grant code stands for a refresh token yet to come."""

    org: OrgConfig
    grant_code: str | None = field(default=None, repr=False)
    schedule: Schedule | None = None


@dataclass(slots=True)
class InMemoryTokenCache:
    """Implements `ports.TokenCache` in memory: a proof's token, before there is a place for it in the database."""

    token: AccessToken | None = None
    issued_at: tuple[datetime, ...] = ()
    refresh_token: str | None = field(default=None, repr=False)
    """What a grant code was swapped for: it is good for another try, and the code is not."""

    async def load(self) -> AccessToken | None:
        """Return the token."""
        return self.token

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator["InMemoryTokenCache"]:
        """Nobody else refreshes it."""
        yield self

    async def drop(self) -> None:
        """Forget the token."""
        self.token = None

    def keep(self, token: AccessToken, made_at: datetime) -> None:
        """Take this token at once."""
        self.token = token
        self.count(made_at)

    def count(self, asked_at: datetime) -> None:
        """Remember that a token was asked for."""
        self.issued_at = (*self.issued_at, asked_at)


async def add_org(
    settings: Settings, engine: "AsyncEngine", new_org: NewOrg, *, again: bool = False, prove: bool = True
) -> None:
    """Add an organization, or with `again` give it new credentials; raises where anything of it cannot work."""
    cipher, org = make_cipher(settings.encryption_key_list), new_org.org
    if org.org_id in named_orgs(settings):
        raise in_settings_error(org.org_id)
    # A grant code is good for one try: whatever can be refused without it is refused before.
    await orgs.check_free(engine, org.org_id, replace=again)
    held = InMemoryTokenCache()
    if prove:
        org = await verify_credentials(settings, new_org, held)
    try:
        await orgs.upsert_org(engine, cipher, org, new_org.schedule, replace=again)
    except CadenceSyncError as error:
        if new_org.grant_code is not None:
            error.hint = f"{error.hint} {SPENT}".lstrip()
        raise
    if held.token is not None:
        # It counts against Zoho's limit, and is good for the first sync.
        async with wiring.token_cache(settings, engine, with_overrides(settings, org)).refreshing() as slot:
            for made_at in held.issued_at:
                slot.keep(held.token, made_at)


async def verify_credentials(settings: Settings, new_org: NewOrg, held: InMemoryTokenCache) -> OrgConfig:
    """Return the organization with a refresh token that may read cadences; raises where one call does not prove it."""
    clock = wiring.SystemClock()
    async with wiring.session(settings) as session:
        org = new_org.org
        if new_org.grant_code is not None:
            token = await _exchange_grant_code(session, settings, new_org, clock, held)
            org, held.refresh_token = replace(org, refresh_token=token), token
        try:
            client = wiring.client(settings, session, with_overrides(settings, org), clock, held)
            await client.page(1, None, EMPTY_INDEX)
        except CadenceSyncError as error:
            if new_org.grant_code is not None:
                error.hint = f"{error.hint} {SPENT}".lstrip()
                raise
            form = refresh_form(wiring.credentials_of(org))
            raise await _diagnose(session, settings, org, form, error, clock.now()) from error
    return org


async def _exchange_grant_code(
    session: Http, settings: Settings, new_org: NewOrg, clock: Clock, held: InMemoryTokenCache
) -> str:
    """Swap the grant code for a refresh token; the access token that comes with it serves for the proof."""
    org = new_org.org
    form = code_form(org.client_id, org.client_secret, new_org.grant_code or "")
    try:
        grant = await request_token(session, wiring.addresses_of(with_overrides(settings, org)), form, clock.now())
    except AccessError as error:
        raise await _diagnose(session, settings, org, form, error, clock.now()) from error
    if grant.refresh_token is None:
        raise InvalidResponseError(
            "Zoho answered the grant code without a refresh token.",
            hint="Use a code of a self client: those of other clients are for online access.",
            code="NO_REFRESH_TOKEN",
        )
    held.keep(grant.token, clock.now())
    return grant.refresh_token


async def _diagnose(
    session: Http, settings: Settings, org: OrgConfig, form: dict[str, str], error: CadenceSyncError, now: datetime
) -> CadenceSyncError:
    """Return an error that tells, where that is the matter, which data center the credentials are for."""
    if error.code not in WRONG_DC_CODES:
        return error
    by_code = form["grant_type"] == "authorization_code"
    if with_overrides(settings, org).accounts_url is None:
        found = await matching_data_centers(session, org.data_center, form, error.code, now)
        if found:
            used = by_code and error.code == "INVALID_CODE"
            hint = f"Add it with --data-center {found[0]}{' and a new code: this one is used now' if used else ''}."
            return AccessError(
                f"The credentials are not for the data center {org.data_center!r} but for {' or '.join(found)}.",
                hint=hint,
                code="WRONG_DATA_CENTER",
            )
    if by_code and error.code == "INVALID_CODE":
        return AccessError("The grant code has expired, or was used before.", hint=_NEW_CODE, code="INVALID_GRANT_CODE")
    return error
