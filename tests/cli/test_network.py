"""Zoho and the network at their worst, through the installed command: how each fault ends; it writes nothing."""

import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.cli.conftest import Program, fault
from tests.support import cli

HISTORY = "SELECT count(*), max(version), max(xmin::text::bigint) FROM cadence_sync.cadence_versions"


async def _history(program: Program) -> Any:
    connection = await asyncpg.connect(program.settings["DATABASE_URL"])
    try:
        return await connection.fetchrow(HISTORY)
    finally:
        await connection.close()


# The fault → exit code, error code, and how many calls three attempts are.
LASTING: list[tuple[dict[str, Any], int, str, int]] = [
    ({"kind": "status", "status": 500, "code": "INTERNAL_SERVER_ERROR"}, 4, "INTERNAL_SERVER_ERROR", 3),
    ({"kind": "html", "status": 502}, 4, "ZOHO_UNAVAILABLE", 3),
    ({"kind": "html", "status": 503}, 4, "ZOHO_UNAVAILABLE", 3),
    ({"kind": "html", "status": 504}, 4, "ZOHO_UNAVAILABLE", 3),
    ({"kind": "html", "status": 200}, 4, "INVALID_RESPONSE", 3),
    ({"kind": "empty"}, 4, "INVALID_RESPONSE", 3),
    ({"kind": "truncated"}, 4, "INVALID_RESPONSE", 3),
    ({"kind": "cut"}, 4, "CONNECTION_LOST", 3),
    ({"kind": "reset"}, 4, "CONNECTION_LOST", 6),  # aiohttp repeats each by itself
    ({"kind": "delay", "delay": 3}, 4, "TIMEOUT", 3),
    ({"kind": "status", "status": 429, "code": "TOO_MANY_REQUESTS"}, 4, "TOO_MANY_REQUESTS", 3),
    ({"kind": "redirect", "headers": {"Location": "/elsewhere"}}, 4, "REDIRECT", 1),
    ({"kind": "status", "status": 401, "code": "INVALID_TOKEN"}, 3, "INVALID_TOKEN", 2),
    ({"kind": "status", "status": 401, "code": "OAUTH_SCOPE_MISMATCH"}, 3, "OAUTH_SCOPE_MISMATCH", 1),
    ({"kind": "status", "status": 401, "code": "AUTHENTICATION_FAILURE"}, 3, "AUTHENTICATION_FAILURE", 1),
    ({"kind": "status", "status": 403, "code": "NO_PERMISSION"}, 3, "NO_PERMISSION", 1),
    ({"kind": "status", "status": 403, "code": "FEATURE_NOT_ENABLED"}, 3, "FEATURE_NOT_ENABLED", 1),
    ({"kind": "repeat_page"}, 4, "INCONSISTENT_LISTING", 6),  # three listings of two pages each
    ({"kind": "html", "status": 200, "target": "token"}, 4, "INVALID_RESPONSE", 1),
    ({"kind": "delay", "delay": 3, "target": "token"}, 4, "TIMEOUT", 3),
    ({"kind": "status", "code": "Access Denied", "target": "token"}, 3, "TOKEN_LIMIT", 1),
    ({"kind": "status", "status": 200, "code": "invalid_code", "target": "token"}, 3, "INVALID_CODE", 1),
]
# Where a token is refused, each attempt is also a call: with the revoked token.


async def test_a_lasting_fault_ends_with_its_code_after_bounded_calls_and_writes_nothing(
    program: Program, simulator: Simulator
) -> None:
    assert (await program.run("sync")).code == 0
    before = await _history(program)
    simulator.edit(5)
    for how, exit_code, code, calls in LASTING:
        if how.get("target") == "token":
            simulator.tokens.revoke_all()
        simulator.faults.add(fault(**how, times=99))
        result = await program.run("sync", "--json", ZOHO_MAX_ATTEMPTS="3", ZOHO_TIMEOUT="0.5")
        (report,) = result.json
        assert (result.code, report["outcome"], report["error"]["code"]) == (exit_code, "failed", code), how
        assert report["api_calls"] == calls, how
        assert report["error"]["hint"], how
        simulator.faults.clear()
    assert await _history(program) == before
    assert (await program.run("sync")).code == 0
    assert (await _history(program))["count"] > before["count"]


PASSING = [how for how, exit_code, _, calls in LASTING if exit_code == 4 and calls in {3, 6}]


async def test_a_passing_fault_is_survived(program: Program, simulator: Simulator) -> None:
    for how in PASSING:
        if how.get("target") == "token":
            simulator.tokens.revoke_all()
        simulator.faults.add(fault(**how, times=1))
        result = await program.run("sync", "--json", ZOHO_TIMEOUT="0.5")
        assert (result.code, result.json[0]["seen"]) == (0, 25), how
        assert simulator.faults.waiting() == [], how


async def test_a_refused_permission_is_reported_in_words(program: Program, simulator: Simulator) -> None:
    for code, words in {
        "OAUTH_SCOPE_MISMATCH": "ZohoCRM.settings.cadences.READ",
        "NO_PERMISSION": "administrator",
        "FEATURE_NOT_ENABLED": "edition",
        "AUTHENTICATION_FAILURE": "refresh token",
    }.items():
        simulator.faults.add(fault("status", status=403, code=code))
        result = await program.run("sync")
        assert result.code == 3
        assert words in result.err, (code, result.err)


async def test_as_reported_by_zoho_it_waits(program: Program, simulator: Simulator) -> None:
    for form in ("2", "%a, %d %b %Y %H:%M:%S GMT"):
        reported = (SystemClock().now() + timedelta(seconds=5)).strftime(form)
        simulator.faults.add(fault("status", status=429, code="TOO_MANY_REQUESTS", headers={"Retry-After": reported}))
        result = await program.run("sync", "--json")
        assert (result.code, result.json[0]["api_calls"]) == (0, 2)
        times = [entry.at for entry in simulator.journal.requests if entry.path.endswith("/cadences")]
        refused, asked_again = times[-2:]
        assert asked_again - refused >= timedelta(seconds=1), reported


async def test_the_budget_of_a_day_holds_over_runs(program: Program) -> None:
    spent = 0
    codes = []
    for _ in range(4):
        result = await program.run("sync", "--json", ZOHO_PER_PAGE="5", ZOHO_DAILY_CALL_LIMIT="12")
        codes.append(result.code)
        spent += result.json[0]["api_calls"]
    assert codes[:2] == [0, 0]
    assert codes[-1] == 4
    assert spent <= 12


async def test_a_name_that_is_not_found(program: Program) -> None:
    nowhere = "https://zoho.invalid"
    result = await program.run("sync", "--json", ZOHO_API_URL=nowhere, ZOHO_ACCOUNTS_URL=nowhere, ZOHO_MAX_ATTEMPTS="2")
    assert (result.code, result.json[0]["error"]["code"]) == (4, "NO_CONNECTION")


@pytest.fixture
async def self_signed(tmp_path: Path) -> AsyncIterator[str]:
    """A server that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime(2026, 1, 1)  # noqa: DTZ001 - cryptography takes UTC without saying so
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), today, today.replace(year=2090)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    no_password = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"access_token": "t", "expires_in": 3600})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield "https://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()
    assert not asked, "a request was sent over a connection that proves nothing"


async def test_a_certificate_that_nobody_vouches_for_ends_it_before_anything_is_sent(
    program: Program, self_signed: str
) -> None:
    for changes in ({"ZOHO_ACCOUNTS_URL": self_signed}, {"ZOHO_API_URL": self_signed}):
        result = await program.run("sync", "--json", ZOHO_MAX_ATTEMPTS="2", **changes)
        assert (result.code, result.json[0]["error"]["code"]) == (4, "TLS_ERROR"), result.err


async def test_a_server_that_speaks_no_tls(program: Program) -> None:
    plain = str(program.settings["ZOHO_API_URL"]).replace("http://", "https://")
    result = await program.run("sync", "--json", ZOHO_MAX_ATTEMPTS="1", ZOHO_API_URL=plain)
    assert (result.code, result.json[0]["error"]["code"]) == (4, "TLS_ERROR"), result.err


async def test_there_is_no_setting_that_turns_certificates_off(program: Program) -> None:
    for name in ("ZOHO_VERIFY_TLS", "ZOHO_INSECURE"):
        (program.cwd / "cadence-sync.toml").write_text(f"{name.lower()} = false\n")
        result = await cli.run("status", cwd=program.cwd, **program.settings)
        assert result.code == 2
