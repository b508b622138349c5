"""The grants that the docs name let the daemon's role do its work, and rewrite nothing."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.cli.conftest import KEY, Program
from tests.cli.test_org_add import put
from tests.cli.test_serve import answer, ended, free_port, until_ready
from tools.paths import DOCS

PAGE = (DOCS / "how-to/database-roles.md").read_text(encoding="utf-8")
PAGES = ("/", "/cadences", "/changes", "/runs", "/runs/1", "/attention", "/audit", "/organization?org=default", "/past")
REFUSED = (
    "ALTER TABLE cadence_sync.cadence_versions DISABLE TRIGGER USER",
    "SET session_replication_role = replica",
    "UPDATE cadence_sync.cadence_versions SET raw = '{}'",
    "UPDATE cadence_sync.cadence_versions SET document = '{}'",
    "DELETE FROM cadence_sync.cadence_versions",
    "TRUNCATE cadence_sync.cadence_versions CASCADE",
    "UPDATE cadence_sync.cadence_changes SET changed_by_name = 'redacted'",
    "DELETE FROM cadence_sync.cadences",
    "INSERT INTO cadence_sync.redactions (org_id, user_id, redacted_by) VALUES ('default', '1', 'me')",
    "UPDATE cadence_sync.audit_log SET done_by = 'redacted'",
    "DELETE FROM cadence_sync.audit_log",
    "UPDATE cadence_sync.deletion_decisions SET decided_by = 'redacted'",
    "DELETE FROM cadence_sync.deletion_decisions",
    "UPDATE cadence_sync.reporting_layer SET checksum = 'x'",
    "DELETE FROM cadence_sync.reader_limits",
    "CREATE TABLE cadence_sync.mine (x int)",
)


@pytest.fixture
async def daemon(program: Program, database_url: str) -> AsyncIterator[Program]:
    """The program as the role that the page calls `cadence_daemon`."""
    (grants,) = re.findall(r"```pgsql\n(.*?)```", PAGE, re.DOTALL)
    admin = await asyncpg.connect(database_url)
    role = f"daemon_of_{urlsplit(database_url).path.removeprefix('/')}"
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    await admin.execute(grants.replace("cadence_daemon", role))
    host = urlsplit(database_url).netloc.rpartition("@")[2]
    url = urlsplit(database_url)._replace(netloc=f"{role}:secret@{host}").geturl()
    yield Program(program.cwd, program.settings | {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEY})
    await admin.execute(f"DROP OWNED BY {role}")
    await admin.execute(f"DROP ROLE {role}")
    await admin.close()


async def test_the_granted_role_does_everything_but_what_is_the_owners(daemon: Program, simulator: Simulator) -> None:
    none = {"DELETE_THRESHOLD_COUNT": "0", "DELETE_THRESHOLD_PERCENT": "0"}
    simulator.edit(10)
    put(daemon, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    for command in ("sync", "org import orgs.csv --no-check", "org schedule one --interval 5m", "org pause one"):
        assert (await daemon.run(*command.split())).code == 0, command
    simulator.edit(10)
    (cadence, *_) = simulator.orgs[0].cadences
    simulator.edit_one("delete", cadence)
    (report,) = (await daemon.run("sync", "--json", **none)).json
    assert report["outcome"] == "held"
    run_id = str(report["run_id"])
    for command in (
        *(
            f"approve {run_id}",
            "sync",
            "sync --queue",
            "migrate",
            "rotate-keys",
            "prune --keep 1d",
            "status",
            "list --json",
        ),
        *("org resume one", "org remove one", "doctor --deep", "audit export --json", "alerts drop --channel x"),
    ):
        result = await daemon.run(*command.split())
        assert result.code == 0, (command, result.out, result.err)
    user = next(iter(simulator.orgs[0].users)).id
    for command in (f"redact-person {user}", "org remove one --purge --yes"):
        result = await daemon.run(*command.split())
        assert (result.code, "Traceback" in result.err) == (5, False), (command, result.err)


async def test_the_granted_role_serves_and_works(daemon: Program) -> None:
    port = free_port()
    process = await daemon.start("serve", WEB_PORT=str(port), SYNC_INTERVAL="1s")
    await until_ready(port)
    done = 'cadence_sync_runs_total{data_center="us",outcome="succeeded",trigger="schedule"} 2.0'
    while done not in (await answer(port, "/metrics"))[1]:
        pass
    for path in PAGES:
        assert (await answer(port, path))[0] == 200, path
    code, events = await ended(process)
    assert code == 143
    assert [event for event in events if event.get("level") in {"error", "warning"}] == []


@pytest.mark.parametrize("statement", REFUSED)
async def test_the_granted_role_rewrites_nothing(daemon: Program, statement: str) -> None:
    connection = await asyncpg.connect(daemon.settings["DATABASE_URL"])
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
