"""The dashboard: Grafana's format as far as it can be checked without Grafana, and queries that Prometheus can read."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metrics import OF_PROMETHEUS, known_names
from tests.deploy.places import DEPLOY, run

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/cadence-sync.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def queries() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def variables() -> list[dict[str, Any]]:
    found = DASHBOARD["templating"]["list"]
    assert isinstance(found, list)
    return found


@pytest.mark.deploy
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    plain = [re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "5m")) for query in queries()]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(plain)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    result = run("promtool", "check", "rules", file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_metrics_that_exist_are_used() -> None:
    used = set(re.findall(r"\b(cadence_sync_\w+|process_\w+|up)\b", " ".join(queries())))
    assert used - known_names() - OF_PROMETHEUS == set()
    asked = {re.findall(r"label_values\((\w+),", each["definition"])[0] for each in variables() if "definition" in each}
    assert asked <= known_names()


def test_the_reader_chooses_the_datasource() -> None:
    first, *others = variables()
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert all(variable["datasource"] == SOURCE for variable in others)
    assert re.search(r'"uid": "[A-Za-z0-9]{9,}"', json.dumps(DASHBOARD)) is None
    assert "__inputs" not in DASHBOARD


@each_panel
def test_a_panel_asks_that_datasource_with_variables_that_exist(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == SOURCE
    assert panel["description"]
    known = {variable["name"] for variable in variables()} | {"__rate_interval"}
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert set(re.findall(r"\$(\w+)", target["expr"])) <= known
        # Several daemons tell the same of the database: each query counts it once.
        assert re.search(r"\b(max|min|sum|count)\b", target["expr"])


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARD["panels"])
