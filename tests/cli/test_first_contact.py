"""Somebody who has nothing yet is told what to type."""

import asyncio
import json

import pytest

from tests.cli.conftest import Program

NOBODY = dict.fromkeys(("ZOHO_CLIENT_ID", "ZOHO_CLIENT_SECRET", "ZOHO_REFRESH_TOKEN"))


@pytest.mark.parametrize("command", ["sync", "doctor"])
async def test_without_credentials_init_is_named(program: Program, command: str) -> None:
    result = await program.run(command, **NOBODY)
    assert (result.code, "`cadence-sync init`" in result.out + result.err) == (2, True)


async def test_a_daemon_without_organisations_names_init(program: Program) -> None:
    process = await program.start("serve", **NOBODY, WEB_PORT="0")
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"no_organisation" not in (line := await process.stderr.readline()):
            assert line
        process.terminate()
        await process.communicate()
    assert "`cadence-sync init`" in json.loads(line)["hint"]


async def test_a_refresh_token_that_zoho_does_not_know_says_how_to_make_one(program: Program) -> None:
    result = await program.run("sync", ZOHO_REFRESH_TOKEN="gone")
    assert (result.code, "cadence-sync init" in result.err, "org add ID --replace" in result.err) == (3, True, True)


async def test_who_does_not_answer_is_named_with_the_port(program: Program) -> None:
    result = await program.run("sync", ZOHO_ATTEMPTS="1", ZOHO_ACCOUNTS_URL="http://127.0.0.1:9")
    assert "There is no connection to 127.0.0.1:9." in result.err
