"""Over histories that chance writes: git, export and blame agree with the tables and with simpler accounts."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cadence_sync.core.canonical import canonical_value, from_document
from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.cli.conftest import Program
from tests.cli.test_export_git import exported, git, same, tree
from tests.support.lab import Lab
from tests.support.records import record

FREE = SyncOptions(allow_mass_delete=True, allow_other_org=True)
COUNTS = {f"{kind}_follow_up_count": 1 for kind in ("email", "task", "call", "whatsapp")}
RULES = [{"id": "1", "type": "end_date", "details": {"end_date": "2027-01-01"}}, {"id": "2", "type": "x"}]
CADENCES = ("1", "2", "3", "4")
PEOPLE = [{"name": name, "id": f"{number}"} for number, name in enumerate(("Ann", "", "<Ben>\n"))]


def edit(chance: random.Random, held: dict[str, Any], at: datetime) -> None:
    """Change something of a record, as Zoho would: with a new time and editor, or as it happens without."""
    details = held["execution_details"] or record()["execution_details"]
    rules: list[Any] = [*RULES[:1], RULES, RULES[::-1], {"type": "x", "end_date": ""}]
    changes: list[dict[str, Any]] = [
        {"name": chance.choice(["A", "B\n", "C: - #"])},
        {"status": chance.choice(["active", "inactive", "draft"]), "active": chance.random() < 0.5},
        {"summary": chance.choice([None, COUNTS, COUNTS | {"email_follow_up_count": 5}])},
        {"execution_details": chance.choice([None, details | {"unenroll_properties": chance.choice(rules[1:])}])},
        {"description": chance.choice(["", "text"])},
        {},
    ]
    held |= chance.choice(changes)
    if chance.random() < 0.7:
        held["modified_time"] = (at - timedelta(seconds=chance.choice([5, 20, 50, 4000]))).isoformat()
        held["modified_by"] = chance.choice(PEOPLE)


async def chance_history(lab: Lab, chance: random.Random, orgs: list[Org]) -> None:
    records = {
        (org.org_id, i): record(i, description="", summary=COUNTS, custom_view=None) for org in orgs for i in CADENCES
    }
    there = dict.fromkeys(records, True)
    for _ in range(10):
        for org in orgs:
            at = lab.clock.time + timedelta(minutes=1)  # `sync` moves the clock before it begins
            keys = [key for key in records if key[0] == org.org_id]
            for key in keys:
                there[key] ^= chance.random() < 0.3
                if chance.random() < 0.6:
                    edit(chance, records[key], at)
            await lab.sync(*(records[key] for key in keys if there[key]), org=org, permits=FREE)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_git_export_and_blame_agree_with_the_tables(lab: Lab, program: Program, seed: int) -> None:
    orgs = [Org("one", "us"), Org("two/2", "eu")]
    chance = random.Random(seed)  # noqa: S311 - it shall repeat itself
    await chance_history(lab, chance, orgs)
    assert (await program.run("export", "--git", "out")).code == 0
    folder = program.cwd / "out"
    git(folder, "fsck", "--strict")
    assert git(folder, "status", "--porcelain") == ""
    newest: dict[int, str] = {}  # of each second
    for commit, seconds in (line.split() for line in git(folder, "log", "--format=%H %at").splitlines()):
        newest.setdefault(int(seconds), commit)
    assert len(newest) > 15
    assert sorted(newest, reverse=True) == list(newest)
    assert same(tree(folder, "HEAD"), await exported(program))
    for second, commit in chance.sample(sorted(newest.items()), 6):
        at = datetime.fromtimestamp(second, UTC).replace(microsecond=999_999)
        assert same(tree(folder, commit), await exported(program, "--at", at.isoformat()))
    await check_blame(lab, program)


async def check_blame(lab: Lab, program: Program) -> None:
    found = await lab.rows("SELECT org_id, cadence_id FROM cadence_sync.cadences WHERE org_id = 'one'")
    assert len(found) == len(CADENCES)
    for key in found:
        versions = (await program.run("history", key["cadence_id"], "--org", "one", "--json")).json
        documents = [from_document(version["document"]) for version in versions]
        answer = (await program.run("blame", key["cadence_id"], "--org", "one", "--json")).json
        for line in answer["fields"]:
            path = line["field"]
            values = [canonical_value(document.get(path)) for document in documents]
            changed = [number for number in range(1, len(values)) if values[number] != values[number - 1]]
            origin = versions[changed[-1] if changed else 0]
            assert line["value"] == documents[-1][path]
            assert (line["version"], line["since"], line["run_id"], line["kind"]) == (
                *(origin["version"], origin["valid_from"], origin["run_id"], origin["kind"]),
            )
            assert {line["changed_by_id"]} == ({c["changed_by_id"] for c in origin["changes"]} or {None})
