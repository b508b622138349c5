"""Old runs that changed nothing go by hand as they go by themselves."""

import pytest

from tests.cli.conftest import Program
from tests.support.lab import Lab
from tests.support.records import record

NOTHING = {
    "runs": 0,
    "quarantined_records": 0,
    "queue_log": 0,
    "queue_statistics": 0,
    "alerts": 0,
    "busy": 0,
    "dry_run": False,
}


async def test_a_dry_run_says_what_would_go_and_then_it_goes(program: Program, lab: Lab) -> None:
    for _ in range(10):
        await lab.sync(record("1"))
    shown = await program.run("prune", "--dry-run")
    assert shown.out.splitlines()[1].split("\t") == ["8", "0", "0", "0", "0"]
    assert (await program.run("prune", "--keep", "36500d", "--json")).json == NOTHING
    done = await program.run("prune", "--json")
    assert (done.code, done.json) == (0, NOTHING | {"runs": 8})
    again = await program.run("prune", "--json", RUN_RETENTION="1d")
    assert again.json == NOTHING
    assert (await program.run("doctor", "--deep")).code == 0


@pytest.mark.parametrize("keep", ["soon", "23h", "-1d", "", "36501d"])
async def test_a_time_that_is_none_deletes_nothing(program: Program, keep: str) -> None:
    result = await program.run("prune", f"--keep={keep}")
    assert (result.code, result.out) == (2, "")
    assert "--keep: expected" in result.err
