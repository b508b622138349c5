"""How an organization is added: everything about it is checked, and proved by one call, before anything is stored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.core.index import NOTHING
from cadence_sync.db import directory
from cadence_sync.db.secrets import vault_of
from cadence_sync.errors import AccessError, BadAnswer, CadenceSyncError
from cadence_sync.orgs import OrgConfig, Schedule, in_settings, named_orgs, overridden
from cadence_sync.ports import AccessToken, Clock
from cadence_sync.settings import Settings
from cadence_sync.zoho.accounts import ask, code_form, refresh_form
from cadence_sync.zoho.answers import SCOPE
from cadence_sync.zoho.http import Http
from cadence_sync.zoho.probe import MISPLACED, fitting

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

SPENT: Final = "The grant code is used now: try again with a new one."
_NEW_CODE: Final = f"Generate a new one on Zoho's self-client page (scope {SCOPE}) and use it at once."


@dataclass(frozen=True, slots=True)
class Application:
    """What is known of an organization that is to be added: a grant code stands for a refresh token yet to come."""

    org: OrgConfig
    grant_code: str | None = field(default=None, repr=False)
    schedule: Schedule | None = None


@dataclass(slots=True)
class HeldToken:
    """Implements `ports.TokenCache` in memory: a proof's token, before there is a place for it in the database."""

    token: AccessToken | None = None
    issued_at: tuple[datetime, ...] = ()
    refresh_token: str | None = field(default=None, repr=False)
    """What a grant code was swapped for: it is good for another try, and the code is not."""

    async def load(self) -> AccessToken | None:
        """Return the token."""
        return self.token

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator["HeldToken"]:
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


async def enroll(
    settings: Settings, engine: "AsyncEngine", application: Application, *, again: bool = False, prove: bool = True
) -> None:
    """Add an organization, or with `again` give it new credentials; raises where anything of it cannot work."""
    vault, org = vault_of(settings.encryption_key_list), application.org
    if org.org_id in named_orgs(settings):
        raise in_settings(org.org_id)
    # A grant code is good for one try: whatever can be refused without it is refused before.
    await directory.check_free(engine, org.org_id, replace=again)
    held = HeldToken()
    if prove:
        org = await proved(settings, application, held)
    try:
        await directory.admit(engine, vault, org, application.schedule, replace=again)
    except CadenceSyncError as error:
        if application.grant_code is not None:
            error.hint = f"{error.hint} {SPENT}".lstrip()
        raise
    if held.token is not None:
        # It counts against Zoho's limit, and is good for the first sync.
        async with wiring.token_cache(settings, engine, overridden(settings, org)).refreshing() as slot:
            for made_at in held.issued_at:
                slot.keep(held.token, made_at)


async def proved(settings: Settings, application: Application, held: HeldToken) -> OrgConfig:
    """Return the organization with a refresh token that may read cadences; raises where one call does not prove it."""
    clock = wiring.SystemClock()
    async with wiring.session(settings) as session:
        org = application.org
        if application.grant_code is not None:
            token = await _swapped(session, settings, application, clock, held)
            org, held.refresh_token = replace(org, refresh_token=token), token
        try:
            client = wiring.client(settings, session, overridden(settings, org), clock, held)
            await client.page(1, None, NOTHING)
        except CadenceSyncError as error:
            if application.grant_code is not None:
                error.hint = f"{error.hint} {SPENT}".lstrip()
                raise
            form = refresh_form(wiring.credentials_of(org))
            raise await _explained(session, settings, org, form, error, clock.now()) from error
    return org


async def _swapped(session: Http, settings: Settings, application: Application, clock: Clock, held: HeldToken) -> str:
    """Swap the grant code for a refresh token; the access token that comes with it serves for the proof."""
    org = application.org
    form = code_form(org.client_id, org.client_secret, application.grant_code or "")
    try:
        grant = await ask(session, wiring.addresses_of(overridden(settings, org)), form, clock.now())
    except AccessError as error:
        raise await _explained(session, settings, org, form, error, clock.now()) from error
    if grant.refresh_token is None:
        raise BadAnswer(
            "Zoho answered the grant code without a refresh token.",
            hint="Use a code of a self client: those of other clients are for online access.",
            code="NO_REFRESH_TOKEN",
        )
    held.keep(grant.token, clock.now())
    return grant.refresh_token


async def _explained(
    session: Http, settings: Settings, org: OrgConfig, form: dict[str, str], error: CadenceSyncError, now: datetime
) -> CadenceSyncError:
    """Return an error that tells, where that is the matter, which data center the credentials are for."""
    if error.code not in MISPLACED:
        return error
    by_code = form["grant_type"] == "authorization_code"
    if overridden(settings, org).accounts_url is None:
        found = await fitting(session, org.data_center, form, error.code, now)
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
