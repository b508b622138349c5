"""The bundle in a real Superset over a generated history: every chart has data, by the interface and in a browser."""

import asyncio
import io
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import yaml

from dashboards.tool.bundle import SOURCE, address, packed
from dashboards.tool.client import Client, SupersetError, logged_in
from dashboards.tool.look import Seen, look
from dashboards.tool.server import BIN, ROOT, running
from tests.bi.places import history

pytestmark = pytest.mark.bi
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
NAMES = {f.stem: yaml.safe_load(f.read_text(encoding="utf-8"))["slice_name"] for f in SOURCE.glob("charts/*.yaml")}
BROKEN = NAMES["by_module_and_status"]


@dataclass
class Shown:
    """What Superset made of the bundle."""

    reader: str
    rows: dict[str, Any] = field(default_factory=dict)
    seen: Seen | None = None
    addresses: set[str] = field(default_factory=set)
    broken: Any = None
    seen_broken: Seen | None = None


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with history() as url:
        yield asyncio.run(show(url, tmp_path_factory.mktemp("superset")))


async def show(url: str, home: Path) -> Shown:
    found = Shown(url)
    uri, password = address(url)
    async with running(home) as superset, logged_in(superset) as client:
        await client.import_bundle(packed(uri), password)
        ids = await client.charts()
        found.rows = {name: await answer(client, number) for name, number in ids.items()}
        found.seen = await look(client, "cadences", len(NAMES))
        port = int(superset.url.rpartition(":")[2])
        listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr]
        found.addresses = {place.ip for place in listening if place.port == port}
        # Once more with a chart that asks for a column that is not there: this must not pass unnoticed.
        await client.import_bundle(spoilt(packed(uri)), None, "assets")
        found.broken = await answer(client, ids[BROKEN])
        found.seen_broken = await look(client, "cadences", len(NAMES))
    return found


async def answer(client: Client, chart: int) -> Any:
    """Return the rows of a chart, or what went wrong."""
    try:
        return await client.rows(chart)
    except SupersetError as error:
        return str(error)


def spoilt(bundle: bytes) -> bytes:
    """Return the bundle with one chart that names a column wrongly."""
    packing = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as whole, zipfile.ZipFile(packing, "w") as changed:
        for name in whole.namelist():
            text = whole.read(name).decode()
            if name.endswith("/by_module_and_status.yaml"):
                text = text.replace("module_api_name", "no_such_column")
            changed.writestr(name, text)
    return packing.getvalue()


def test_every_chart_of_the_bundle_was_imported(shown: Shown) -> None:
    assert sorted(shown.rows) == sorted(NAMES.values())


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_chart_has_data(shown: Shown, name: str) -> None:
    rows = shown.rows[name]
    assert isinstance(rows, list), rows
    assert rows
    assert all(any(value is not None for value in row.values()) for row in rows)


def test_the_browser_shows_every_chart_and_no_complaint(shown: Shown) -> None:
    assert shown.seen is not None
    assert len(shown.seen.answers) > len(NAMES), "the filter asks for its values too"
    assert [reported for reported in shown.seen.answers if reported[0] != 200 or reported[1] < 1] == []
    assert shown.seen.complaints == []
    shrink = ROOT / "dashboards" / "tool" / "shrink.py"
    small = subprocess.run([BIN / "python", shrink], input=shown.seen.picture, capture_output=True, check=True).stdout
    assert 30_000 < len(small) < 300_000
    PICTURE.write_bytes(small)


def test_a_broken_chart_is_noticed_both_ways(shown: Shown) -> None:
    assert "no_such_column" in shown.broken
    assert shown.seen_broken is not None
    assert [reported for reported in shown.seen_broken.answers if reported[0] != 200]
    assert shown.seen_broken.complaints != []


def test_superset_listens_on_loopback_only(shown: Shown) -> None:
    assert shown.addresses == {"127.0.0.1"}


async def test_its_role_reads_the_views_and_nothing_else(shown: Shown) -> None:
    connection = await asyncpg.connect(shown.reader)
    try:
        assert await connection.fetchval("SELECT count(*) FROM cadence_reporting.current_cadences") > 50
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT count(*) FROM cadence_sync.cadences")
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await connection.execute("CREATE TABLE cadence_reporting.mine (n int)")
    finally:
        await connection.close()
