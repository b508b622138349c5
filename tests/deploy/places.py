"""Where the files of a deployment are, and the tools that check them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from cadence_sync.config.settings import Settings
from cadence_sync.config.sources import PREFIX

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
SHUTDOWN_GRACE_SECONDS: Final[float] = Settings.model_fields["shutdown_grace_seconds"].default
"""How long a process waits for its runs after a signal to stop, where `CADENCE_SYNC_SHUTDOWN_GRACE_SECONDS` does not
say."""


def run(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of this machine, or of the tests' own environment."""
    own = ROOT / ".tools/deploy/bin" / tool
    found = str(own) if own.exists() else shutil.which(tool)
    assert found, f"{tool} is missing: `make deploy-test` installs it"
    return subprocess.run([found, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def documents(path: Path) -> list[dict[str, Any]]:
    """Read a file of one or more YAML documents."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def unknown_settings(names: set[str]) -> set[str]:
    """Return those of the program's variables that set nothing."""
    known = {f"{PREFIX}{name}" for name in {field.upper() for field in Settings.model_fields}}
    return {name for name in names if name.startswith(PREFIX)} - known - {f"{name}_FILE" for name in known}
