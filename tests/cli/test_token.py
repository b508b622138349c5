"""`token create`, `token list` and `token revoke`."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from cadence_sync.cli.commands.token import parse_expiry
from cadence_sync.errors import ArgumentError
from tests.cli.conftest import Program
from tests.support.invariants import rows

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


async def test_a_token_is_created_listed_and_revoked(program: Program) -> None:
    assert (await program.run("sync")).code == 0
    created = await program.run("token", "create", "grafana", "--role", "viewer")
    assert (created.code, re.fullmatch(r"cs_[\w-]{43}\n", created.out) is not None) == (0, True)
    secret = created.out.strip()
    assert secret not in created.err
    arguments = ("--role", "reviewer", "--org", "default", "--expires", "never", "--json")
    second = (await program.run("token", "create", "maria", *arguments)).json
    assert second["secret"].startswith("cs_")
    assert (second["name"], second["role"], second["orgs"]) == ("maria", "reviewer", ["default"])
    assert (second["expires_at"], second["status"]) == (None, "active")
    listed = await program.run("token", "list", "--json")
    assert [(row["name"], row["role"], row["orgs"], row["status"]) for row in listed.json] == [
        ("grafana", "viewer", None, "active"),
        ("maria", "reviewer", ["default"], "active"),
    ]
    began, ends = (datetime.fromisoformat(listed.json[0][name]) for name in ("created_at", "expires_at"))
    assert timedelta(days=364, hours=23) < ends - began < timedelta(days=365, hours=1)
    table = await program.run("token", "list")
    assert table.out.splitlines()[0].split("\t")[:4] == ["name", "status", "role", "orgs"]
    for output in (listed, table):
        assert secret not in output.out
        assert second["secret"] not in output.out
        assert "digest" not in output.out
    revoked = await program.run("token", "revoke", "grafana", "--json")
    assert (revoked.code, revoked.json["name"], revoked.json["revoked_at"] is not None) == (0, "grafana", True)
    assert [row["name"] for row in (await program.run("token", "list", "--json")).json] == ["maria"]
    every = (await program.run("token", "list", "--all", "--json")).json
    assert [(row["name"], row["status"]) for row in every] == [("grafana", "revoked"), ("maria", "active")]
    url = program.settings["DATABASE_URL"]
    assert url is not None
    logged = await rows(url, "SELECT action FROM cadence_sync.audit_log ORDER BY action_id")
    assert [row["action"] for row in logged] == ["token create", "token create", "token revoke"]


async def test_what_cannot_be_a_token_is_refused_with_its_exit_code(program: Program) -> None:
    assert (await program.run("sync")).code == 0
    assert (await program.run("token", "create", "ci", "--role", "viewer")).code == 0
    for arguments, code in (
        (("create", "ci", "--role", "viewer"), 2),
        (("create", "x", "--role", "admin"), 2),
        (("create", "x"), 2),
        (("create", "a b", "--role", "viewer"), 2),
        (("create", "", "--role", "viewer"), 2),
        (("create", "token", "--role", "viewer"), 2),
        (("create", "x", "--role", "viewer", "--org", "defualt"), 2),
        (("create", "x", "--role", "viewer", "--expires", "soon"), 2),
        (("create", "x", "--role", "viewer", "--expires", "2020-01-01"), 2),
        (("revoke", "nobody"), 1),
    ):
        result = await program.run("token", *arguments)
        assert (result.code, result.out) == (code, ""), (arguments, result.err)
    assert [row["name"] for row in (await program.run("token", "list", "--all", "--json")).json] == ["ci"]


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2027-03-01", datetime(2027, 3, 2, tzinfo=UTC)),
        ("2027-03-31", datetime(2027, 4, 1, tzinfo=UTC)),
        ("never", None),
    ],
)
def test_when_a_token_ends(written: str, ends: datetime | None) -> None:
    assert parse_expiry(written, NOW) == ends


@pytest.mark.parametrize(
    "written", ["", "90", "0d", "soon", "2027-02-28", "2027-02-30", "9999-12-31", "9999999999d", "-1d", "Never"]
)
def test_what_is_no_end_of_a_token(written: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        parse_expiry(written, NOW)
    assert refused.value.code == "BAD_TIME"
