"""The manifests fit the schemas of Kubernetes, and hold what its restricted pod security standard asks, and more."""

from pathlib import Path
from typing import Any

import pytest

from cadence_sync.cli.commands import COMMANDS
from tests.deploy.places import DEPLOY, ROOT, SHUTDOWN_GRACE_SECONDS, documents, run, unknown_settings

FOLDER = DEPLOY / "kubernetes"
LAYERS = ["base", "network-policy", "example"]
PORT = 8642


def resources() -> list[dict[str, Any]]:
    files = [file for file in sorted(FOLDER.glob("*/*.yaml")) if file.name != "kustomization.yaml"]
    return [document for file in files for document in documents(file)]


def workloads() -> list[Any]:
    found = [each for each in resources() if each["kind"] in {"Deployment", "Job"}]
    assert len(found) == 3
    return [pytest.param(each, id=each["metadata"]["name"]) for each in found]


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


each_workload = pytest.mark.parametrize("workload", workloads())
each_process = pytest.mark.parametrize("workload", [each for each in workloads() if "migrate" not in str(each.id)])


@pytest.mark.deploy
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_every_layer_builds_and_fits_the_schemas(layer: str, version: str, tmp_path: Path) -> None:
    built = run("kubectl", "kustomize", FOLDER / layer)
    assert built.returncode == 0, built.stderr
    file = tmp_path / "built.yaml"
    file.write_text(built.stdout, encoding="utf-8")
    result = run("kubernetes-validate", "--strict", "-k", version, file)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" passed ") == len(documents(file)) >= 1


@pytest.mark.deploy
def test_a_mistake_is_found(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    serve = (FOLDER / "base/serve.yaml").read_text(encoding="utf-8")
    file.write_text(serve.replace("readinessProbe", "readynessProbe"), encoding="utf-8")
    assert run("kubernetes-validate", "--strict", file).returncode != 0


def test_every_file_is_named_by_its_layer() -> None:
    for layer in FOLDER.iterdir():
        (named,) = documents(layer / "kustomization.yaml")
        there = {file.name for file in layer.glob("*.yaml")} - {"kustomization.yaml"}
        assert there <= set(named["resources"])


def test_no_namespace_and_no_secret_is_written_down() -> None:
    for resource in resources():
        assert "namespace" not in resource["metadata"]
        assert resource["kind"] != "Secret"


@each_workload
def test_a_pod_may_do_nothing_but_its_work(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert pod["automountServiceAccountToken"] is False
    confined = container(workload)["securityContext"]
    assert confined == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (tmp,) = [volume for volume in pod["volumes"] if "emptyDir" in volume]
    assert {"name": tmp["name"], "mountPath": "/tmp"} in container(workload)["volumeMounts"]  # noqa: S108 - the pod's own


@each_workload
def test_the_cluster_sets_no_setting_by_accident(workload: dict[str, Any]) -> None:
    # A Service `cadence-sync-worker` would come as CADENCE_SYNC_WORKER_PORT=tcp://10.0.0.1:8642.
    assert workload["spec"]["template"]["spec"]["enableServiceLinks"] is False


@each_workload
def test_secrets_are_named_never_written(workload: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in container(workload)["env"]}
    assert unknown_settings(set(variables)) == set()
    for name, variable in variables.items():
        if any(word in name for word in ("URL", "KEYS", "TOKEN", "SECRET")):
            assert name.endswith("_FILE") or "secretKeyRef" in variable["valueFrom"]
    (command,) = container(workload)["args"]
    assert command in COMMANDS


@each_process
def test_a_process_is_probed_and_stops_after_its_runs(workload: dict[str, Any]) -> None:
    assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > SHUTDOWN_GRACE_SECONDS + 10
    process = container(workload)
    assert process["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert process["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert process["ports"] == [{"name": "http", "containerPort": PORT}]


@each_process
def test_a_node_can_always_be_drained(workload: dict[str, Any]) -> None:
    (budget,) = [
        each["spec"]
        for each in resources()
        if each["kind"] == "PodDisruptionBudget" and each["spec"]["selector"] == workload["spec"]["selector"]
    ]
    assert budget["maxUnavailable"] == 1


def test_the_service_leads_to_the_daemon_alone() -> None:
    (service,) = [each["spec"] for each in resources() if each["kind"] == "Service"]
    matching = [
        each["metadata"]["name"]
        for each in resources()
        if each["kind"] == "Deployment"
        and service["selector"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert matching == ["cadence-sync-serve"]


def test_the_network_policy_names_who_comes_in_and_keeps_https_out_of_private_networks() -> None:
    (policy,) = [each["spec"] for each in resources() if each["kind"] == "NetworkPolicy"]
    sources = [source for rule in policy["ingress"] for source in rule["from"]]
    assert sources
    assert all(source["namespaceSelector"]["matchLabels"] for source in sources)
    by_port = {port["port"]: rule.get("to") for rule in policy["egress"] for port in rule["ports"]}
    assert set(by_port) == {53, 443, 5432, 6432}
    assert {"namespaceSelector", "ipBlock"} == {key for place in by_port[53] for key in place}
    kept_out = {network for place in by_port[443] for network in place["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"} <= kept_out
