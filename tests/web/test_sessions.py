"""Sessions: when they end, what a cookie holds, and what one is worth without the server's row."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from cadence_sync.db.access_tokens import NewToken, create_token, revoke_token
from cadence_sync.ports import Actor
from cadence_sync.web import authentication
from cadence_sync.web.login_attempts import PER_CLIENT
from cadence_sync.web.sessions import COOKIE, FLASH_COOKIE, HOST_PREFIX, SESSION_LIFETIME
from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Open, Site

TOKEN = "a-token-of-some-length"
SECURE = {"X-Forwarded-Proto": "https"}


def cookies(site: Site) -> dict[str, str]:
    return {each.key: each.value for each in site.client.session.cookie_jar}


async def logged_in(opened: Open, **settings: str) -> Site:
    site = await opened(web_token=TOKEN, **settings)
    assert (await site.post("/login", page="/login", token=TOKEN)).status == 303
    return site


async def test_a_session_ends_at_a_time_that_using_it_does_not_move(opened: Open, lab: Lab) -> None:
    site = await logged_in(opened)
    lab.clock.time += SESSION_LIFETIME - timedelta(minutes=1)
    assert (await site.post("/time-zone", zone="Europe/Paris")).status == 303
    assert (await site.get("/")).status == 200
    lab.clock.move(seconds=60)
    assert (await site.get("/")).status == 401


async def test_logging_out_ends_the_session_for_whoever_copied_the_cookie(opened: Open) -> None:
    site = await logged_in(opened)
    kept = cookies(site)
    other = await opened(web_token=TOKEN)
    assert (await other.get("/", cookies=kept)).status == 200
    assert (await site.post("/logout")).status == 303
    assert (await other.get("/", cookies=kept)).status == 401


async def test_logging_in_changes_the_secret_that_the_browser_had_before(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    await site.csrf("/login")
    before = cookies(site)[COOKIE]
    assert (await site.post("/login", page="/login", token=TOKEN)).status == 303
    assert cookies(site)[COOKIE] != before
    stranger = await opened(web_token=TOKEN)
    assert (await stranger.get("/", cookies={COOKIE: before})).status == 401


async def test_logging_in_again_ends_the_session_that_it_replaces(opened: Open) -> None:
    site = await logged_in(opened)
    former = cookies(site)
    assert (await site.post("/login", page="/", token=TOKEN)).status == 303
    stranger = await opened(web_token=TOKEN)
    assert (await stranger.get("/", cookies=former)).status == 401
    assert (await site.get("/")).status == 200


async def test_no_session_begins_that_cannot_be_entered_in_the_audit_log(opened: Open, lab: Lab) -> None:
    site = await opened(web_token=TOKEN)
    async with lab.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE cadence_sync.audit_log RENAME TO away"))
    assert (await site.post("/login", page="/login", token=TOKEN)).status == 503
    assert (await site.get("/")).status == 401
    assert await lab.rows("SELECT 1 FROM cadence_sync.web_sessions") == []


async def test_the_database_holds_nothing_that_opens_a_session(opened: Open, lab: Lab) -> None:
    site = await logged_in(opened)
    async with lab.engine.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM cadence_sync.web_sessions"))).all()
    assert len(rows) == 1
    assert cookies(site)[COOKIE] not in repr(rows)
    stranger = await opened(web_token=TOKEN)
    digest = bytes(rows[0].session_digest).hex()
    assert (await stranger.get("/", cookies={COOKIE: digest})).status == 401


async def test_a_row_that_somebody_wrote_is_no_login(opened: Open, lab: Lab) -> None:
    """Whoever writes to the table, but has no token, lacks the proof."""
    site = await logged_in(opened)
    async with lab.engine.begin() as connection:
        await connection.execute(text("UPDATE cadence_sync.web_sessions SET proof = sha256('guessed')"))
    assert (await site.get("/")).status == 401


async def test_expired_sessions_are_deleted_at_the_next_login(opened: Open, lab: Lab) -> None:
    await logged_in(opened)
    lab.clock.time += SESSION_LIFETIME
    await logged_in(opened)
    async with lab.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM cadence_sync.web_sessions")) == 1


async def test_a_cookie_says_nothing_about_the_token(opened: Open) -> None:
    """What an anonymous visitor receives is random: no guess of the token can be checked against it."""
    secrets = []
    for _ in range(2):
        site = await opened(web_token=TOKEN, encryption_keys="k" * 32)
        await site.csrf("/login")
        secrets.append(cookies(site))
    assert [sorted(each) for each in secrets] == [[COOKIE], [COOKIE]]
    assert [len(each[COOKIE]) for each in secrets] == [43, 43]
    assert secrets[0] != secrets[1]


@pytest.mark.parametrize("value", ["", "x", "é" * 43, "a" * 42, "a" * 44, "../" * 14 + "a", '"' + "a" * 41 + '"'])
async def test_a_cookie_of_another_shape_is_replaced(opened: Open, value: str) -> None:
    site = await opened()
    response = await site.get("/", headers={"Cookie": f"{COOKIE}={value}".encode().decode("latin-1")})
    assert (response.status, COOKIE in response.cookies) == (200, True)


async def test_behind_tls_cookies_are_bound_to_the_host(opened: Open) -> None:
    site = await opened(web_token=TOKEN, web_trusted_proxies="127.0.0.1")
    response = await site.get("/login", headers=SECURE)
    (name,) = response.cookies
    assert (name, response.cookies[name]["secure"], response.cookies[name]["path"]) == (HOST_PREFIX + COOKIE, True, "/")
    assert not response.cookies[name]["domain"]
    assert response.headers["Strict-Transport-Security"].startswith("max-age=")
    assert "Strict-Transport-Security" not in (await site.get("/login")).headers


async def test_a_message_that_another_program_wrote_is_not_shown(opened: Open) -> None:
    site = await opened()
    await site.text("/")
    for forged in ("", "x", "00.SGFja2Vk", f"{'0' * 64}.SGFja2Vk", ".", "é.é"):
        assert "Hacked" not in await site.text("/", headers={"Cookie": f"{FLASH_COOKIE}={forged}"})


async def test_probes_set_no_cookie(opened: Open) -> None:
    site = await opened()
    assert not (await site.get("/static/style.css")).cookies


async def with_named_token(opened: Open, lab: Lab, expires_at: datetime | None = None) -> Site:
    secret, _ = await create_token(lab.engine, NewToken("ci", "viewer", ["default"], expires_at), Actor("test"))
    site = await opened(web_token=TOKEN)
    assert (await site.post("/login", page="/login", token=secret)).status == 303
    return site


async def test_a_named_token_logs_in_as_what_it_is(opened: Open, lab: Lab) -> None:
    await lab.sync(record("1"))
    site = await with_named_token(opened, lab)
    assert "<strong>ci</strong>" in await site.text("/")
    assert (await site.get("/organization?org=default")).status == 200
    assert (await site.post("/organization/sync", org="default")).status == 403


async def test_revoking_a_token_ends_its_sessions(opened: Open, lab: Lab) -> None:
    await lab.sync(record("1"))
    site = await with_named_token(opened, lab)
    assert (await site.get("/")).status == 200
    await revoke_token(lab.engine, "ci", Actor("test"))
    assert (await site.get("/")).status == 401


async def test_a_session_ends_with_its_token(opened: Open, lab: Lab) -> None:
    await lab.sync(record("1"))
    site = await with_named_token(opened, lab, lab.clock.time + timedelta(hours=1))
    assert (await site.get("/")).status == 200
    lab.clock.move(seconds=3600)
    assert (await site.get("/")).status == 401


async def test_logins_are_in_the_audit_log(opened: Open, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "PENALTY", 0.0)
    site = await logged_in(opened)
    for _ in range(PER_CLIENT + 1):
        await site.get("/", headers={"Authorization": "Bearer wrong"})
    entries = await lab.rows("SELECT action, done_by, source, details FROM cadence_sync.audit_log ORDER BY action_id")
    assert [(entry["action"], entry["done_by"], entry["source"]) for entry in entries] == [
        ("login_succeeded", "token", "web"),
        ("login_locked", "unknown", "web"),
    ]
    assert {entry["details"]["client"] for entry in entries} == {"127.0.0.1"}
