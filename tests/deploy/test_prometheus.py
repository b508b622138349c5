"""The alert rules: Prometheus takes them, their own tests pass, and what they say can be done."""

import re
from typing import Any

import pytest

from cadence_sync.cli.commands import COMMANDS, GROUPS
from tests.deploy.metrics import OF_PROMETHEUS, known_names
from tests.deploy.places import DEPLOY, ROOT, documents, run

FOLDER = DEPLOY / "prometheus"
COMMAND = re.compile(r"`cadence-sync ([a-z-]+)")


def alerts() -> list[Any]:
    (rules,) = documents(FOLDER / "alerts.yml")
    return [pytest.param(rule, id=rule["alert"]) for group in rules["groups"] for rule in group["rules"]]


each_alert = pytest.mark.parametrize("alert", alerts())


@pytest.mark.deploy
def test_prometheus_takes_the_rules() -> None:
    result = run("promtool", "check", "rules", FOLDER / "alerts.yml")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.deploy
def test_the_rules_pass_their_own_tests() -> None:
    result = run("promtool", "test", "rules", FOLDER / "alerts.test.yml")
    assert result.returncode == 0, result.stdout + result.stderr


@each_alert
def test_each_is_tested_both_ways(alert: dict[str, Any]) -> None:
    tests = (FOLDER / "alerts.test.yml").read_text(encoding="utf-8")
    name = alert["alert"]
    assert re.search(rf"alertname: {name}}}", tests), "nowhere is it silent"
    assert re.search(rf'alertname="{name}"|alertname: {name}\n', tests), "nowhere does it fire"


@each_alert
def test_each_says_how_grave_it_is_and_which_command_to_run(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["labels"]["scope"] in {"fleet", "process", "organization"}
    assert alert["labels"]["service"] == "cadence-sync"
    assert alert["annotations"]["summary"].endswith(".")
    description = alert["annotations"]["description"]
    assert (
        "Run `" in description or "run `" in description or "start more: `" in description or "CADENCE" in description
    )
    known = {*COMMANDS, *GROUPS}
    assert set(COMMAND.findall(description)) <= known


def test_the_docs_list_the_alerts() -> None:
    page = (ROOT / "docs/how-to/monitoring.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", page, re.MULTILINE)
    labels = [(rule["alert"], rule["labels"]) for (rule,) in (alert.values for alert in alerts())]
    assert listed == [(name, each["scope"], each["severity"]) for name, each in labels]


@each_alert
def test_alerts_of_an_organization_count_it_once(alert: dict[str, Any]) -> None:
    by_organization = "by (job, org_id)" in alert["expr"] and "count by (job)" not in alert["expr"]
    assert (alert["labels"]["scope"] == "organization") == by_organization


@each_alert
def test_only_metrics_that_exist_are_used(alert: dict[str, Any]) -> None:
    used = set(re.findall(r"\b(cadence_sync_\w+|process_\w+|up)\b", alert["expr"]))
    assert used
    assert used - known_names() - OF_PROMETHEUS == set()
