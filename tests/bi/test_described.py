"""What Superset's bundle and dbt's sources say of the views is what the database says; needs neither of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.tool.bundle import MASK, SOURCE, address, packed
from dashboards.tool.describe import DATASETS, DBT, dataset, sources, views

WRITE = "`make bi-describe` writes it anew"
CHARTS = sorted(SOURCE.glob("charts/*.yaml"))


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def plain(value: object) -> list[str]:
    """Return every text inside of a value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in plain(item)]
    if isinstance(value, list):
        return [text for item in value for text in plain(item)]
    return [value] if isinstance(value, str) else []


async def test_datasets_name_the_columns_of_the_views_in_the_words_of_the_database(database_url: str) -> None:
    found = await views(database_url)
    files = {file.stem: read(file) for file in SOURCE.glob("datasets/*/*.yaml")}
    assert files.keys() == DATASETS.keys()
    for name, content in files.items():
        assert content == dataset(name, found[name]), f"{name}: {WRITE}"


async def test_sources_name_every_view_and_column_in_the_words_of_the_database(database_url: str) -> None:
    (source,) = read(DBT / "models" / "sources.yml")["sources"]
    found = await views(database_url)
    assert source["schema"] == "cadence_reporting"
    assert source["tables"] == sources(found), WRITE
    assert all(reported["description"] for view in found.values() for reported in view["columns"].values())


@pytest.mark.parametrize("file", CHARTS, ids=[file.stem for file in CHARTS])
def test_a_chart_asks_for_what_its_dataset_has(file: Path) -> None:
    chart = read(file)
    data = {content["uuid"]: content for content in map(read, SOURCE.glob("datasets/*/*.yaml"))}[chart["dataset_uuid"]]
    columns = {column["column_name"] for column in data["columns"]}
    metrics = {metric["metric_name"] for metric in data["metrics"]}
    params = chart["params"]
    asked = {params[key] for key in ("x_axis",) if key in params}
    asked |= {*params.get("groupby", ()), *params.get("all_columns", ()), *params.get("column_config", ())}
    asked |= {condition["subject"] for condition in params["adhoc_filters"]}
    assert asked <= columns
    (query,) = json.loads(chart["query_context"])["queries"]
    stored = {column if isinstance(column, str) else column["sqlExpression"] for column in query["columns"]}
    assert stored <= asked <= stored | {condition["col"] for condition in query["filters"]}
    wanted = {*params.get("metrics", ()), *([params["metric"]] if "metric" in params else ())}
    assert wanted == {*(query["metrics"] or ())} <= metrics
    assert {condition["col"] for condition in query["filters"]} == {c["subject"] for c in params["adhoc_filters"]}


def test_the_dashboard_shows_every_chart() -> None:
    position = read(SOURCE / "dashboards" / "cadences.yaml")["position"]
    shown = {item["meta"]["uuid"] for item in position.values() if isinstance(item, dict) and item["type"] == "CHART"}
    assert shown == {read(file)["uuid"] for file in CHARTS}
    assert len(shown) == len(CHARTS)


def test_the_bundle_holds_no_password() -> None:
    database = read(SOURCE / "databases" / "cadence_sync.yaml")
    assert database["sqlalchemy_uri"] == f"postgresql+psycopg2://cadence_reader:{MASK}@localhost:5432/cadence_sync"
    assert not any("://" in text for file in CHARTS for text in plain(read(file)))
    assert b"secret" not in packed(address("postgresql://ana:secret@db/crm")[0])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ana:s%40cret@db:5433/crm", (f"postgresql+psycopg2://ana:{MASK}@db:5433/crm", "s@cret")),
        ("postgres://ana@db/crm?sslmode=require", ("postgresql+psycopg2://ana@db/crm?sslmode=require", None)),
        ("postgresql://ana@/crm?host=/run", ("postgresql+psycopg2://ana@/crm?host=/run", None)),
        ("postgresql:///crm?host=/run", ("postgresql+psycopg2:///crm?host=/run", None)),
    ],
)
def test_an_address_is_masked(url: str, expected: tuple[str, str | None]) -> None:
    assert address(url) == expected
