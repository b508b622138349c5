"""Each answer in the cookbook is what its query says of the story."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from cadence_sync.db.engine import open_engine
from cadence_sync.db.pruning import prune
from tests.reporting.story import tell
from tests.support.databases import Databases
from tests.support.lab import Lab

COOKBOOK = Path(__file__).parents[2] / "docs/how-to/cookbook.md"


@dataclass(frozen=True)
class Recipe:
    question: str
    sql: str
    answer: list[list[str]]
    """The head of the table, then its rows."""


def recipes() -> list[Recipe]:
    found = []
    for section in re.split(r"^### ", COOKBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        question, _, rest = section.partition("\n")
        (sql,) = re.findall(r"```sql\n(.*?)```", rest, re.DOTALL)
        table = [
            [cell.strip() for cell in line[2:-1].split("|")] for line in re.findall(r"^\|.*\|$", rest, re.MULTILINE)
        ]
        assert set(table[1]) == {"---"}, question
        found.append(Recipe(question, sql, [table[0], *table[2:]]))
    return found


RECIPES = recipes()


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "pruned"])
def reported_url(databases: Databases, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that holds the story, and another of whose runs none is there that may be pruned."""
    url = databases.clone(template)
    asyncio.run(_tell(url, pruned=request.param))
    yield url
    databases.drop(url)


async def _tell(url: str, *, pruned: bool) -> None:
    async with open_engine(url) as engine:
        lab = Lab(engine)
        await tell(lab)
        if pruned:
            assert (await prune(engine, lab.clock.time + timedelta(days=30), timedelta(days=1))).runs > 20


@pytest.fixture
async def reader(reported_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(reported_url, statement_cache_size=0, server_settings={"timezone": "UTC"})
    yield connection
    await connection.close()


def shown(value: object) -> str:
    """Return a value as the cookbook shows it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            assert value.utcoffset() is None or not value.utcoffset()
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def test_there_are_25_questions_and_no_two_are_the_same() -> None:
    assert len(RECIPES) == 25
    assert len({recipe.question for recipe in RECIPES}) == 25
    assert len({recipe.sql for recipe in RECIPES}) == 25


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.question for recipe in RECIPES])
async def test_the_answer_is_what_the_query_says(reader: asyncpg.Connection, recipe: Recipe) -> None:
    head, *rows = recipe.answer
    assert rows, "an empty answer shows nothing"
    found = await reader.fetch(recipe.sql)
    assert [shown(value) for row in found[:1] for value in row.keys()] == head  # noqa: SIM118 - a record is no dict
    assert [[shown(value) for value in row.values()] for row in found] == rows


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.question for recipe in RECIPES])
def test_only_the_reporting_schema_is_asked(recipe: Recipe) -> None:
    assert set(re.findall(r"\b(cadence_\w+)\.\w+", recipe.sql)) == {"cadence_reporting"}
    assert "'production'" in recipe.sql or "sync_freshness" in recipe.sql
