"""dbt reads its project, finds every source in the database, and says when the data are old."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from dashboards.tool.describe import DBT
from dashboards.tool.server import ROOT
from tests.bi.places import PASSWORD, READER, history

pytestmark = pytest.mark.dbt
TABLES = [t["name"] for t in yaml.safe_load((DBT / "models/sources.yml").read_text("utf-8"))["sources"][0]["tables"]]


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    with history() as url:
        yield parse_qs(urlsplit(url).query)["host"][0]


def dbt(*arguments: str, target: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    reported = ("--project-dir", DBT, "--profiles-dir", DBT, "--target-path", target, "--log-path", target)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [ROOT / ".bi/dbt/bin/dbt", *arguments, *reported],
        env={**kept, "DBT_USER": READER, "DBT_PASSWORD": PASSWORD, "DO_NOT_TRACK": "1", **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_project_is_read_without_a_warning(tmp_path: Path) -> None:
    result = dbt("--warn-error", "parse", target=tmp_path)
    assert result.returncode == 0, result.stdout
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert sorted(source["name"] for source in manifest["sources"].values()) == sorted(TABLES)


@pytest.mark.parametrize(("database", "code", "status"), [("postgres", 0, "pass"), ("old", 1, "error")])
def test_freshness(socket: str, tmp_path: Path, database: str, code: int, status: str) -> None:
    result = dbt("source", "freshness", target=tmp_path, DBT_HOST=socket, DBT_DATABASE=database)
    assert result.returncode == code, result.stdout
    found = json.loads((tmp_path / "sources.json").read_text(encoding="utf-8"))["results"]
    assert {each["status"] for each in found} == {status}
    assert len(found) == len(TABLES)
