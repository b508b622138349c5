"""Every command either changes nothing, or says in the audit log who changed what."""

import getpass
import json
from typing import Any, Final

import pytest

from cadence_sync.cli.commands import COMMANDS
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.cli.conftest import KEY, Program
from tests.cli.test_org_add import by_token, put
from tests.support.invariants import rows

CHANGES_NOTHING: Final = {
    **dict.fromkeys(("status", "list", "show", "history", "blame", "diff", "export", "doctor"), "reads the database"),
    **dict.fromkeys(("org list", "audit export", "alerts list", "alerts status"), "reads the database"),
    "alerts test": "sends a message and has no database",
    "token list": "reads",
    "demo": "has a database of its own, which is removed",
    "simulate": "has no database",
    "serve": "is a daemon: runs say what it did, and the web UI enters what people do",
    "worker": "is a daemon",
    "init": "writes a file, and adds and syncs through what `org add` and `sync` use",
}
CHANGES: Final = {
    "migrate": "migrate",
    "grant-reader": "grant-reader",
    "sync": "sync",
    "approve": "approve",
    "reject": "reject",
    "redact-person": "redact-person",
    "prune": "prune",
    "rotate-keys": "rotate-keys",
    "org add": "org add",
    "org import": "org add",
    "org schedule": "org schedule",
    "org remove": "org remove",
    "org pause": "org pause",
    "org resume": "org resume",
    "alerts send": "alerts send",
    "alerts retry": "alerts retry",
    "alerts drop": "alerts drop",
    "token create": "token create",
    "token revoke": "token revoke",
}
"""Command → action. Each is called below, and its entry is looked for."""
ENTRIES: Final = "SELECT done_by, source, action, org_id, details FROM cadence_sync.audit_log ORDER BY action_id"
OLD_RUN: Final = """
    INSERT INTO cadence_sync.sync_runs (org_id, trigger, started_at, finished_at, outcome, error_code, host, pid,
        process_started, lease_until)
    SELECT 'one', 'test', t.t, t.t, 'failed', 'X', 'h', 1, '', t.t FROM (SELECT now() - interval '90 days') AS t (t)
"""


class Audited:
    """Calls commands, and takes down which action each entered."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.seen: dict[str, str] = {}

    @property
    def url(self) -> str:
        url = self.program.settings["DATABASE_URL"]
        assert url is not None
        return url

    async def entries(self) -> list[dict[str, Any]]:
        return [dict(row) | {"details": json.loads(row["details"])} for row in await rows(self.url, ENTRIES)]

    async def call(self, command: str, *arguments: str, code: int = 0, **settings: str) -> dict[str, Any]:
        """Call a command and return the last entry, which must be new."""
        before = len(await self.entries())
        result = await self.program.run(*command.split(), *arguments, **settings)
        assert result.code == code, result.err
        new = (await self.entries())[before:]
        assert new, f"{command} entered nothing"
        self.seen[command] = str(new[-1]["action"])
        assert (new[-1]["done_by"], new[-1]["source"]) == (getpass.getuser(), "cli")
        return new[-1]

    async def held(self) -> str:
        """Sync until a run holds a deletion, and return its number."""
        permits = {"DELETE_THRESHOLD_COUNT": "0", "DELETE_THRESHOLD_PERCENT": "0"}
        (report,) = (await self.program.run("sync", "--org", "one", "--json", **permits)).json
        assert report["outcome"] == "held"
        return str(report["run_id"])


def test_every_command_is_one_or_the_other() -> None:
    assert {*CHANGES_NOTHING, *CHANGES} == {*COMMANDS}
    assert not CHANGES_NOTHING.keys() & CHANGES.keys()


async def test_every_change_is_entered(agency: Program, agencys_zoho: Simulator) -> None:
    audited = Audited(agency)
    role = f"reader of {audited.url.rpartition('/')[2]}"
    await organizations(audited, agencys_zoho)
    await rows(audited.url, f'CREATE ROLE "{role}"')
    try:
        await audited.call("grant-reader", role)
    finally:
        await rows(audited.url, f'DROP OWNED BY "{role}"')
        await rows(audited.url, f'DROP ROLE "{role}"')
    await alerts(audited, agencys_zoho)
    created = await audited.call("token create", "ci", "--role", "viewer")
    assert created["details"] == {"name": "ci", "role": "viewer", "orgs": None}
    await audited.call("token revoke", "ci")
    rotated = await audited.call("rotate-keys", ENCRYPTION_KEYS=f"another-key-of-the-agency,{KEY}")
    assert rotated["details"]["credentials"] == 2
    user = next(iter(agencys_zoho.orgs[0].cadences.values())).created_by
    redacted = await audited.call("redact-person", user.id)
    assert redacted["details"]["user_id"] == user.id
    removed = await audited.call("org remove", "two")
    assert (removed["org_id"], removed["details"]) == ("two", {})
    await rows(audited.url, "UPDATE cadence_sync.reporting_layer SET checksum = 'another'")
    migrated = await audited.call("migrate")
    assert migrated["details"]["reporting"]
    assert audited.seen == CHANGES
    purged = await agency.run("org", "remove", "one", "--purge", "--yes", "--json")
    last = (await audited.entries())[-1]
    assert (last["action"], last["org_id"]) == ("org remove --purge", "one")
    assert last["details"]["rows"] == {name: count for name, count in purged.json["purged"].items() if count}
    text = json.dumps(await audited.entries())
    for known in (credentials(0), credentials(1)):
        assert not [secret for secret in (known.client_secret, known.refresh_token) if secret in text]


async def organizations(audited: Audited, zoho: Simulator) -> None:
    program = audited.program
    put(program, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    await audited.call("org import", "orgs.csv", "--no-check")
    await audited.call("org add", "two", *by_token(program, 1), "--interval", "5m")
    schedule = await audited.call("org schedule", "one", "--interval", "5m")
    assert schedule["details"]["sync_interval_seconds"] == 300
    await audited.call("org pause", "one")
    await audited.call("org resume", "one")
    await rows(audited.url, "INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('x', 'us')")
    await audited.call("sync", "--queue", "--org", "one")
    assert (await program.run("sync")).code == 0
    await rows(audited.url, OLD_RUN)
    assert (await program.run("sync")).code == 0
    pruned = await audited.call("prune", "--keep", "30d")
    assert pruned["details"]["runs"] == 1
    zoho.edit_one("delete", next(iter(zoho.orgs[0].cadences)))
    permitted = await audited.call("sync", "--org", "one", "--allow-mass-delete")
    assert (permitted["details"]["allow_mass_delete"], permitted["details"]["deleted"]) == (True, 1)


async def alerts(audited: Audited, zoho: Simulator) -> None:
    urls: dict[str, Any] = {"ALERT_URLS": "json://127.0.0.1:1"}
    zoho.edit_one("delete", next(iter(zoho.orgs[0].cadences)))
    await audited.call("approve", await audited.held(), **urls)
    assert (await audited.program.run("sync", "--org", "one")).code == 0
    sent = await audited.call("alerts send", code=4, **urls)
    assert sent["details"]["failed"] == 1
    await audited.call("alerts retry", **urls)
    await audited.call("alerts drop", "--channel", "url-1", **urls)
    zoho.edit_one("create")
    assert (await audited.program.run("sync", "--org", "one")).code == 0
    zoho.edit_one("delete", next(iter(zoho.orgs[0].cadences)))
    await audited.call("reject", await audited.held())


@pytest.mark.parametrize("how", ["dry run", "nothing"])
async def test_what_changes_nothing_enters_nothing(agency: Program, how: str) -> None:
    audited = Audited(agency)
    put(agency, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    assert (await agency.run("sync")).code == 0
    before = await audited.entries()
    commands = {
        "dry run": ("sync --dry-run --allow-mass-delete", "prune --dry-run", "redact-person 1 --dry-run"),
        "nothing": ("sync", "prune", "migrate", "redact-person 1", "org pause nobody", "redact-person --operator x"),
    }
    for command in commands[how]:
        await agency.run(*command.split())
    assert await audited.entries() == before


async def test_a_claimed_name_is_told_from_the_users_own(agency: Program, around: Any) -> None:
    audited = Audited(agency)
    around(LOGNAME="eve", USER="eve")
    put(agency, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    (entry,) = await audited.entries()
    assert entry["done_by"] == f"{getpass.getuser()} (as eve)"


async def test_the_export_is_json_alone_in_the_order_of_entry(agency: Program) -> None:
    put(agency, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    assert (await agency.run("org", "pause", "one")).code == 0
    assert (await agency.run("org", "resume", "one")).code == 0
    result = await agency.run("audit", "export", "--json")
    assert (result.code, [entry["action"] for entry in result.json]) == (0, ["org add", "org pause", "org resume"])
    assert list(result.json[0]) == [
        "action_id", "done_at", "source", "done_by", "action", "org_id", "run_id", "result", "details",
    ]  # fmt: skip
    lines = await agency.run("audit", "export", "--lines")
    assert [json.loads(line) for line in lines.out.splitlines()] == result.json
    since = await agency.run("audit", "export", "--json", "--since", result.json[1]["done_at"])
    assert since.json == result.json[1:]
    assert (await agency.run("audit", "export", "--json", "--org", "two")).json == []
    table = await agency.run("audit", "export")
    assert [line.split("\t")[4] for line in table.out.splitlines()] == ["action", "org add", "org pause", "org resume"]
    for wrong in (["--since", "yesterday"], ["--json", "--lines"]):
        assert (await agency.run("audit", "export", *wrong)).code == 2


async def test_an_operators_name_is_reported_and_erased(agency: Program, around: Any) -> None:
    audited = Audited(agency)
    put(agency, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    around(LOGNAME="ana@x.io")
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    assert (await agency.run("redact-person", "--operator", "ana@x.io")).code == 2  # her own name
    around()
    report = await agency.run("redact-person", "--operator", "ana@x.io", "--dry-run", "--json")
    assert (report.code, report.json["counts"]["audit_log.done_by"]) == (0, 1)
    done = await agency.run("redact-person", "--operator", "ana@x.io", "--json")
    assert (done.code, done.json["counts"]["audit_log"]) == (0, 1)
    first, last = await audited.entries()
    assert (first["done_by"], last["action"]) == (f"{getpass.getuser()} (as redacted)", "redact-person --operator")
    assert (await agency.run("redact-person", "--operator", "ana@x.io")).code == 1
    words = [["--operator", word] for word in ("token", "loopback", "unknown", "viewer", "reviewer")]
    for wrong in ([], ["1", "--operator", "x"], ["--operator", "x", "--org", "one"], *words):
        assert (await agency.run("redact-person", *wrong)).code == 2


async def test_what_is_held_of_a_user_is_reported_by_column(agency: Program, agencys_zoho: Simulator) -> None:
    put(agency, "orgs.csv", f"org_id,refresh_token\none,{credentials(0).refresh_token}")
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    assert (await agency.run("sync")).code == 0
    user = next(iter(agencys_zoho.orgs[0].cadences.values())).created_by
    (report,) = (await agency.run("redact-person", user.id, "--dry-run", "--json")).json
    assert report["dry_run"]
    assert report["counts"]["cadence_versions"] == report["ids"]["cadence_versions.document"] > 0
    (done,) = (await agency.run("redact-person", user.id, "--json")).json
    assert done["counts"] == report["counts"]
    (again,) = (await agency.run("redact-person", user.id, "--dry-run", "--json")).json
    assert (set(again["counts"].values()), again["ids"]) == ({0}, report["ids"])
