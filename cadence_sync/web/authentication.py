"""From a request to who sent it: this machine's user, a person whom the proxy names, a token, or a session."""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiohttp import web

from cadence_sync.core.identity import OPEN_USER, TOKEN_USER, Identity
from cadence_sync.db.access_tokens import NamedToken, find_token, load_token
from cadence_sync.db.audit import enter_lockout, enter_login
from cadence_sync.db.web_sessions import WebSession, end_session, load_session, start_session
from cadence_sync.logs import log
from cadence_sync.web.access import ACCESS, IDENTITY
from cadence_sync.web.login_attempts import LOGIN_ATTEMPTS, PENALTY, PER_CLIENT
from cadence_sync.web.params import CLOCK, ENGINE
from cadence_sync.web.sessions import SESSION_LIFETIME, session_of

_MASTER: Final = Identity(TOKEN_USER, "reviewer")


class Login(StrEnum):
    """How a try to log in ended, as the metric counts it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LIMITED = "limited"


OnLogin = Callable[[Login], None]
ON_LOGIN: Final = web.AppKey[OnLogin]("on_login")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever has a token: the one of the settings, or a named one, which has an id."""

    identity: Identity
    token_id: int | None = None


class TooManyWrongTokensError(Exception):
    def __init__(self, wait: float) -> None:
        super().__init__("Too many wrong tokens were tried.")
        self.wait = wait


async def identify(request: web.Request) -> Identity | None:
    """Returns who sent a request; raises `TooManyWrongTokensError` for one more wrong token."""
    access = request.app[ACCESS]
    if access.is_open:
        return Identity(OPEN_USER, "reviewer")
    name = access.proxy_user(request)
    if name is not None:
        return access.proxy_identity(request, name)
    token = bearer(request)
    if token is not None:
        holder = await accept_token(request, token)
        return None if holder is None else holder.identity
    return await _of_session(request)


def bearer(request: web.Request) -> str | None:
    """Returns what is meant as a token of ours: a proxy that authenticates users may send one of its own."""
    access = request.app[ACCESS]
    if access.is_open or access.proxy_user(request) is not None:
        return None
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


async def accept_token(request: web.Request, token: str) -> Holder | None:
    """Returns who has a token; a wrong one counts for its client and, where those are many, is answered late."""
    holder = await _find_holder(request, token)
    if holder is not None:
        return holder
    attempts, client = request.app[LOGIN_ATTEMPTS], request.app[ACCESS].client(request)
    failures = attempts.fail(client)
    limited = failures > PER_CLIENT
    if not limited:
        log.warning("login_failed", client=client, path=request.path)
    request.app[ON_LOGIN](Login.LIMITED if limited else Login.FAILED)
    if failures == PER_CLIENT:
        log.warning("login_limited", client=client, seconds=round(attempts.wait(client)))
        await enter_lockout(request.app[ENGINE], client, failures)
    if limited:
        await asyncio.sleep(PENALTY)
        raise TooManyWrongTokensError(attempts.wait(client))
    return None


async def log_in(request: web.Request, token: str) -> bool:
    """Starts a session where the token is right."""
    holder = await accept_token(request, token)
    if holder is None:
        return False
    session, now = session_of(request), request.app[CLOCK].now()
    secret = session.renew()
    row = WebSession(_proof(request, holder.token_id), holder.token_id)
    await start_session(request.app[ENGINE], secret, row, now, now + SESSION_LIFETIME)
    client, user = request.app[ACCESS].client(request), holder.identity.name
    await enter_login(request.app[ENGINE], user, client)
    log.info("login_succeeded", client=client, user=user)
    request.app[ON_LOGIN](Login.SUCCEEDED)
    return True


async def log_out(request: web.Request) -> None:
    session = session_of(request)
    await end_session(request.app[ENGINE], session.secret)
    log.info("logout", client=request.app[ACCESS].client(request), user=request[IDENTITY].name)
    session.renew()


async def _of_session(request: web.Request) -> Identity | None:
    """Returns who logged in, as long as the token of that login is one."""
    session = session_of(request)
    if session.is_new:
        return None
    row = await load_session(request.app[ENGINE], session.secret, request.app[CLOCK].now())
    if row is None or not hmac.compare_digest(row.proof, _proof(request, row.token_id)):
        return None
    if row.token_id is None:
        holder: Holder | None = Holder(_MASTER)
    else:
        holder = _holder(await load_token(request.app[ENGINE], row.token_id, request.app[CLOCK].now()))
    session.is_logged_in = holder is not None
    return None if holder is None else holder.identity


async def _find_holder(request: web.Request, token: str) -> Holder | None:
    if request.app[ACCESS].is_token(token):
        return Holder(_MASTER)
    return _holder(await find_token(request.app[ENGINE], token, request.app[CLOCK].now()))


def _holder(token: NamedToken | None) -> Holder | None:
    return None if token is None else Holder(token.identity, token.token_id)


def _proof(request: web.Request, token_id: int | None) -> bytes:
    """Returns what changes with the token of a login, so that a new WEB_TOKEN ends the sessions of the former one."""
    credential = request.app[ACCESS].token if token_id is None else str(token_id)
    return session_of(request).derive("login", credential or "")
