"""`cadence_sync.__version__` is the only version; what repeats it has the same."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from cadence_sync import __version__

ROOT = Path(__file__).parents[1]


def test_the_installed_distribution_takes_it_from_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert (project["project"]["dynamic"], project["project"].get("version")) == (["version"], None)
    assert version("cadence-sync") == __version__


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("deploy/kubernetes/example/kustomization.yaml", r'newTag: "([^"]*)"'),
        ("docs/how-to/kubernetes.md", r"cadence-sync:(\d[\w.]*)"),
    ],
)
def test_an_example_names_the_image_of_this_version(name: str, pattern: str) -> None:
    named = re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"))
    assert named
    assert set(named) == {__version__}
