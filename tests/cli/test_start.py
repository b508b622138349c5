"""What a command imports before it does anything: most of a short command's time."""

import asyncio
import gc
import json
import sys

import pytest

from cadence_sync.cli.runtime import run
from tests.cli.conftest import Program
from tests.support import cli

SCRIPT = """
import json, sys
from cadence_sync.cli.main import main
sys.argv = ["cadence-sync", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
print(json.dumps([name for name in {heavy!r} if name in sys.modules]), file=sys.stderr)
"""
HEAVY = [
    "alembic", "aiohttp", "apprise", "apscheduler", "asyncpg", "cryptography", "jinja2", "pgqueuer", "psutil",
    "pydantic", "rich", "sqlalchemy", "structlog",
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--help"], set[str]()),
        (["org", "--help"], {"pydantic"}),  # by typer, for the kinds of options
        (["sync", "--help"], {"pydantic"}),
        (["status"], {"asyncpg", "pydantic", "sqlalchemy"}),
        (["org", "list"], {"asyncpg", "cryptography", "pydantic", "sqlalchemy"}),
        (["sync", "--json"], {"aiohttp", "asyncpg", "cryptography", "pydantic", "sqlalchemy"}),
    ],
    ids=["help", "help of a group", "help of one", "status", "org", "sync"],
)
async def test_a_command_imports_only_what_it_needs(program: Program, arguments: list[str], needed: set[str]) -> None:
    script = SCRIPT.format(arguments=arguments, heavy=HEAVY)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script,
        cwd=program.cwd,
        env=cli.environment(**program.settings),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert set(json.loads(err.splitlines()[-1])) == needed


def test_garbage_is_collected_while_a_command_works() -> None:
    async def work() -> bool:
        return gc.isenabled()

    gc.disable()
    try:
        assert run(work())
    finally:
        gc.enable()
        gc.unfreeze()
