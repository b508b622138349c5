"""The door: other machines, other websites, hostile forms, and what a proxy says."""

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from cadence_sync.config.settings import Settings
from cadence_sync.errors import SettingsError
from cadence_sync.web import params
from cadence_sync.web.access import PROXY_SECRET_HEADER, Access, check_access
from tests.web.conftest import Open, Site

TOKEN = "a-token-of-some-length"
LOCAL = ("127.0.0.1", 1)
BY_PROXY = {"web_user_header": "X-User", "web_trusted_proxies": "127.0.0.1", "web_url": "https://cadences.example.com"}
GROUPS = {"admins": {"role": "reviewer"}, "sales": {"role": "viewer", "orgs": ["acme"]}}


class Transport(asyncio.Transport):
    """Two ends of a connection, as a socket reports them."""

    def __init__(self, peername: object, sockname: object) -> None:
        super().__init__({"peername": peername, "sockname": sockname})


@pytest.mark.parametrize(
    ("peer", "own", "admitted"),
    [
        (LOCAL, LOCAL, True),
        (("127.9.9.9", 1), LOCAL, True),
        (("::1", 1, 0, 0), ("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), ("::ffff:127.0.0.1", 1, 0, 0), True),
        (("10.9.9.9", 1), ("10.0.0.1", 1), False),
        (("10.9.9.9", 1), LOCAL, False),
        (LOCAL, ("10.0.0.1", 1), False),
        (("::ffff:10.9.9.9", 1, 0, 0), ("::ffff:10.0.0.1", 1, 0, 0), False),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::2", 1, 0, 0), False),
        (None, None, False),
        ("", "/run/socket", False),
    ],
)
def test_without_a_token_only_this_machine_is_answered(peer: object, own: object, admitted: bool) -> None:
    request = make_mocked_request("GET", "/", headers={"Host": "localhost"}, transport=Transport(peer, own))
    assert Access.of(Settings()).admits(request) is admitted
    assert Access.of(Settings(web_token=TOKEN)).admits(request)  # type: ignore[arg-type]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_without_a_token_nothing_comes_through_a_proxy(site: Site, header: str) -> None:
    assert (await site.get("/", headers={header: "127.0.0.1"})).status == 403
    assert (await site.get("/cadences.csv", headers={header: ""})).status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "cadences.example.com"])  # noqa: S104 - to be refused
def test_without_a_token_nothing_but_loopback_is_served(host: str) -> None:
    with pytest.raises(SettingsError):
        check_access(Settings(web_host=host))
    check_access(Settings(web_host=host, web_token=TOKEN))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["web_token", "web_proxy_secret", "metrics_token"])
@pytest.mark.parametrize(
    "value", ["", " ", "\n", "\t \r\n", "x" * 15, " " * 16, f"{'x' * 15} ", "\u200b" * 20, "é" * 16, f"{'x' * 16}\0"]
)
def test_a_secret_that_is_given_is_no_less_than_one(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"16 characters|must not be empty"):
        Settings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403),
        ({}, 403),
    ],
)
async def test_other_websites_may_link_here_and_load_nothing(site: Site, headers: dict[str, str], status: int) -> None:
    for path in ("/", "/cadences.csv"):
        assert (await site.get(path, headers={"Sec-Fetch-Site": "cross-site"} | headers)).status == status


@pytest.mark.parametrize(
    "kind",
    [
        *(f"application/x-www-form-urlencoded; charset={each}" for each in ("punycode", "idna", "utf-7", "utf-16")),
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
    ],
)
async def test_only_forms_in_utf8_are_read(opened: Open, kind: str) -> None:
    site = await opened(web_token=TOKEN)
    await site.csrf("/login")
    response = await site.client.post("/login", data=b"a" * 1000, headers={"Content-Type": kind})
    assert response.status == 400


async def test_no_packed_and_no_long_form_is_read(opened: Open) -> None:
    site = await opened(web_token=TOKEN)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await site.client.post("/login", data=b"x", headers=form | {"Content-Encoding": "deflate"})
    assert response.status == 400
    response = await site.client.post("/login", data=b"a" * (params.FORM_BYTES + 1), headers=form)
    assert response.status == 413
    response = await site.client.post("/login", data=b"&".join([b"a=1"] * (params.FIELDS + 1)), headers=form)
    assert response.status == 400


async def test_a_form_that_does_not_come_is_not_waited_for(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "BODY_SECONDS", 0.1)
    site = await opened(web_token=TOKEN)
    reader, writer = await asyncio.open_connection(site.client.host, site.client.port)
    writer.write(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n")
    writer.write(b"Content-Length: 9\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()


async def test_of_two_names_from_a_proxy_neither_counts(opened: Open) -> None:
    """A proxy that adds its header keeps the one that the client sent, and that comes first."""
    site = await opened(**BY_PROXY)
    headers = [("Host", "cadences.example.com"), ("X-User", "attacker"), ("X-User", "maria")]
    assert (await site.get("/", headers=headers)).status == 403
    assert (await site.get("/", headers=headers[:2])).status == 200


async def test_a_proxy_proves_itself_where_others_have_its_address(opened: Open) -> None:
    site = await opened(**BY_PROXY, web_proxy_secret="s" * 16)
    user = {"Host": "cadences.example.com", "X-User": "maria"}
    for given in ({}, {PROXY_SECRET_HEADER: "wrong"}, {PROXY_SECRET_HEADER: ""}):
        assert (await site.get("/", headers=user | given)).status == 403
    assert (await site.get("/", headers=user | {PROXY_SECRET_HEADER: "s" * 16})).status == 200


@pytest.mark.parametrize(
    ("groups", "status"),
    [
        ([("X-Groups", "admins")], 200),
        ([("X-Groups", "other, sales")], 200),
        ([("X-Groups", "other")], 403),
        ([("X-Groups", "")], 403),
        ([("X-Groups", "other,,")], 403),
        ([], 403),
        ([("X-Groups", "other"), ("X-Groups", "admins")], 403),
        ([("X-Groups", "admins2,Admins")], 403),
    ],
)
async def test_groups_of_a_proxy_decide_who_gets_in(opened: Open, groups: list[tuple[str, str]], status: int) -> None:
    site = await opened(**BY_PROXY, web_groups_header="X-Groups", web_groups=GROUPS)
    headers = [("Host", "cadences.example.com"), ("X-User", "maria"), *groups]
    assert (await site.get("/time-zone", headers=headers)).status == (405 if status == 200 else status)


def test_the_first_group_of_the_settings_decides() -> None:
    access = Access.of(Settings(**BY_PROXY, web_groups_header="X-Groups", web_groups=GROUPS))  # type: ignore[arg-type]

    def role(groups: str) -> tuple[str, frozenset[str] | None] | None:
        transport = Transport(LOCAL, LOCAL)
        identity = access.proxy_identity(
            make_mocked_request("GET", "/", headers={"X-Groups": groups}, transport=transport), "maria"
        )
        return None if identity is None else (identity.role, identity.orgs)

    assert role("sales,admins") == role("admins") == ("reviewer", None)
    assert role("sales") == ("viewer", frozenset({"acme"}))
    assert role("nobody") is None


@pytest.mark.parametrize(
    "settings",
    [
        {**BY_PROXY, "web_groups_header": "X-Groups"},
        {**BY_PROXY, "web_groups": GROUPS},
        {"web_groups_header": "X-Groups", "web_groups": GROUPS},
        {"web_user_header": "X-User"},
    ],
)
def test_settings_that_need_each_other(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        check_access(Settings(**settings))


@pytest.mark.parametrize("name", ["", " ", "a,b", " admins"])
def test_a_group_has_a_name_that_a_header_can_hold(name: str) -> None:
    with pytest.raises(ValueError, match="names of groups"):
        Settings(web_groups={name: {"role": "viewer"}})  # type: ignore[dict-item]


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "::/0", "10.0.0.0/7", "127.0.0.1,0.0.0.0/1", "2000::/3"])
def test_no_proxy_is_everybody(networks: str) -> None:
    with pytest.raises(ValueError, match=r"strangers|expected"):
        Settings(web_trusted_proxies=networks)
