"""A reverse proxy that logs people in: nginx, which sends their name, their groups and its secret."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import CookieJar, encode_basic_auth

from cadence_sync.config.settings import Settings
from cadence_sync.web.app import web_ui_app
from cadence_sync.web.server import Listener, Probes, serving
from tests.support.lab import Lab

pytestmark = pytest.mark.system

SECRET = "the-proxy-has-this-secret"
NAME = "cadences.example.com"
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $remote_user $groups {{ maria "staff,admins"; tom "sales"; default "others"; }}
    server {{
        listen 127.0.0.1:{port};
        auth_basic "cadences";
        auth_basic_user_file {folder}/people;
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-User $remote_user;
            proxy_set_header X-Forwarded-Groups $groups;
            proxy_set_header X-Cadence-Sync-Proxy-Secret {secret};
            proxy_set_header Authorization "";
        }}
    }}
}}
"""
SETTINGS: dict[str, Any] = {
    "web_port": 0,
    "web_url": f"https://{NAME}",
    "web_trusted_proxies": "127.0.0.1",
    "web_proxy_secret": SECRET,
    "web_user_header": "X-Forwarded-User",
    "web_groups_header": "X-Forwarded-Groups",
    "web_groups": {"admins": {"role": "reviewer"}, "sales": {"role": "viewer"}},
}

Ask = Callable[..., Awaitable[tuple[int, str]]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def nginx(folder: Path, upstream: int) -> AsyncIterator[int]:
    port = free_port()
    (folder / "people").write_text("".join(f"{name}:{{PLAIN}}secret\n" for name in ("maria", "tom", "eve")))
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, upstream=upstream, secret=SECRET))
    # Its workers would run as a user who may not enter the folder.
    process = await asyncio.create_subprocess_exec("nginx", "-g", "user root;", "-p", folder, "-c", configuration)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def ask(lab: Lab, tmp_path: Path) -> AsyncIterator[Ask]:
    """What sends a request through nginx, or past it, and returns the status and the page."""

    async def request_sync(_org: str) -> str:
        return "entered"

    async def ready() -> None:
        return None

    async def nothing() -> bytes:
        return b""

    settings = Settings(**SETTINGS)
    app = web_ui_app(settings, lab.engine, lab.clock, request_sync)
    probes = Probes(ready, nothing, lambda: None)
    async with serving(Listener.of(settings), probes, app) as upstream, nginx(tmp_path, upstream) as port:

        async def send(path: str, user: str | None = None, *, direct: bool = False, **headers: str) -> tuple[int, str]:
            login = {} if user is None else {"Authorization": encode_basic_auth(user, "secret")}
            sent = {"Host": NAME} | {name.replace("_", "-"): value for name, value in headers.items()} | login
            to = upstream if direct else port
            async with (
                aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,
                session.get(f"http://127.0.0.1:{to}{path}", headers=sent, allow_redirects=False) as response,
            ):
                return response.status, await response.text()

        yield send


async def test_people_are_who_the_proxy_says(ask: Ask) -> None:
    assert (await ask("/"))[0] == 401
    for user in ("maria", "tom"):
        status, page = await ask("/", user)
        assert (status, f"<strong>{user}</strong>" in page) == (200, True)
    assert (await ask("/", "eve"))[0] == 403


async def test_what_a_client_says_of_itself_is_replaced(ask: Ask) -> None:
    claims = {"X_Forwarded_User": "maria", "X_Forwarded_Groups": "admins", "X_Cadence_Sync_Proxy_Secret": "x"}
    status, page = await ask("/", "tom", **claims)
    assert (status, "<strong>tom</strong>" in page, "maria" in page) == (200, True, False)
    assert (await ask("/", "eve", **claims))[0] == 403


async def test_past_the_proxy_nobody_gets_in(ask: Ask) -> None:
    claims = {"X_Forwarded_User": "maria", "X_Forwarded_Groups": "admins"}
    assert (await ask("/", direct=True, **claims))[0] == 403
    assert (await ask("/", direct=True, X_Cadence_Sync_Proxy_Secret="guessed-by-somebody", **claims))[0] == 403
