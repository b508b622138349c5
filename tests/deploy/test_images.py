"""Images can be named by digest everywhere, and the names of all of them come from one place each."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.places import DEPLOY, ROOT, documents

FILES = ["Dockerfile", "docker-compose.yml", "dashboards/superset/Dockerfile", "deploy/pin-images.sh"]
DIGEST = f"sha256:{'0' * 64}"
KNOWN = {"PYTHON_IMAGE", "UV_IMAGE", "POSTGRES_IMAGE", "SUPERSET_IMAGE"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def pin(checkout: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a docker that only answers this."""
    (programs := checkout / "bin").mkdir(exist_ok=True)
    docker = programs / "docker"
    docker.write_text(f"#!/bin/sh\n{answer}\n")
    docker.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    script = checkout / "deploy/pin-images.sh"
    return subprocess.run(["sh", script], env={"PATH": path}, capture_output=True, text=True, check=False)


def test_every_image_is_pinned_by_the_digest_of_its_tag(checkout: Path) -> None:
    result = pin(checkout, f"echo {DIGEST}")
    assert result.returncode == 0, result.stderr
    pinned = dict(line.split("=", 1) for line in (checkout / "images.env").read_text().splitlines())
    assert set(pinned) == KNOWN
    assert all(re.fullmatch(rf"[a-z0-9./-]+:[\w.-]+@{DIGEST}", image) for image in pinned.values())
    assert sorted(each.name for each in checkout.glob("images.env*")) == ["images.env"]


@pytest.mark.parametrize("answer", ["exit 1", "echo nonsense"])
def test_a_registry_that_does_not_answer_leaves_no_file(checkout: Path, answer: str) -> None:
    assert pin(checkout, answer).returncode != 0
    assert list(checkout.glob("images.env*")) == []


def test_no_image_is_named_where_no_digest_can_take_its_place() -> None:
    for name in ("Dockerfile", "dashboards/superset/Dockerfile"):
        text = (ROOT / name).read_text(encoding="utf-8")
        built = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
        assert built <= {f"${{{image}}}" for image in KNOWN}
        assert not re.search(r"--from=(?!build |uv )", text)
    (compose,) = documents(ROOT / "docker-compose.yml")
    for service in compose["services"].values():
        assert "build" in service or service["image"].startswith("${")


def test_a_tag_is_the_same_in_compose_and_dockerfiles() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    in_compose = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", compose))
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "dashboards/superset/Dockerfile")]
    in_files = {name: image for text in texts for name, image in re.findall(r"^ARG (\w+)=(\S+)", text, re.MULTILINE)}
    assert in_files.items() <= in_compose.items()
    assert set(in_compose) == KNOWN
    assert (DEPLOY / "pin-images.sh").exists()
