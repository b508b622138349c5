"""docker-compose.yml fits the Compose specification, and says what its comments promise."""

import re
from typing import Any

import pytest

from cadence_sync.cli.commands import COMMANDS
from tests.deploy.places import ROOT, SHUTDOWN_GRACE_SECONDS, documents, run, unknown_settings

FILE = ROOT / "docker-compose.yml"
PROCESSES = ["daemon", "worker"]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    (document,) = documents(FILE)
    return document


@pytest.mark.deploy
def test_it_fits_the_specification() -> None:
    result = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_services_name_what_is_there(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert set(service.get("secrets", [])) <= set(project["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(project["services"]), name
        read = {path for path in service.get("environment", {}).values() if str(path).startswith("/run/secrets/")}
        assert {path.removeprefix("/run/secrets/") for path in read} == set(service.get("secrets", [])), name


def test_the_first_lines_make_every_secret_but_none_in_the_file(project: dict[str, Any]) -> None:
    comments = re.findall(r"> (secrets/\w+)", FILE.read_text(encoding="utf-8"))
    assert set(comments) == {secret["file"] for secret in project["secrets"].values()}


@pytest.mark.parametrize("name", ["migrate", *PROCESSES])
def test_the_program_is_confined_and_its_settings_are_spelled_right(project: dict[str, Any], name: str) -> None:
    service = project["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert unknown_settings(set(service["environment"])) == set()
    assert service["image"] == "cadence-sync"


def test_no_process_has_a_secret_in_its_environment(project: dict[str, Any]) -> None:
    for name in ("migrate", *PROCESSES):
        words = ("DATABASE_URL", "KEYS", "TOKEN", "SECRET")
        named = {each for each in project["services"][name]["environment"] if any(word in each for word in words)}
        assert {each for each in named if not each.endswith("_FILE")} == set(), name
    for name in PROCESSES:
        assert "CADENCE_SYNC_WEB_TOKEN_FILE" in project["services"][name]["environment"]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_starts_on_migrated_tables_and_stops_after_its_runs(project: dict[str, Any], name: str) -> None:
    service = project["services"][name]
    assert service["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert int(service["stop_grace_period"].removesuffix("s")) > SHUTDOWN_GRACE_SECONDS + 10
    assert "/readyz" in service["healthcheck"]["test"][-1]
    assert service["restart"] == "unless-stopped"


def test_workers_can_be_many(project: dict[str, Any]) -> None:
    worker = project["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker


def test_commands_are_commands(project: dict[str, Any]) -> None:
    assert {project["services"][name]["command"][0] for name in ("migrate", *PROCESSES)} <= set(COMMANDS)


def test_only_loopback_is_published(project: dict[str, Any]) -> None:
    ports = [port for service in project["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
