"""What README and docs show is what the program does."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer import Context

from cadence_sync.cli.commands import COMMANDS, GROUPS
from cadence_sync.config.settings import Settings
from cadence_sync.db.tables import metadata
from tests.support import cli
from tests.support.lab import Lab
from tests.support.program import LOADED
from tests.support.records import record

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG"))]
COOKBOOK = ROOT / "docs/how-to/cookbook.md"
"""Its queries have a history of their own: `tests/reporting/test_cookbook.py`."""
NO_SETTINGS = {
    "TEST_DATABASE_URL",
    "DEBUG",
    *(f"ORG_{name}" for name in ("CLIENT_SECRET", "REFRESH_TOKEN", "GRANT_CODE")),
}
VOLATILE = re.compile(r"\d{4}-\d{2}-\d{2}|That took \d+ s")


def blocks(markdown: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", markdown, re.DOTALL)


@pytest.mark.process
async def test_the_demo_prints_what_the_readme_says(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks(README, "console") if "make demo" in block]
    result = await cli.run("demo", cwd=tmp_path)
    printed = [VOLATILE.sub("#", line) for line in result.out.splitlines()]
    for line in shown.splitlines()[1:]:
        assert line == "..." or VOLATILE.sub("#", line) in printed


def sql_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{page.relative_to(ROOT)} {number}")
        for page in PAGES
        if page != COOKBOOK
        for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "sql"), 1)
    ]


@pytest.mark.parametrize("statement", sql_blocks())
async def test_the_sql_of_the_docs_runs(lab: Lab, statement: str) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", name="Second"), record("2"))
    async with lab.engine.connect() as connection:
        for one in filter(str.strip, statement.split(";")):
            await connection.execute(text(one.replace(":", r"\:")))


def test_the_tests_that_pages_name_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(tests/[\w/.]+)`", page.read_text(encoding="utf-8"))}
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_the_settings_and_commands_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    settings = {name.removesuffix("_FILE") for name in re.findall(r"\bCADENCE_SYNC_([A-Z_]+[A-Z])\b", text)}
    assert settings - {name.upper() for name in Settings.model_fields} - NO_SETTINGS == set()
    named = set(re.findall(r"(?:`|^ *\$ )cadence-sync ([a-z][a-z-]+)\b", text, re.MULTILINE))
    assert named - {*COMMANDS, *GROUPS} == set()


def test_every_command_and_option_of_organizations_is_documented() -> None:
    page = (ROOT / "docs/how-to/many-organizations.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert not name.startswith("org ") or re.search(rf"\b{name}\b", page), name
    add = LOADED["org add"]
    options = re.findall(r"--[a-z-]+", add.get_help(Context(add)))
    assert sorted({option for option in options if option not in page} - {"--help"}) == []


def test_every_table_and_column_is_documented() -> None:
    reference = (ROOT / "docs/reference/tables.md").read_text(encoding="utf-8")
    for table in metadata.tables.values():
        section = reference.partition(f"## {table.name}\n")[2].partition("\n## ")[0]
        assert section, table.name
        missing = [column.name for column in table.columns if f"`{column.name}`" not in section]
        assert missing == [], table.name


def test_every_table_is_sharded_after_those_that_it_refers_to() -> None:
    page = (ROOT / "docs/explanation/scale.md").read_text(encoding="utf-8")
    calls = re.findall(r"create_(?:distributed|reference)_table\('(\w+\.\w+)'", page)
    assert sorted(calls) == sorted(metadata.tables)
    for place, name in enumerate(calls):
        foreign = {key.column.table.fullname for key in metadata.tables[name].foreign_keys}
        assert foreign <= set(calls[: place + 1]), name


async def test_the_reporting_reference_says_what_the_comments_say(lab: Lab) -> None:
    reference = (ROOT / "docs/reference/reporting.md").read_text(encoding="utf-8")
    columns = await lab.rows("""
        SELECT c.relname AS view, obj_description(c.oid) AS comment, a.attname AS name,
               format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS meaning
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND c.relkind = 'v' ORDER BY c.relname, a.attnum
    """)
    for view in {column["view"] for column in columns}:
        section = reference.partition(f"### {view}\n\n")[2].partition("\n### ")[0]
        mine = [column for column in columns if column["view"] == view]
        assert section.startswith(mine[0]["comment"])
        types = [column["type"].replace("timestamp with time zone", "timestamptz") for column in mine]
        assert [line for line in section.splitlines() if line.startswith("| `")] == [
            f"| `{c['name']}` | {kind} | {c['meaning']} |" for c, kind in zip(mine, types, strict=True)
        ]


def test_every_error_code_is_documented() -> None:
    reference = (ROOT / "docs/reference/exit-codes-and-errors.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "cadence_sync").rglob("*.py"))
    raised = set(re.findall(r'(?:[ (]code=|default_code = |Problem\(\s*)"([A-Z_]+)"', code))
    assert len(raised) > 20
    assert sorted(word for word in raised if f"`{word}`" not in reference) == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_tests_that_are_named_for_a_guarantee_are_there() -> None:
    named = re.findall(r"`(tests/[a-z_/]+\.py)`", (ROOT / "docs/explanation/guarantees.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).is_file()] == []
