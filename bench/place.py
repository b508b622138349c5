"""Where the contestants run: one Postgres with its settings at their defaults, and a server of pages."""

import asyncio
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.measure import Taken, run
from cadence_sync.db import embedded

COMMAND = Path(sys.executable).with_name("cadence-sync")
TABLES = ("cadences", "cadence_versions", "follow_up_summaries", "execution_details")


@dataclass(frozen=True)
class Place:
    """A database, a listing, and a folder for a contestant's files."""

    database_url: str
    zoho_url: str
    folder: Path
    cadences: int
    per_page: int

    @property
    def pages(self) -> int:
        return -(-self.cadences // self.per_page)

    def environment(self) -> dict[str, str]:
        """Returns the product's settings, without those of the environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        settings = {
            "DATABASE_URL": self.database_url,
            "ZOHO_API_URL": self.zoho_url,
            "ZOHO_ACCOUNTS_URL": self.zoho_url,
            "ZOHO_CLIENT_ID": "bench",
            "ZOHO_CLIENT_SECRET": "bench-secret-bench-secret",
            "ZOHO_REFRESH_TOKEN": "bench",
            "ZOHO_PER_PAGE": str(self.per_page),
        }
        return kept | {f"CADENCE_SYNC_{name}": value for name, value in settings.items()}

    def ask(self, path: str) -> bytes:
        """Sends a control request to the server of pages."""
        with urllib.request.urlopen(f"{self.zoho_url}{path}") as answer:  # noqa: S310 - our own server
            body: bytes = answer.read()
        return body

    def product(self, *arguments: str) -> tuple[Taken, str]:
        return run([str(COMMAND), *(arguments or ("sync", "--json"))], self.environment())

    def dlt(self) -> Taken:
        host = parse_qs(urlsplit(self.database_url).query)["host"][0]
        dsn = f"postgresql://postgres:unused@localhost/postgres?host={host}"
        command = [sys.executable, "-m", "bench.dlt_pipeline", self.zoho_url, dsn, str(self.folder / "dlt")]
        return run(command, self.environment())[0]

    def floor(self, *, load: bool = False) -> Taken:
        """Runs the floor; a first load copies the rows that `dump` prepared."""
        folder = (str(self.folder / "floor"),) if load else ()
        command = [sys.executable, "-m", "bench.floor", self.zoho_url, str(self.pages), *folder]
        return run(command, self.environment() | {"DATABASE_URL": self.database_url})[0]

    async def execute(self, *statements: str) -> None:
        """Executes statements, one transaction each."""
        connection = await asyncpg.connect(self.database_url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def empty(self) -> None:
        schemas = ("cadence_reporting", "cadence_sync", "floor", "dlt", "dlt_staging")
        await self.execute(*(f"DROP SCHEMA IF EXISTS {schema} CASCADE" for schema in schemas))
        await asyncio.to_thread(run, ["rm", "-rf", str(self.folder / "dlt")], os.environ)
        await asyncio.to_thread(self.product, "migrate")

    async def dump(self) -> None:
        """Dumps the product's rows, for the floor to copy into tables of the same shape."""
        folder = self.folder / "floor"
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        connection = await asyncpg.connect(self.database_url)
        try:
            for table in TABLES:
                file = str(folder / table)
                await connection.copy_from_table(table, schema_name="cadence_sync", output=file, format="binary")
        finally:
            await connection.close()

    async def empty_floor(self) -> None:
        """Recreates the floor's tables: same columns, keys and indexes; no foreign keys, no triggers."""
        shapes = (f"CREATE TABLE floor.{t} (LIKE cadence_sync.{t} INCLUDING ALL)" for t in TABLES)
        await self.execute("DROP SCHEMA IF EXISTS floor CASCADE", "CREATE SCHEMA floor", *shapes, "CHECKPOINT")


@contextmanager
def database() -> Iterator[tuple[str, Path]]:
    """Yields the URL of a fresh server, and its folder."""
    with tempfile.TemporaryDirectory(prefix="cadence-sync-bench-") as name, embedded.temporary(durable=True) as url:
        yield url, Path(name)


@asynccontextmanager
async def place(url: str, folder: Path, cadences: int, per_page: int = 200) -> AsyncIterator[Place]:
    """Yields a place with a listing of `cadences` cadences and an empty database."""
    command = [sys.executable, "-m", "bench.server", str(cadences), str(per_page)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603
    try:
        if process.stdout is None:
            raise RuntimeError("a process has the pipes that it was given")
        found = Place(url, process.stdout.readline().strip(), folder, cadences, per_page)
        await found.empty()
        yield found
    finally:
        process.kill()
        process.wait()
