"""Old minor releases of Postgres are named by `doctor` and `migrate`, and more loudly where others may connect."""

import secrets
import sys
from pathlib import Path

import asyncpg
import pytest

from cadence_sync.cli.app import run_app
from cadence_sync.db import diagnostics, server_versions
from cadence_sync.db.engine import open_engine
from cadence_sync.db.grants import grant_reader
from cadence_sync.db.server_versions import SAFE_MINORS, upgrade_advice
from cadence_sync.doctor.checks import CheckState
from cadence_sync.doctor.database import version_check
from cadence_sync.ports import Actor


@pytest.mark.parametrize("major", SAFE_MINORS)
def test_below_the_safe_minor_release_is_advised_against(major: int) -> None:
    safe = SAFE_MINORS[major]
    assert upgrade_advice(major * 10000 + safe, 5) is None
    assert upgrade_advice(major * 10000 + safe + 1, 5) is None
    advice = upgrade_advice(major * 10000 + safe - 1, 0)
    assert advice is not None
    assert f"{major}.{safe - 1}" in advice[0]
    assert f"{major}.{safe}" in advice[1]


def test_every_supported_release_has_a_safe_minor_and_later_ones_are_not_judged() -> None:
    supported = range(server_versions.OLDEST // 10000, server_versions.NEWEST // 10000 + 1)
    assert sorted(SAFE_MINORS) == list(supported)
    assert upgrade_advice(190000, 5) is None


@pytest.mark.parametrize(("readers", "words"), [(1, "1 role that reads"), (3, "3 roles that read")])
def test_readers_make_it_worse(readers: int, words: str) -> None:
    advice, alone = upgrade_advice(180004, readers), upgrade_advice(180004, 0)
    assert advice is not None
    assert alone is not None
    assert (words in advice[0], "CVE-2026-14680" in advice[0], "CVE" in alone[0]) == (True, True, False)


async def test_doctor_counts_the_readers(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    role = f"reader_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(database_url)
    try:
        async with open_engine(database_url) as engine:
            assert (await diagnostics.server(engine)).readers == 0
            await admin.execute(f"CREATE ROLE {role} LOGIN")
            await grant_reader(engine, role, Actor("test"))
            server = await diagnostics.server(engine)
        assert server.readers == 1
        monkeypatch.setitem(SAFE_MINORS, server.number // 10000, server.number % 10000 + 1)
        check = version_check(server)
        assert (check.state, check.exit_code, "CVE" in check.message) == (CheckState.WARNING, 0, True)
        monkeypatch.setitem(SAFE_MINORS, server.number // 10000, server.number % 10000)
        assert version_check(server).state is CheckState.OK
    finally:
        await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await admin.close()


def test_migrate_warns_too_and_migrates(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for major in SAFE_MINORS:
        monkeypatch.setitem(SAFE_MINORS, major, 99)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADENCE_SYNC_DATABASE_URL", empty_database_url)
    monkeypatch.setattr(sys, "argv", ["cadence-sync", "migrate"])
    with pytest.raises(SystemExit) as ended:
        run_app()
    out, err = capfd.readouterr()
    assert (ended.value.code, "at revision" in out, ".99" in err) == (0, True, True)
