"""Random edits, faults, crashes and clock jumps against a model of what was observed."""

import asyncio
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, precondition, rule, run_state_machine_as_test

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.db.engine import create_engine
from cadence_sync.db.integrity import examine
from cadence_sync.errors import CadenceSyncError, InconsistentListingError, TransientError
from cadence_sync.sync import SyncOptions
from tests.support.databases import Databases
from tests.support.lab import ORG, Lab, WrittenSource
from tests.support.records import listing, record

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.core.report import Report

EXAMPLES = int(os.environ.get("CADENCE_SYNC_TORTURE_EXAMPLES", "6"))
STEPS = int(os.environ.get("CADENCE_SYNC_TORTURE_STEPS", "25"))
WIDE = SyncOptions(DeletionThreshold(count=10**6), allow_other_org=True)
AFTER_RUN = """
    SELECT DISTINCT ON (cadence_id) cadence_id, kind, document FROM cadence_sync.cadence_versions
    WHERE run_id <= :run ORDER BY cadence_id, version DESC
"""
AT_TIME = """
    SELECT cadence_id, kind, document FROM cadence_sync.cadence_versions
    WHERE valid_from <= :at AND (valid_to > :at OR valid_to IS NULL)
"""
FACTS = ("name", "status", "published")


class Model(RuleBasedStateMachine):
    """Zoho as a dictionary, and every complete observation of it as a copy."""

    databases: ClassVar[Databases]
    template: ClassVar[str]
    runner: ClassVar[asyncio.Runner]
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.url = self.databases.clone(self.template)
        self.engine: AsyncEngine = create_engine(self.url)
        self.lab = Lab(self.engine)
        self.zoho: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.number = 0
        self.jumped = False
        self.observed: list[tuple[int, Any, dict[str, dict[str, Any]]]] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.check())
        self.run(self.engine.dispose())
        self.databases.drop(self.url)

    @rule(target=ids, name=st.text(min_size=1, max_size=9).filter(lambda name: "\x00" not in name))
    def create(self, name: str) -> str:
        self.number += 1
        cadence_id = str(self.number)
        self.zoho[cadence_id] = record(cadence_id, name=name, created_time=self.lab.clock.now().isoformat())
        return cadence_id

    @rule(cadence_id=ids, field=st.sampled_from(FACTS), value=st.sampled_from(["a", "b", None]), dated=st.booleans())
    def edit(self, cadence_id: str, field: str, value: str | None, dated: bool) -> None:
        if cadence_id in self.zoho:
            known = {"published": {"a": True, "b": False}.get(value or "")}
            self.zoho[cadence_id][field] = known.get(field, value)
            if dated:
                self.zoho[cadence_id]["modified_time"] = self.lab.clock.move(seconds=1).isoformat()

    @rule(cadence_id=ids, name=st.sampled_from(["Ana", "Bo", ""]))
    def rename_user(self, cadence_id: str, name: str) -> None:
        if cadence_id in self.zoho:
            self.zoho[cadence_id]["created_by"] = {"id": "7", "name": name}

    @rule(cadence_id=ids)
    def delete(self, cadence_id: str) -> None:
        if cadence_id in self.zoho:
            self.gone[cadence_id] = self.zoho.pop(cadence_id)

    @rule(cadence_id=consumes(ids))
    def restore(self, cadence_id: str) -> None:
        if cadence_id in self.gone:
            self.zoho[cadence_id] = self.gone.pop(cadence_id)

    @rule(hours=st.sampled_from([-5, -1, 1, 30]))
    def jump(self, hours: int) -> None:
        self.lab.clock.move(hours=hours)
        self.jumped = self.jumped or hours < 0

    @rule(error=st.sampled_from([TransientError("Zoho answered 503."), InconsistentListingError("The list moved.")]))
    def fail(self, error: CadenceSyncError) -> None:
        source = WrittenSource(b"", self.lab.clock, error)
        assert self.run(self.lab.syncing(source).run("test")).exit_code == 4

    @rule()
    def crash(self) -> None:
        """A process that dies in its listing leaves an open run that the next one closes."""
        self.run(self.lab.store.begin(ORG, "test", self.lab.clock.now()))
        self.run(self.lab.execute("UPDATE cadence_sync.sync_runs SET process_started = '1.00' WHERE outcome IS NULL"))

    @rule()
    def sync(self) -> None:
        report: Report = self.run(self.lab.sync(body=listing(list(self.zoho.values())), permits=WIDE))
        assert report.exit_code == 0, report.error
        assert report.run_id is not None
        seen = {i: {fact: r[fact] for fact in FACTS} for i, r in self.zoho.items()}
        self.observed.append((report.run_id, self.lab.clock.now(), seen))

    @precondition(lambda self: self.observed)
    @rule()
    def look_back(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        for run_id, at, seen in self.observed:
            assert _live(await self.lab.rows(AFTER_RUN, run=run_id)) == seen
            if not self.jumped:
                assert _live(await self.lab.rows(AT_TIME, at=at)) == seen
        assert [finding.what for finding in await examine(self.engine) if not finding.ok] == []


def _live(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        row["cadence_id"]: {fact: row["document"][fact] for fact in FACTS} for row in rows if row["kind"] != "deleted"
    }


def test_every_past_observation_stays_as_it_was(databases: Databases, template: str) -> None:
    with asyncio.Runner() as runner:
        Model.databases, Model.template, Model.runner = databases, template, runner
        run_state_machine_as_test(
            Model,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                derandomize=EXAMPLES < 50,
            ),
        )
