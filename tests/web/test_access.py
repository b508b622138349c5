"""Who gets in: on loopback, with the token, by a proxy, and who does not."""

import asyncio
from typing import Any

import pytest

from cadence_sync.config.settings import Settings
from cadence_sync.web import authentication, login_attempts
from cadence_sync.web.access import Access
from cadence_sync.web.authentication import Login
from cadence_sync.web.login_attempts import PER_CLIENT, WINDOW, LoginAttempts
from tests.support.lab import Lab, SetClock
from tests.web.conftest import Open, Site

TOKEN = "a-token-of-some-length"
PAGE = {"Accept": "text/html"}
PAGES = ["/", "/runs", "/attention", "/audit", "/organization?org=x", "/runs/1", "/nowhere"]


async def log_in(site: Site, token: str = TOKEN) -> int:
    response = await site.post("/login", page="/login", token=token)
    return response.status


async def test_on_loopback_nobody_is_asked_but_foreign_names_are_refused(opened: Open) -> None:
    site = await opened()
    await site.text("/")
    for host in (
        "evil.example",
        "evil.example:8642",
        "127.0.0.1.evil.example",
        "",
        "[",
        "169.254.1.1",
        "evil@localhost",
        "localhost/x",
    ):
        response = await site.get("/", headers={"Host": host})
        assert response.status in {400, 421}, host
        assert "default-src 'none'" in response.headers.get("Content-Security-Policy", "default-src 'none'")
    for host in ("localhost:9", "127.0.0.1", "[::1]:8642", "LOCALHOST"):
        await site.text("/", headers={"Host": host})
    await (await opened(web_url="https://cadences.example.com")).text(
        "/", 421, headers={"Host": "cadences.example.com"}
    )


async def test_every_page_behind_a_token_asks_for_it_on_loopback_too(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    for path in PAGES:
        response = await site.get(path, headers=PAGE, allow_redirects=False)
        assert (response.status, response.headers["Location"].partition("?")[0]) == (303, "/login")
        response = await site.get(path)
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_logging_in_and_out(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    text = await site.text("/login?next=/runs%3Fpage%3D2")
    assert 'name="next" value="/runs?page=2"' in text
    assert "Attention" not in text
    response = await site.post("/login", page="/login", token=TOKEN, next="/runs")
    cookie = response.headers["Set-Cookie"]
    assert (response.status, response.headers["Location"]) == (303, "/runs")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert TOKEN not in await site.text("/", headers=PAGE)
    assert (await site.post("/logout")).status == 303
    assert (await site.get("/", headers=PAGE, allow_redirects=False)).status == 303


async def test_a_session_outlives_the_process_but_not_the_token(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    assert await log_in(site) == 303
    kept = {each.key: each.value for each in site.client.session.cookie_jar}
    for token, status in ((TOKEN, 200), (f"{TOKEN}-new", 401)):
        other = await opened(web_token=token)
        assert (await other.get("/", cookies=kept)).status == status


async def test_logging_in_leads_to_no_other_site(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    for then in ("//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nb"):
        site.client.session.cookie_jar.clear()
        response = await site.post("/login", page="/login", token=TOKEN, next=then)
        assert (response.status, response.headers["Location"]) == (303, "/"), then


async def test_the_token_in_a_header_opens_what_programs_read(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    assert (await site.get("/", headers={"Authorization": f"Bearer {TOKEN}"})).status == 200
    for wrong in (f"Bearer {TOKEN}x", "Bearer", "Bearer é", f"Basic {TOKEN}"):
        assert (await site.get("/", headers={"Authorization": wrong})).status == 401
    assert (await site.get(f"/?token={TOKEN}")).status == 401


async def test_wrong_tokens_are_counted_and_the_right_one_is_never_refused(
    opened: Open, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "PENALTY", 0.0)
    logins: list[Login] = []
    site = await opened(on_login=logins.append, web_token=TOKEN)
    for _ in range(PER_CLIENT - 1):
        assert await log_in(site, "wrong") == 403
    bad = {"Authorization": "Bearer wrong"}
    assert (await site.get("/", headers=bad)).status == 401
    response = await site.get("/", headers=bad)
    assert (response.status, 0 < int(response.headers["Retry-After"]) <= WINDOW + 1) == (429, True)
    assert await log_in(site, "wrong") == 429
    assert (await site.get("/", headers={"Authorization": f"Bearer {TOKEN}"})).status == 200
    assert await log_in(site) == 303
    assert logins == [Login.FAILED] * PER_CLIENT + [Login.LIMITED] * 2 + [Login.SUCCEEDED]
    lab.clock.move(seconds=WINDOW)
    assert (await site.get("/", headers=bad)).status == 401


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("", "", True),
    ],
)
def test_a_client_is_an_address_or_the_network_of_an_ipv6_one(one: str, other: str, same: bool) -> None:
    attempts = LoginAttempts(SetClock())
    for _ in range(PER_CLIENT):
        attempts.fail(one)
    assert (attempts.wait(other) > 0) is same


def test_only_so_many_clients_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_attempts, "CLIENTS", 2)
    attempts = LoginAttempts(SetClock())
    for client in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        for _ in range(PER_CLIENT):
            attempts.fail(client)
    assert [attempts.wait(client) > 0 for client in ("10.0.0.1", "10.0.0.2", "10.0.0.3")] == [False, True, True]


async def test_behind_tls_the_cookie_is_secure_where_the_proxy_is_trusted(opened: Open) -> None:
    reported = {"X-Forwarded-Proto": "https"}
    for proxies, secure in (("127.0.0.0/8", True), ("10.0.0.0/8", False), ("", False)):
        site = await opened(web_token=TOKEN, web_trusted_proxies=proxies)
        response = await site.get("/login", headers=reported)
        assert ("Secure" in response.headers["Set-Cookie"]) is secure


async def test_a_trusted_proxy_says_who_it_is(opened: Open) -> None:
    how = {"web_user_header": "X-Forwarded-User", "web_url": "https://cadences.example.com"}
    site = await opened(web_trusted_proxies="127.0.0.1", **how)
    user = {"X-Forwarded-User": "maria@example.com", "Host": "cadences.example.com"}
    assert "maria@example.com" in await site.text("/", headers=user)
    await site.text("/", 403)
    await site.text("/", 421, headers={**user, "Host": "evil.example"})
    stranger = await opened(web_trusted_proxies="10.0.0.0/8", **how)
    await stranger.text("/", 403, headers=user)
    mixed = await opened(web_trusted_proxies="10.0.0.0/8", web_token=TOKEN, **how)
    await mixed.text("/", 401, headers=user)


@pytest.mark.parametrize("name", ["Zoë".encode(), "Zoë".encode("latin-1")], ids=["UTF-8", "Latin-1"])
async def test_a_proxy_spells_names_as_it_likes(opened: Open, name: bytes) -> None:
    site = await opened(web_user_header="X-User", web_trusted_proxies="127.0.0.1")
    reader, writer = await asyncio.open_connection(site.client.host, site.client.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-User: " + name + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert "Zoë" in answer.decode()


async def test_a_proxy_may_send_a_bearer_of_its_own(opened: Open) -> None:
    """It is none of ours: it neither lets anybody in nor counts as a wrong token, and forms still need their secret."""
    how = {"web_user_header": "X-Forwarded-User", "web_url": "https://cadences.example.com"}
    user = {"X-Forwarded-User": "maria", "Host": "cadences.example.com", "Authorization": "Bearer of-the-proxy"}
    for settings in ({}, {"web_token": TOKEN}):
        site = await opened(web_trusted_proxies="127.0.0.1", **how, **settings)
        for _ in range(PER_CLIENT + 1):
            assert "maria" in await site.text("/", headers=user)
        posted = await site.client.post("/time-zone", headers=user, data={"zone": "UTC"})
        assert posted.status == 403


async def test_a_client_behind_proxies_is_the_last_that_no_proxy_has(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "PENALTY", 0.0)
    site = await opened(web_token=TOKEN, web_trusted_proxies="127.0.0.1,10.0.0.0/8")
    bad = {"Authorization": "Bearer wrong"}
    for number in range(PER_CLIENT):
        chain = {"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.7, 10.1.2.3"}
        assert (await site.get("/", headers=bad | chain)).status == 401
    assert (await site.get("/", headers=bad | {"X-Forwarded-For": "198.51.100.7"})).status == 429
    assert (await site.get("/", headers=bad | {"X-Forwarded-For": "198.51.100.8"})).status == 401


async def test_what_another_site_sends_changes_nothing(site: Site) -> None:
    paths = ["/logout", "/time-zone", "/organization/sync", "/runs/1/approve", "/runs/1/reject"]
    reported = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/127.0.0.1/"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ]
    for path in paths:
        for headers in reported:
            response = await site.post(path, headers=headers, org="default")
            assert (response.status, "from another website" in await response.text()) == (403, True)
    assert site.asked == []


async def test_a_form_without_its_secret_changes_nothing(site: Site) -> None:
    for secret in ({}, {"csrf": ""}, {"csrf": "guessed"}, {"csrf": "é"}):
        response = await site.client.post("/time-zone", data=secret | {"zone": "Europe/Paris"}, allow_redirects=False)
        assert (response.status, "too old" in await response.text()) == (403, True)
    own = {"Origin": f"http://127.0.0.1:{site.client.port}", "Sec-Fetch-Site": "same-origin"}
    assert (await site.post("/time-zone", headers=own, zone="Europe/Paris")).status == 303


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"csrf=x", "application/x-www-form-urlencoded; charset=nonsense"),
        (b"csrf=\xff", "application/x-www-form-urlencoded; charset=utf-8"),
        (b"csrf=x", "multipart/form-data"),
        (b"--x\r\ngarbage", "multipart/form-data; boundary=x"),
    ],
    ids=["unknown charset", "other bytes", "no boundary", "no part"],
)
async def test_a_form_that_cannot_be_read_is_said_to_be(site: Site, sent: bytes, kind: str) -> None:
    response = await site.client.post("/organization/sync", data=sent, headers={"Content-Type": kind})
    assert (response.status, "That form cannot be read." in await response.text()) == (400, True)


async def test_what_no_text_of_a_form_holds_is_not_looked_for(site: Site) -> None:
    response = await site.post("/organization/sync", org="a\0b")
    assert (response.status, "no organization" in await response.text()) == (404, True)


async def test_a_program_with_the_token_needs_no_form(opened: Open) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    form = {"zone": "Europe/Paris"}
    for settings, status in (({"web_token": TOKEN}, 303), ({}, 403)):
        site = await opened(**settings)
        response = await site.client.post("/time-zone", data=form, headers=bearer, allow_redirects=False)
        assert response.status == status


async def test_a_forged_form_logs_nobody_in(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    response = await site.client.post("/login", data={"token": TOKEN}, allow_redirects=False)
    assert response.status == 403


@pytest.mark.parametrize(
    "settings",
    [
        {"web_trusted_proxies": "proxy.example.com"},
        {"web_user_header": "X User"},
        {"web_url": "http://cadences.example.com"},
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|plain http"):
        Settings(**settings)


def test_the_token_is_in_no_text() -> None:
    access = Access.of(Settings(web_token=TOKEN))  # type: ignore[arg-type]
    assert TOKEN not in repr(access)
    assert access.is_token(TOKEN)
    assert not Access().is_token("")


async def test_two_tries_at_once_are_counted_both(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "PENALTY", 0.0)
    site = await opened(web_token=TOKEN)
    bad = {"Authorization": "Bearer wrong"}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(site.get("/", headers=bad)) for _ in range(PER_CLIENT + 2)]
    assert sorted(task.result().status for task in tasks) == [401] * PER_CLIENT + [429] * 2
