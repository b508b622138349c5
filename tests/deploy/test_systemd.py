"""The units load, are confined as far as the docs say, and never start so often that Zoho refuses tokens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cadence_sync.zoho.oauth import MOST_IN_WINDOW, WINDOW
from tests.deploy.places import DEPLOY, ROOT, SHUTDOWN_GRACE_SECONDS, run, unknown_settings

UNITS = [DEPLOY / "systemd/cadence-sync.service", DEPLOY / "systemd/cadence-sync-worker@.service"]
SINCE_254 = re.compile(r"Unknown key(?: name)? '(RestartSteps|RestartMaxDelaySec)' in section ")
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def settings(unit: Path) -> list[tuple[str, str]]:
    lines = (line.partition("=") for line in unit.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return [(name, value) for name, equals, value in lines if equals]


def variables(text: str) -> set[str]:
    return set(re.findall(r"\b(CADENCE_SYNC_[A-Z_]+)=", text))


@pytest.mark.deploy
@each_unit
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    name = unit.name.replace("@.", "@8651.")
    program = tmp_path / "cadence-sync"
    program.touch(mode=0o755)
    text = unit.read_text(encoding="utf-8").replace("/opt/cadence-sync/bin/cadence-sync", str(program))
    (tmp_path / name).write_text(text, encoding="utf-8")
    said = run("systemd-analyze", "--recursive-errors=no", "verify", tmp_path / name).stderr.splitlines()
    assert [line for line in said if "cadence-sync" in line and not SINCE_254.search(line)] == []


@pytest.mark.deploy
@each_unit
def test_the_docs_tell_the_score(unit: Path) -> None:
    result = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", unit)
    assert result.returncode == 0, result.stdout + result.stderr
    (score,) = re.findall(r"exposure level for \S+: ([\d.]+)", result.stdout)
    (reported,) = re.findall(r"exposure level ([\d.]+)", (ROOT / "docs/how-to/systemd.md").read_text(encoding="utf-8"))
    assert abs(float(score) - float(reported)) <= 0.3, "versions of systemd weigh a little differently, but not so much"


@pytest.mark.deploy
def test_the_program_runs_where_no_memory_is_both_written_and_executed(tmp_path: Path) -> None:
    # PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN: what MemoryDenyWriteExecute= asks of the kernel.
    confine = "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0, 'needs Linux 6.3'; "
    command = confine + "os.execv(sys.argv[1], sys.argv[1:])"
    program = Path(sys.executable).with_name("cadence-sync")
    result = subprocess.run(
        [sys.executable, "-c", command, program, "demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@each_unit
def test_a_crash_loop_asks_for_fewer_tokens_than_zoho_gives(unit: Path) -> None:
    reported = dict(settings(unit))
    assert reported["StartLimitIntervalSec"] == "10min"
    assert WINDOW.total_seconds() == 600
    assert int(reported["StartLimitBurst"]) < MOST_IN_WINDOW
    # And the limit is not reached by restarts alone: else an hour without Postgres would end the service for good.
    assert 600 // int(reported["RestartSec"].removesuffix("s")) + 1 <= int(reported["StartLimitBurst"])


@each_unit
def test_runs_are_handed_back_before_systemd_kills(unit: Path) -> None:
    reported = dict(settings(unit))
    assert int(reported["TimeoutStopSec"].removesuffix("s")) > SHUTDOWN_GRACE_SECONDS + 10
    assert reported["KillSignal"] == "SIGTERM"


@each_unit
def test_nothing_secret_stands_in_the_unit_and_no_setting_is_misspelled(unit: Path) -> None:
    named = variables(unit.read_text(encoding="utf-8"))
    assert {name for name in named if not name.endswith(("_FILE", "_PORT"))} == set()
    assert unknown_settings(named) == set()


@each_unit
def test_every_secret_is_a_credential(unit: Path) -> None:
    credentials = {value.partition(":")[0] for name, value in settings(unit) if name == "LoadCredential"}
    assert credentials == {"database_url", "encryption_keys", "web_token"}
    assert {f"CADENCE_SYNC_{name.upper()}_FILE" for name in credentials} <= variables(unit.read_text(encoding="utf-8"))


def test_the_example_names_settings_and_no_secret() -> None:
    example = (DEPLOY / "systemd/environment.example").read_text(encoding="utf-8")
    assert unknown_settings(variables(example)) == set()
    assert not re.search(r"TOKEN=|KEYS=|SECRET=", example)


def test_both_units_are_confined_alike() -> None:
    serve, worker = (
        {(name, value) for name, value in settings(unit) if name not in {"Description", "ExecStart"}} for unit in UNITS
    )
    assert worker - serve == {("Environment", "CADENCE_SYNC_WORKER_PORT=%i")}
    assert serve - worker == set()
