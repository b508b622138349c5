"""The reporting layer follows its files: what changed is replaced, grants stay, users' objects are respected."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cadence_sync.db import revision
from cadence_sync.db.migrate import migrate
from cadence_sync.db.revision import check_migrated, load_reporting_layer, reporting_checksum
from cadence_sync.errors import DatabaseError
from tests.support.lab import Lab
from tests.support.records import record

DEFINITIONS = """
    SELECT c.relname AS name, pg_get_viewdef(c.oid) AS definition FROM pg_class AS c
    WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND c.relkind = 'v'
    UNION ALL
    SELECT p.oid::regprocedure::text, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) FROM pg_proc AS p
    WHERE p.pronamespace = 'cadence_reporting'::regnamespace
    ORDER BY 1
"""
MAY_READ = "SELECT has_table_privilege(:role, 'cadence_reporting.{}', 'SELECT') AS may"


class Files:
    """A copy of migrations/ that the test may change."""

    def __init__(self, folder: Path) -> None:
        self._reporting = folder / "reporting"

    def change(self, name: str, old: str, new: str) -> None:
        text = (self._reporting / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def write(self, name: str, text: str) -> None:
        (self._reporting / name).write_text(text, encoding="utf-8")
        reporting_checksum.cache_clear()

    def remove(self, name: str) -> None:
        (self._reporting / name).unlink()
        reporting_checksum.cache_clear()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    folder = tmp_path / "migrations"
    shutil.copytree(revision.migrations_folder(), folder)
    monkeypatch.setattr(revision, "migrations_folder", lambda: folder)
    reporting_checksum.cache_clear()
    yield Files(folder)
    reporting_checksum.cache_clear()


@pytest.fixture
async def role(lab: Lab) -> AsyncIterator[str]:
    """A role that was granted one view."""
    name = "viewer_of_" + (await lab.row("SELECT current_database() AS name"))["name"]
    await lab.execute(f"CREATE ROLE {name}", f"GRANT SELECT ON cadence_reporting.cadence_history TO {name}")
    yield name
    await lab.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


async def definitions(lab: Lab) -> dict[str, str]:
    return {row["name"]: row["definition"] for row in await lab.rows(DEFINITIONS)}


async def refused(lab: Lab, code: str) -> DatabaseError:
    """Migrate, which must be refused and change nothing."""
    before = await definitions(lab)
    with pytest.raises(DatabaseError) as caught:
        await migrate(lab.engine)
    assert (caught.value.code, caught.value.exit_code) == (code, 5)
    assert await definitions(lab) == before
    return caught.value


async def may_read(lab: Lab, role: str, view: str) -> Any:
    return (await lab.row(MAY_READ.format(view), role=role))["may"]


def test_each_object_follows_those_that_it_mentions_and_the_order_is_always_the_same() -> None:
    layer = load_reporting_layer()
    names = [each.name for each in layer.objects]
    assert names == [each.name for each in load_reporting_layer().objects]
    assert len(set(names)) == len(names) > 30
    for number, each in enumerate(layer.objects):
        assert not each.references() & set(names[number:]), each.name


def test_a_file_defines_what_its_name_says(files: Files) -> None:
    files.write("people.sql", "CREATE OR REPLACE VIEW cadence_reporting.persons AS SELECT 1 AS one")
    with pytest.raises(ValueError, match=r"people\.sql must begin with CREATE OR REPLACE and define"):
        load_reporting_layer()


async def test_every_comment_is_of_an_object(lab: Lab) -> None:
    layer = load_reporting_layer()
    assert sorted(layer.comments["views"]) == layer.views
    assert sorted(layer.comments["routines"]) == layer.routines
    rows = await lab.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'cadence_reporting'"
    )
    known = {row["column_name"] for row in rows} | {f"{row['table_name']}.{row['column_name']}" for row in rows}
    assert set(layer.comments["columns"]) <= known


async def test_a_body_that_changed_is_replaced_below_a_view_of_a_user(lab: Lab, files: Files, role: str) -> None:
    await lab.execute("CREATE VIEW public.mine AS SELECT name FROM cadence_reporting.stale_cadences")
    files.change("stale_cadences.sql", "interval '1 year'", "interval '2 years'")
    files.change("checked_axis.sql", "there is no time axis", "unknown axis")
    with pytest.raises(DatabaseError) as caught:
        async with lab.engine.connect() as connection:
            await check_migrated(connection)
    assert caught.value.code == "NOT_MIGRATED"
    await migrate(lab.engine)
    found = await definitions(lab)
    assert "2 years" in found["stale_cadences"]
    assert "unknown axis" in found["cadence_reporting.checked_axis(text)"]
    assert await may_read(lab, role, "cadence_history")
    assert await lab.rows("SELECT * FROM public.mine") == []
    async with lab.engine.connect() as connection:
        await check_migrated(connection)


async def test_a_view_with_other_columns_is_made_again_with_what_depends_on_it(
    lab: Lab, files: Files, role: str
) -> None:
    await lab.sync(record("1"))
    await lab.execute(
        f"GRANT SELECT (name) ON cadence_reporting.stale_cadences TO {role} WITH GRANT OPTION",
        "REVOKE EXECUTE ON FUNCTION cadence_reporting.interval_in_words FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION cadence_reporting.interval_in_words TO {role}",
        f"GRANT SELECT (name, type) ON cadence_reporting.current_cadences TO {role}",
    )
    grants = (
        "SELECT relname, attname, attacl::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE attacl IS NOT NULL ORDER BY 1, 2"
    )
    before = await lab.rows(grants)
    files.change("current_cadences.sql", "    c.name,\n    c.description,\n", "    c.description,\n    c.name,\n")
    files.change("interval_in_words.sql", "unit integer, period text", "amount integer, period text")
    files.change("interval_in_words.sql", "WHEN unit IS NULL", "WHEN amount IS NULL")
    files.change("interval_in_words.sql", "WHEN unit = 1", "WHEN amount = 1")
    files.change("interval_in_words.sql", "unit::text", "amount::text")
    await migrate(lab.engine)
    assert [(row["relname"], row["attname"]) for row in before if row["relname"] == "stale_cadences"]
    assert await lab.rows(grants) == before
    assert await may_read(lab, role, "cadence_history")
    assert await may_read(lab, role, "current_cadences")
    acl = "SELECT proacl::text AS acl FROM pg_proc WHERE proname = 'interval_in_words'"
    assert role in (await lab.row(acl))["acl"]
    assert "{=X" not in (await lab.row(acl))["acl"]
    comment = "SELECT obj_description('cadence_reporting.{}'::regclass) AS comment"
    for view in ("current_cadences", "stale_cadences", "steps_by_module"):
        assert (await lab.row(comment.format(view)))["comment"]
    assert len(await lab.rows("SELECT * FROM cadence_reporting.current_cadences")) == 1


async def test_what_a_user_built_on_a_view_that_changes_is_named(lab: Lab, files: Files) -> None:
    await lab.execute(
        "CREATE SCHEMA own",
        "CREATE VIEW own.first AS SELECT name FROM cadence_reporting.stale_cadences",
        "CREATE MATERIALIZED VIEW own.second AS SELECT * FROM own.first",
        "CREATE FUNCTION own.third() RETURNS SETOF cadence_reporting.stale_cadences LANGUAGE sql AS"
        " 'SELECT * FROM cadence_reporting.stale_cadences'",
        "CREATE VIEW cadence_reporting.fourth AS SELECT name FROM cadence_reporting.stale_cadences",
    )
    # The view that changes is another one: own.first depends on it by way of ours.
    files.change("current_cadences.sql", "    c.name,\n    c.description,\n", "    c.description,\n    c.name,\n")
    error = await refused(lab, "REPORTING_DEPENDENTS")
    for name in ("view own.first", "materialized view own.second", "function own.third()"):
        assert name in error.message
    assert "view cadence_reporting.fourth" in error.message
    assert "cadence_reporting.current_cadences" in error.message
    await lab.execute("DROP SCHEMA own CASCADE", "DROP VIEW cadence_reporting.fourth")
    await migrate(lab.engine)


async def test_a_function_with_other_arguments_takes_the_place_of_the_old_one(lab: Lab, files: Files) -> None:
    files.change("seen_by.sql", "at timestamptz, axis text)", "at timestamptz, axis text, unused text DEFAULT '')")
    await migrate(lab.engine)
    found = await lab.rows("SELECT oid::regprocedure::text AS name FROM pg_proc WHERE proname = 'seen_by'")
    assert [row["name"] for row in found] == ["cadence_reporting.seen_by(timestamp with time zone,text,text)"]
    assert await lab.rows("SELECT * FROM cadence_reporting.cadences_as_of(now())") == []


async def test_a_view_that_functions_use_is_made_again_with_them(lab: Lab, files: Files) -> None:
    """Functions depend on it by their bodies, and views on those functions."""
    before = await definitions(lab)
    files.change("stored_versions.sql", "    v.kind,\n    v.valid_from,\n", "    v.valid_from,\n    v.kind,\n")
    await migrate(lab.engine)
    after = await definitions(lab)
    assert after.keys() == before.keys()
    assert after["stored_versions"] != before["stored_versions"]
    assert await lab.rows("SELECT * FROM cadence_reporting.cadences_as_of(now())") == []
    await lab.execute(
        "CREATE FUNCTION public.mine() RETURNS bigint LANGUAGE sql"
        " RETURN (SELECT count(*) FROM cadence_reporting.cadences_as_of(now()))"
    )
    files.change("stored_versions.sql", "    v.valid_from,\n    v.kind,\n", "    v.kind,\n    v.valid_from,\n")
    error = await refused(lab, "REPORTING_DEPENDENTS")
    assert "function public.mine()" in error.message


async def test_objects_without_files_are_dropped_though_they_use_each_other(lab: Lab, files: Files) -> None:
    files.remove("compare_orgs.sql")
    files.write(
        "fresh.sql",
        "CREATE OR REPLACE FUNCTION cadence_reporting.fresh() RETURNS bigint LANGUAGE sql"
        " RETURN (SELECT count(*) FROM cadence_reporting.stored)",
    )
    files.write("stored.sql", "CREATE OR REPLACE VIEW cadence_reporting.stored AS SELECT 1 AS version")
    files.change("comments.toml", "compare_orgs = ", "fresh = ")
    files.change("comments.toml", "stored_versions = ", 'stored = "One."\nstored_versions = ')
    await migrate(lab.engine)
    assert (await lab.row("SELECT cadence_reporting.fresh() AS n"))["n"] == 1
    files.remove("fresh.sql")
    files.remove("stored.sql")
    await migrate(lab.engine)
    assert not {"cadence_reporting.fresh()", "stored"} & (await definitions(lab)).keys()


async def test_what_has_no_file_any_more_is_dropped_and_what_users_made_stays(lab: Lab, files: Files) -> None:
    await lab.execute("CREATE VIEW cadence_reporting.mine AS SELECT 1 AS one")
    for name in ("stale_cadences", "activation_timeline"):
        files.remove(f"{name}.sql")
    files.write("fresh.sql", "CREATE OR REPLACE VIEW cadence_reporting.fresh AS SELECT 1 AS version")
    files.change("comments.toml", "stale_cadences = ", "fresh = ")
    await migrate(lab.engine)
    found = await definitions(lab)
    assert not {"stale_cadences", "activation_timeline"} & found.keys()
    assert {"mine", "fresh"} <= found.keys()


async def test_a_name_that_a_user_took_is_not_taken_from_them(lab: Lab, files: Files) -> None:
    files.write("fresh.sql", "CREATE OR REPLACE VIEW cadence_reporting.fresh AS SELECT 1 AS version")
    await lab.execute("CREATE VIEW cadence_reporting.fresh AS SELECT 2 AS version")
    error = await refused(lab, "REPORTING_NAME_TAKEN")
    assert "cadence_reporting.fresh" in error.message


async def test_what_was_dropped_by_hand_comes_back(lab: Lab) -> None:
    before = await definitions(lab)
    await lab.execute("DROP VIEW cadence_reporting.change_log CASCADE")
    assert await definitions(lab) != before
    await migrate(lab.engine)
    assert await definitions(lab) == before
    await lab.execute("DROP SCHEMA cadence_reporting CASCADE")
    await migrate(lab.engine)
    assert await definitions(lab) == before


async def test_the_layer_of_a_newer_release_is_not_replaced(lab: Lab) -> None:
    await lab.execute("UPDATE cadence_sync.reporting_layer SET release = '99.10.0', checksum = 'another'")
    error = await refused(lab, "DATABASE_TOO_NEW")
    assert "99.10.0" in error.message
    async with lab.engine.connect() as connection:
        with pytest.raises(DatabaseError) as caught:
            await check_migrated(connection)
    assert caught.value.code == "DATABASE_TOO_NEW"
