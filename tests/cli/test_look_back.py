"""`diff`, `blame` and `history` as they are installed, over histories that the test writes."""

import pytest

from cadence_sync.cli.commands.history import render_timeline
from cadence_sync.db.queries import history
from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.cli.conftest import Program
from tests.support.lab import Lab
from tests.support.records import record, without

ANN = {"name": "Ann <b>", "id": "7"}
FREE = SyncOptions(allow_mass_delete=True, allow_other_org=True)


def edited(lab: Lab, cadence_id: str, **changes: object) -> dict[str, object]:
    """Return a record that Ann edited half a minute before the next sync."""
    at = lab.clock.time.replace(second=30)
    return record(cadence_id, modified_time=at.isoformat(), modified_by=ANN, **changes)


async def test_diff_of_two_times(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"), record("2", name="Leaves"))
    start = lab.clock.time.isoformat()
    changed = edited(lab, "1", name="New\nname", active=False)
    await lab.sync(changed, record("3", name="Arrives"), permits=FREE)
    result = await program.run("diff", "--from", start, "--org", "default")
    assert (result.code, result.err) == (0, "")
    blocks = result.out.splitlines()
    assert blocks[0] == "Arrives (3) created"
    assert blocks[1] == "Leaves (2) deleted"
    assert blocks[2] == "New�name (1) updated"
    assert "  active: true → false" in blocks
    assert "  name: Welcome → New�name" in blocks
    answer = (await program.run("diff", "--from", start, "--to", "now", "--json")).json
    assert [(row["cadence_id"], row["kind"]) for row in answer] == [
        ("3", "created"),
        ("2", "deleted"),
        ("1", "updated"),
    ]
    assert answer[0]["changes"] == []
    assert {"field": "name", "old_value": "Welcome", "new_value": "New\nname"} in answer[2]["changes"]
    same = await program.run("diff", "--from", start, "--to", start)
    assert (same.code, same.out, same.err) == (0, "", "Note: Nothing differs.\n")
    seen = await program.run("diff", "--from", start, "--to", lab.clock.time.isoformat(), "--axis", "observed")
    assert "default: Arrives (3) created" in seen.out
    between = lab.clock.time.replace(minute=lab.clock.time.minute - 1, second=45).isoformat()
    for axis, ids in (("valid", ["1"]), ("observed", [])):
        rows = (await program.run("diff", "--from", start, "--to", between, "--axis", axis, "--json")).json
        assert [row["cadence_id"] for row in rows] == ids, axis


async def test_diff_from_before_the_first_sync_says_since_when_it_is_watched(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    result = await program.run("diff", "--from", "2020-01-01T00:00Z", "--json")
    assert (result.code, result.json) == (0, [])
    assert "'default' is watched since 2026-01-05 09:01:00 UTC" in result.err


async def test_diff_of_two_organizations(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"), record("2", name="Here"), org=Org("left", "us"))
    before = lab.clock.time.isoformat()
    await lab.sync(record("9", active=False), record("8", name="There"), org=Org("right", "eu"))
    result = await program.run("diff", "--from-org", "left", "--to-org", "right")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "Here (2) only in left",
        "There (8) only in right",
        "Welcome (1 | 9) differs",
        "  active: true → false",
    ]
    answer = (await program.run("diff", "--from-org", "left", "--to-org", "right", "--json")).json
    assert [row["difference"] for row in answer] == ["only left", "only right", "differs"]
    early = await program.run("diff", "--from-org", "left", "--to-org", "right", "--at", before)
    assert (early.code, early.out) == (0, "")
    assert "'right' is watched since" in early.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff"], "two times, or two organizations"),
        (["diff", "--from-org", "default"], "go together"),
        (["diff", "--from-org", "default", "--to-org", "default", "--from", "now"], "go together"),
        (["diff", "--from", "now", "--at", "now"], "two times, or two organizations"),
        (["diff", "--from", "2026-03-01"], "no time zone"),
        (["diff", "--from", "2999-01-01T00:00Z"], "future"),
        (["diff", "--from", "now", "--to", "2026-01-05T09:00Z"], "lies after"),
        (["diff", "--from", "now", "--org", "nobody"], "no organization 'nobody'"),
        (["diff", "--from-org", "default", "--to-org", "nobody"], "no organization 'nobody'"),
        (["export", "--org", "nobody"], "no organization 'nobody'"),
        (["export", "--org", "nobody", "--git", "somewhere"], "no organization 'nobody'"),
        (["export", "--at", "2026-03-01T09:00"], "no time zone"),
        (["export", "--json", "--format", "csv"], "contradict"),
        (["export", "--git", "somewhere", "--at", "2026-03-01T09:00Z"], "--git replays the whole history"),
        (["export", "--output", "missing/file.json"], "cannot be written"),
        (["export", "--output", "."], "cannot be written"),
        (["export", "--output", ""], "--output has no name"),
        (["export", "--git", ""], "--git has no name"),
        (["list", "--org", "nobody"], "no organization 'nobody'"),
    ],
)
async def test_arguments_that_make_no_sense(lab: Lab, program: Program, arguments: list[str], words: str) -> None:
    await lab.sync(record("1"))
    result = await program.run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: ")
    assert len(result.err.splitlines()) == 2
    assert "Hint: " in result.err
    assert words in result.err
    assert list(program.cwd.iterdir()) == []


async def test_a_time_that_is_shown_can_be_asked_for(lab: Lab, program: Program) -> None:
    """Times are shown in whole seconds: the beginning of watching in the first that does not lie before it."""
    lab.clock.move(microseconds=1)
    await lab.sync(record("1"))
    early = await program.run("export", "--at", "2026-01-05T09:01:00Z")
    assert (
        early.err
        == "Note: The organization 'default' is watched since 2026-01-05 09:01:01 UTC: nothing is known before.\n"
    )
    shown = await program.run("export", "--at", "2026-01-05T09:01:01Z")
    assert ([row["cadence_id"] for row in shown.json], shown.err) == (["1"], "")
    assert "at least 2026-01-05 09:01:01" in (await program.run("blame", "1")).out


async def test_nothing_is_stored_yet(program: Program) -> None:
    for arguments in (["diff", "--from", "2026-03-01T09:00Z", "--json"], ["export"]):
        result = await program.run(*arguments)
        assert (result.code, result.json) == (0, [])
        assert "No organization has been synced yet" in result.err


async def test_a_cadence_that_was_never_seen(program: Program) -> None:
    result = await program.run("blame", "404", "--json")
    assert (result.code, result.out) == (1, "")
    assert "There is no cadence '404'." in result.err
    result = await program.run("blame", "404", "--org", "nobody")
    assert (result.code, "no cadence '404' in the organization 'nobody'" in result.err) == (1, True)
    for arguments in (["\udcff"], ["404", "--org", "\udcff"]):  # a byte that is no UTF-8
        result = await program.run("blame", *arguments)
        assert (result.code, "There is no cadence" in result.err) == (1, True)


async def test_blame(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    changed = edited(lab, "1", name="New")
    await lab.sync(changed)
    await lab.sync(changed | {"description": "Text"})
    answer = (await program.run("blame", "1", "--json")).json
    assert (answer["name"], answer["deleted_at"]) == ("New", None)
    lines = {line["field"]: line for line in answer["fields"]}
    assert lines["name"] == {
        "field": "name", "value": "New", "kind": "updated", "since": "2026-01-05T09:01:30+00:00", "version": 2,
        "run_id": 2, "changed_by_id": "7", "changed_by_name": "Ann <b>",
    }  # fmt: skip
    assert lines["status"] == {
        "field": "status", "value": "active", "kind": "baseline", "since": "2026-01-05T09:01:00+00:00", "version": 1,
        "run_id": 1, "changed_by_id": None, "changed_by_name": None,
    }  # fmt: skip
    assert lines["description"] == {
        "field": "description", "value": "Text", "kind": "discovered", "since": "2026-01-05T09:03:00+00:00",
        "version": 2, "run_id": 3, "changed_by_id": None, "changed_by_name": None,
    }  # fmt: skip
    assert "summary.email_follow_up_count" in lines
    text = (await program.run("blame", "1")).out.splitlines()
    assert text[0].split("\t") == ["field", "value", "since", "kind", "by", "version", "run"]
    assert "name\tNew\t2026-01-05 09:01:30\tupdated\tAnn <b>\t2\t2" in text
    assert "status\tactive\tat least 2026-01-05 09:01:00\tbaseline\t-\t1\t1" in text
    assert "description\tText\tat least 2026-01-05 09:03:00\tdiscovered\t-\t2\t3" in text


async def test_blame_of_what_was_deleted_and_of_what_came_back(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"), record("2"))
    await lab.sync(record("2"))
    gone = await program.run("blame", "1")
    assert gone.out.startswith("Deleted: since 2026-01-05 09:02:00 (run 2) it is no longer listed")
    answer = (await program.run("blame", "1", "--json")).json
    assert (answer["deleted_at"], answer["deleted_in_run"]) == ("2026-01-05T09:02:00+00:00", 2)
    await lab.sync(edited(lab, "1", name="Again"), record("2"))
    answer = (await program.run("blame", "1", "--json")).json
    assert answer["deleted_at"] is None
    lines = {line["field"]: (line["kind"], line["version"], line["changed_by_name"]) for line in answer["fields"]}
    assert lines["name"] == ("restored", 3, "Ann <b>")
    assert lines["status"] == ("baseline", 1, None)


async def versions_of(lab: Lab, cadence_id: str) -> list[dict[str, object]]:
    async with history.snapshot(lab.engine) as connection:
        return await history.load_versions(connection, "default", cadence_id)


async def test_a_time_line_tells_a_history_in_words(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"))
    await lab.sync(edited(lab, "1", name="New\nname", active=False), record("2"))
    lab.clock.move(days=1)
    await lab.sync(edited(lab, "1", name="New\nname", active=False), record("2"))
    await lab.sync(record("2"))
    await lab.sync(record("1", name="Back"), record("2"))
    assert list(render_timeline(await versions_of(lab, "1"))) == [
        "\n2026-01-05",
        "  09:01:00  v1   was there when watching began (run 1)",
        "  09:01:30  v2   changed by Ann <b> (run 2, seen 2026-01-05 09:02:00)",
        "                active: true → false",
        "                name: Welcome → New�name",
        "\n2026-01-06",
        "  09:02:30  v3   edited by Ann <b>, but in no field that the list shows (run 3, seen 2026-01-06 09:03:00)",
        "  09:04:00  v4   deleted (run 4)",
        "  09:05:00  v5   came back after it was deleted (run 5)",
        "                active: false → true",
        "                name: New�name → Back",
    ]


async def test_a_terminal_shows_the_time_line(lab: Lab, program: Program) -> None:
    await lab.sync(record("1", name="Wel\x1bcome"))
    assert await program.on_a_terminal("history", "1") == [
        "History of Wel�come (times in UTC)",
        "",
        "2026-01-05",
        "  09:01:00  v1   was there when watching began (run 1)",
        "",
    ]


async def test_a_terminal_shows_blame_line_by_line(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    changed = edited(lab, "1", name="New\x1b")
    await lab.sync(changed)
    await lab.sync(changed | {"description": "Text"})
    lines = await program.on_a_terminal("blame", "1")
    assert lines[:4] == [
        "Blame of New� (times in UTC)",
        "",
        "2026-01-05 09:01:30           updated     Ann <b>  v2 run 2  name: New�",
        "at least 2026-01-05 09:03:00  discovered  -        v2 run 3  description: Text",
    ]
    assert "at least 2026-01-05 09:01:00  baseline    -        v1 run 1  status: active" in lines


async def test_drafts_are_shown_for_what_they_are(lab: Lab) -> None:
    draft, parent = {"id": "3", "name": "Draft\n"}, {"id": "1", "name": "Welcome"}
    pending = record("1", draft_cadence=draft)
    await lab.sync(pending, record("2"), record("3", parent_cadence=parent))
    await lab.sync(edited(lab, "1", name="Merged", draft_cadence=None), record("2"))
    lines = list(render_timeline(await versions_of(lab, "1")))
    assert "                an unpublished draft of it is Draft� (3)" in lines
    assert lines[-1] == "                its draft Draft� (3) is no more: it was merged by publishing, or discarded"
    lines = list(render_timeline(await versions_of(lab, "3")))
    assert lines[2] == "                a draft of Welcome (1)"
    assert lines[-1] == "                a draft of Welcome (1): it was merged by publishing, or discarded"


async def test_history_for_programs_keeps_its_form(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    await lab.sync(without(record("1", name="New"), "summary"))
    rows = (await program.run("history", "1", "--json")).json
    assert [row["kind"] for row in rows] == ["baseline", "updated"]
    assert {"org_id", "cadence_id", "version", "kind", "valid_from", "valid_to", "observed_at", "document", "run_id",
            "source_modified_time", "changes"} <= rows[0].keys()  # fmt: skip
    text = (await program.run("history", "1")).out.splitlines()
    assert text[0].split("\t") == ["version", "from", "kind", "field", "before", "after", "by", "run"]
    assert text[2].split("\t")[3:] == ["name", "Welcome", "New", "-", "2"]


async def test_a_history_shows_what_became_known_between_its_versions(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    summary = record("1")["summary"] | {"whatsapp_follow_up_count": 4}
    await lab.sync(record("1", description="Text\n", active=True))
    await lab.sync(record("1", description="Text\n", summary=summary))
    await lab.sync(record("1", description="Text\n", summary=summary, name="New"))
    assert list(render_timeline(await versions_of(lab, "1")))[1:] == [
        "  09:01:00  v1   was there when watching began (run 1)",
        "  09:02:00       became known, not sent before (run 2)",
        "                description: Text�",
        "  09:03:00       became known, not sent before (run 3)",
        "                summary.whatsapp_follow_up_count: 4",
        "  09:04:00  v2   changed (run 4)",
        "                name: Welcome → New",
    ]
    text = (await program.run("history", "1")).out.splitlines()
    assert text[2].split("\t") == ["1", "2026-01-05 09:02:00", "discovered", "description", "-", "Text�", "-", "2"]
    (first, second) = (await program.run("history", "1", "--json")).json
    assert [(field["field"], field["run_id"]) for field in first["discovered"]] == [
        ("description", 2), ("summary.whatsapp_follow_up_count", 3)
    ]  # fmt: skip
    assert second["discovered"] == []
