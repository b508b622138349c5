"""The page on the architecture names folders, modules and figures as the code has them."""

import re
import tracemalloc

import pytest

from cadence_sync import wiring
from cadence_sync.core.digest_index import DIGEST_SIZE, DigestIndex, SeenSet
from cadence_sync.core.records import BLOCK
from cadence_sync.daemon import schedule, scheduler, worker
from cadence_sync.db import engine, queue
from cadence_sync.zoho import source
from tools.paths import DOCS, ROOT

PACKAGE = ROOT / "cadence_sync"
PAGE = (DOCS / "explanation/architecture.md").read_text(encoding="utf-8")
TREE = PAGE.partition("```text\ncadence_sync/\n")[2].partition("migrations/")[0]
ENTRY = re.compile(r"^  (\w+(?:/|\.py)) ", re.MULTILINE)
MODULES = re.compile(r"^    (\w+(?:, \w+)*)  ", re.MULTILINE)


def test_the_tree_has_every_folder_and_the_modules_beside_them() -> None:
    there = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    there |= {path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"}
    assert sorted(ENTRY.findall(TREE)) == sorted(there)


def test_the_modules_of_the_tree_exist() -> None:
    _, *parts = ENTRY.split(TREE)
    folders = dict(zip(parts[::2], parts[1::2], strict=True))
    lines = [(folder, names) for folder, text in folders.items() for names in MODULES.findall(text)]
    named = [PACKAGE / folder / name for folder, names in lines for name in names.split(", ")]
    assert len(named) > 60
    assert [str(path) for path in named if not (path.is_dir() or path.with_suffix(".py").is_file())] == []


@pytest.mark.parametrize(
    "figure",
    [
        f"is fetched again, {source.MAX_LISTINGS} times in all",
        f"by another listing for more than {source.ONE_BY_ONE}",
        f"the stored state, {BLOCK} at a time",
        f"`zoho_listing_timeout` plus {wiring.LEASE_MARGIN / 60:g} minutes",
        f"Every {scheduler.TICK:g} s it loads the organizations",
        f"after {queue.LEADER_STALE} s one of them ends that session",
        f"without a heartbeat for {worker.HEARTBEAT.total_seconds():g} s",
        f"a random part of up to {schedule.JITTER:.0%} of it",
        f"doubles the pause, up to {schedule.DAY / 3600:g} hours",
    ],
)
def test_a_figure_is_that_of_the_code(figure: str) -> None:
    assert figure in " ".join(PAGE.split())


def test_the_limits_of_the_write_transaction_are_those_of_the_code() -> None:
    assert "10 s of waiting for a lock, 10 minutes for a statement, and 60 s of idling" in " ".join(PAGE.split())
    limits = dict(re.findall(r"set_config\('(\w+)', '(\w+)', true\)", engine.LOCK_ORG.text))
    assert limits == {
        "lock_timeout": "10s",
        "statement_timeout": "10min",
        "idle_in_transaction_session_timeout": "60s",
    }


def test_a_digest_index_takes_some_60_bytes_for_each_cadence() -> None:
    count, ids = 100_000, [str(6_652_397_000_000_000_000 + number) for number in range(100_000)]
    digests, joined, lengths = b"".join(i.encode()[-DIGEST_SIZE:] for i in ids), "".join(ids), [len(i) for i in ids]
    tracemalloc.start()
    try:
        index = DigestIndex(digests, joined, lengths)
        seen = SeenSet(index)
        built = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(seen) == 0
    assert 45 < (len(digests) + len(joined) + built) / count < 65
