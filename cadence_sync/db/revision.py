"""The schema that this code needs: its newest revision and its reporting layer, and whether a database has them."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync import __version__
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError

REPORTING: Final = "cadence_reporting"
HEAD: Final = "0006"
"""The newest revision in migrations/versions; revisions are numbered, so that text compares them."""
# The catalog answers everybody; to_regclass() is refused without USAGE on the schema.
_EXISTS: Final = text("""
    SELECT EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relname = 'alembic_version'
    )
""")
_REVISION: Final = text(f"SELECT version_num FROM {SCHEMA}.alembic_version")  # noqa: S608 - a constant
_STATE: Final = text(f"""
    SELECT v.version_num AS revision, r.checksum, r.release
    FROM {SCHEMA}.alembic_version AS v LEFT JOIN {SCHEMA}.reporting_layer AS r ON true
""")  # noqa: S608 - a constant
_CREATE: Final = re.compile(rf"CREATE OR REPLACE (VIEW|FUNCTION|AGGREGATE) {REPORTING}\.(\w+)")
_REFERENCE: Final = re.compile(rf"\b{REPORTING}\.(\w+)")
_COMMENT: Final = re.compile(r"--.*")
_READABLE: Final = f"(SELECT {SCHEMA}.readable_orgs(ARRAY[current_user, session_user]))"
# Conditions on the view reach the first part, which a limited reader never runs. None passes the OFFSET of the second,
# not even a leakproof one: EXPLAIN ANALYZE would tell how many rows of other organizations meet it.
# Names of users have the collation C, and so what a function makes of them: no index of a column has it.
_LIMITED: Final = f"""
CREATE OR REPLACE VIEW {REPORTING}.%(name)s WITH (security_barrier = true) AS
SELECT a.* FROM (%(query)s
) AS a
WHERE {_READABLE} IS NULL
UNION ALL
SELECT p.*
FROM (SELECT DISTINCT u.org_id FROM unnest({_READABLE}) AS u (org_id)) AS o
CROSS JOIN LATERAL (SELECT b.* FROM (%(query)s
) AS b WHERE b.org_id = o.org_id COLLATE "default" OFFSET 0) AS p
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class ReportingObject:
    """A view or a routine (a function or an aggregate) of the reporting layer; `sql` creates or replaces it."""

    name: str
    is_view: bool
    sql: str

    @property
    def reads_tables(self) -> bool:
        return f"{SCHEMA}." in _COMMENT.sub("", self.sql)

    @property
    def limited_sql(self) -> str:
        """Replaces a view by one that shows the same, of limited readers' organizations to them, and not how."""
        query = self.sql.partition(f"{self.name} AS\n")[2]
        return _LIMITED % {"name": self.name, "query": query}

    def references(self) -> set[str]:
        return set(_REFERENCE.findall(_COMMENT.sub("", self.sql))) - {self.name}


@dataclass(frozen=True, slots=True)
class ReportingLayer:
    """The files of migrations/reporting/, `objects` in the order of their dependencies."""

    objects: tuple[ReportingObject, ...]
    comments: Mapping[str, Mapping[str, str]]
    schema_comment: str

    @property
    def views(self) -> list[str]:
        return sorted(each.name for each in self.objects if each.is_view)

    @property
    def routines(self) -> list[str]:
        return sorted(each.name for each in self.objects if not each.is_view)


def migrations_folder() -> Path:
    """Returns the folder migrations/: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


@cache
def reporting_checksum() -> str:
    digest = hashlib.sha256(_LIMITED.encode())
    for file in _files():
        digest.update(f"{file.name}\0{file.read_text(encoding='utf-8')}\0".encode())
    return digest.hexdigest()


def load_reporting_layer() -> ReportingLayer:
    """Reads and orders the files; raises `ValueError` where a file does not define what its name says."""
    objects = {file.stem: _parse(file) for file in _files() if file.suffix == ".sql"}
    comments = tomllib.loads((migrations_folder() / "reporting" / "comments.toml").read_text(encoding="utf-8"))
    graph = {name: sorted(objects[name].references() & objects.keys()) for name in sorted(objects)}  # stable
    ordered = tuple(objects[name] for name in TopologicalSorter(graph).static_order())
    return ReportingLayer(ordered, comments, comments.pop("schema"))


def _files() -> list[Path]:
    return sorted(each for each in (migrations_folder() / "reporting").iterdir() if each.suffix in {".sql", ".toml"})


def _parse(file: Path) -> ReportingObject:
    sql = file.read_text(encoding="utf-8")
    found = _CREATE.match(sql)
    if found is None or found[2] != file.stem:
        raise ValueError(f"{file} must begin with CREATE OR REPLACE and define {REPORTING}.{file.stem}.")
    return ReportingObject(file.stem, found[1] == "VIEW", sql)


async def has_revision_table(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(_EXISTS, {"schema": SCHEMA}))


async def current_revision(connection: AsyncConnection) -> str | None:
    return await connection.scalar(_REVISION) if await has_revision_table(connection) else None


async def check_migrated(connection: AsyncConnection) -> None:
    """Raises `DatabaseError` unless revision and reporting layer are those of this code."""
    if not await has_revision_table(connection):
        raise _not_migrated("The database has no tables of cadence-sync.")
    state = (await connection.execute(_STATE)).one()
    refuse_newer_revision(state.revision)
    if state.revision != HEAD:
        raise _not_migrated(f"The database is at revision {state.revision}, not {HEAD}.")
    refuse_newer_release(state.release)
    if state.checksum != reporting_checksum():
        raise _not_migrated("The database's reporting layer is out of date.")


def refuse_newer_revision(revision: str | None) -> None:
    if revision is not None and revision > HEAD:
        raise _too_new(f"The database is at revision {revision}, newer than this cadence-sync knows ({HEAD}).")


def refuse_newer_release(release: str | None) -> None:
    """Raises `DatabaseError` where a newer release applied the reporting layer: this one would replace it."""
    if release is not None and _numbers(release) > _numbers(__version__):
        raise _too_new(f"The database's reporting layer is that of cadence-sync {release}, newer than {__version__}.")


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def _not_migrated(message: str) -> DatabaseError:
    return DatabaseError(message, hint="Run `cadence-sync migrate`.", code="NOT_MIGRATED")


def _too_new(message: str) -> DatabaseError:
    return DatabaseError(message, hint="Install a newer cadence-sync.", code="DATABASE_TOO_NEW")
