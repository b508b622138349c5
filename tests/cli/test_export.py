"""`export` of the state at a time: three forms that say the same, in one order, whole or not at all."""

import csv
import io
import json
import os
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from cadence_sync.cli.commands.export import _write_whole
from cadence_sync.errors import ArgumentError
from cadence_sync.export.state import COLUMNS, render_csv, render_yaml
from cadence_sync.ports import Org
from tests.cli.conftest import Program
from tests.support.lab import Lab
from tests.support.records import record

RULES = [{"id": "5", "type": "end_date", "details": {"end_date": "2027-01-01"}}, {"id": "6", "type": "respond_email"}]
NAME = '=1+1, "quoted"\r\nsecond line\x85\u2028 Île 日本 \U0001f600 \x1b[2J'


async def two_organizations(lab: Lab) -> datetime:
    """Sync twice and return the time of the first."""
    with_rules = record("10", name=NAME) | {
        "execution_details": record()["execution_details"] | {"unenroll_properties": RULES}
    }
    await lab.sync(record("9", name="b"), with_rules, record("1", name="B", summary=None), org=Org("zeta", "us"))
    first = lab.clock.time
    await lab.sync(record("2"), org=Org("alpha", "us"))
    await lab.sync(record("9", name="c"), with_rules, record("1", name="B", summary=None), org=Org("zeta", "us"))
    return first


async def test_the_three_forms_say_the_same(lab: Lab, program: Program) -> None:
    await two_organizations(lab)
    result = await program.run("export", "--json")
    rows = result.json
    assert (result.code, result.err) == (0, "")
    ids = [(row["org_id"], row["cadence_id"]) for row in rows]
    assert ids == [("alpha", "2"), ("zeta", "10"), ("zeta", "1"), ("zeta", "9")]
    assert [list(row) for row in rows] == [list(COLUMNS)] * 4
    assert (rows[1]["name"], rows[1]["unenroll_properties"]) == (NAME, RULES)
    assert rows[1]["unenroll_type"] == "multiple"
    assert (rows[3]["created_time"], rows[3]["version"]) == ("2024-07-18T03:38:22+00:00", 2)
    assert (await program.run("export")).out == result.out
    in_yaml = await program.run("export", "--format", "yaml")
    assert yaml.safe_load(in_yaml.out) == rows
    process = await program.start("export", "--format", "csv", "--raw", LANG="C")
    out, _ = await process.communicate()
    header, *lines = csv.reader(io.StringIO(out.decode(), newline=""))
    assert header == list(COLUMNS)
    assert [line[2] for line in lines] == [row["name"] for row in rows]
    assert [json.loads(line[COLUMNS.index("unenroll_properties")]) for line in lines][1] == RULES
    assert {line[COLUMNS.index("active")] for line in lines} == {"true"}
    assert lines[2][COLUMNS.index("email_follow_up_count")] == ""
    assert out.count(b"\r\n") == 5 + 1


async def test_a_spreadsheet_gets_no_formula_and_a_program_gets_values_as_stored(lab: Lab, program: Program) -> None:
    name = "Q3;=cmd|' /C calc'!A0;"
    await lab.sync(record("1", name=name), record("2", summary={"email_follow_up_count": -7}))
    found = {}
    for option in ([], ["--raw"]):
        result = await program.run("export", "--format", "csv", *option)
        assert result.code == 0
        found[bool(option)] = list(csv.DictReader(io.StringIO(result.out, newline="")))
    assert [row["name"] for row in found[True]] == [name, "Welcome"]
    assert [row["name"] for row in found[False]] == ["Q3;'=cmd|' /C calc'!A0;", "Welcome"]
    assert [row["email_follow_up_count"] for row in found[False]][1] == "-7"
    for others in (["--format", "yaml"], ["--json"], ["--git", "x"], []):
        assert (await program.run("export", "--raw", *others)).code == 2


HIDDEN = "a\x1b[2J\x07\x7f\x85\x9b31m\u202egnp.exe\u2066\u2028\u0627 Île \U0001f600"
ALLOWED = {"\t", "\n", "\r"}


async def test_a_terminal_gets_no_character_that_it_would_obey(lab: Lab, program: Program) -> None:
    await lab.sync(record("1", name=HIDDEN))
    first = lab.clock.time.isoformat()
    await lab.sync(record("1", name=f"{HIDDEN}!"))
    commands = [
        ["export"],
        ["export", "--format", "yaml"],
        ["export", "--format", "csv"],
        ["export", "--format", "csv", "--raw"],
        *(["list", "--json"], ["show", "1", "--json"], ["history", "1", "--json"], ["blame", "1", "--json"]),
        ["diff", "--from", first, "--to", "now", "--json"],
    ]
    for command in commands:
        shown = "\n".join(await program.on_a_terminal(*command))
        assert "gnp.exe" in shown, command
        assert [char for char in shown if not char.isprintable() and char not in ALLOWED] == [], command
        if "csv" not in command:
            assert shown.isascii(), command
    piped = await program.run("list", "--json")
    assert (piped.json[0]["name"], "Île" in piped.out) == (f"{HIDDEN}!", True)


async def test_the_state_at_a_time(lab: Lab, program: Program) -> None:
    first = await two_organizations(lab)
    result = await program.run("export", "--at", first.isoformat())
    assert [row["name"] for row in result.json] == [NAME, "B", "b"]
    assert "'alpha' is watched since" in result.err
    one = await program.run("export", "--at", first.isoformat(), "--org", "zeta")
    assert (one.out, one.err) == (result.out, "")
    early = await program.run("export", "--at", "2020-01-01T00:00Z", "--format", "csv")
    assert (early.code, early.out) == (0, ",".join(f'"{name}"' for name in COLUMNS) + "\r\n")
    assert early.err.count("Note: ") == 2


async def test_the_two_axes(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    reported = lab.clock.time.replace(second=30).isoformat()
    await lab.sync(record("1", name="New", modified_time=reported))
    for axis, name in (("valid", "New"), ("observed", "Welcome")):
        (row,) = (await program.run("export", "--at", reported, "--axis", axis)).json
        assert row["name"] == name


async def test_a_file_is_written_whole_or_not_at_all(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    file = program.cwd / "state.json"
    file.write_text("before")
    assert (await program.run("export", "--output", "state.json", "--at", "2026-03-01")).code == 2
    assert file.read_text() == "before"
    result = await program.run("export", "--output", "state.json")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert [row["cadence_id"] for row in json.loads(file.read_text())] == ["1"]
    assert [path.name for path in program.cwd.iterdir()] == ["state.json"]


def test_a_file_that_it_did_not_make_stays(tmp_path: Path) -> None:
    other = tmp_path / f".state.json.{os.getpid()}.part"
    other.write_bytes(b"of another program")
    with pytest.raises(ArgumentError):
        _write_whole(tmp_path / "state.json", b"[]")
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(other, b"of another program")]


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
@pytest.mark.parametrize("mode", [None, 0o600, 0o640, 0o644])
def test_a_file_keeps_its_mode_and_a_new_one_is_for_its_owner_alone(
    tmp_path: Path, mode: int | None, umask: int
) -> None:
    file = tmp_path / "state.json"
    if mode is not None:
        file.touch()
        file.chmod(mode)
    before = os.umask(umask)
    try:
        _write_whole(file, b"new")
    finally:
        os.umask(before)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", mode or 0o600)
    assert list(tmp_path.iterdir()) == [file]


async def test_a_dash_is_standard_output(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    assert [row["cadence_id"] for row in (await program.run("export", "--output", "-")).json] == ["1"]
    assert list(program.cwd.iterdir()) == []


async def test_a_device_stays_one(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    pipe = program.cwd / "pipe"
    pipe.symlink_to("/dev/stdout")
    result = await program.run("export", "--output", "pipe")
    assert [row["cadence_id"] for row in result.json] == ["1"]
    assert pipe.is_symlink()


def test_every_character_survives_yaml_and_csv(tmp_path: Path) -> None:
    texts = [chr(code) for code in range(1, 0x3000) if not 0xD800 <= code < 0xE000]
    texts += ["\ufeff", "\ufffe", "\U0010ffff", "yes", "null", "1", "2026-01-01", "~", "- a", "a: b", " x ", "#", "%"]
    assert yaml.safe_load(render_yaml(texts)) == texts
    # A BOM or a control character at the beginning of a file must not be taken for something else.
    file = tmp_path / "x.csv"
    file.write_bytes(render_csv([dict.fromkeys(COLUMNS, text) for text in texts], raw=True).encode())
    with file.open(newline="", encoding="utf-8") as lines:
        assert [row["name"] for row in csv.DictReader(lines)] == texts


@pytest.mark.parametrize("value", [True, 1, None, "true", [{"a": None}]])
def test_yaml_knows_what_is_text(value: object) -> None:
    assert yaml.safe_load(render_yaml({"x": value, "y": value})) == {"x": value, "y": value}
    assert "&" not in render_yaml({"x": value, "y": value})
