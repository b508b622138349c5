"""Which settings file was read can be told from the logs, and costs short commands nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cadence_sync.cli.app import root
from cadence_sync.cli.options import SharedOptions
from cadence_sync.cli.runtime import read_settings
from cadence_sync.logs import configure_logs


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    yield
    configure_logs("INFO")


def logged(capfd: pytest.CaptureFixture[str], config: Path, *, daemon: bool) -> list[dict[str, Any]]:
    shared = SharedOptions()
    shared.config = config
    read_settings(typer.Context(typer.main.get_command(root), obj=shared), daemon=daemon)
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("level", "daemon", "told"), [("INFO", True, True), ("INFO", False, False), ("DEBUG", False, True)]
)
def test_the_file_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], level: str, daemon: bool, told: bool
) -> None:
    (file := tmp_path / "cadence-sync.toml").write_text(f'log_level = "{level}"')
    lines = logged(capfd, file, daemon=daemon)
    assert [(line["event"], line["file"]) for line in lines] == ([("settings_read", str(file))] if told else [])
