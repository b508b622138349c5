"""Any sequence of listings makes a history that explains itself."""

import random
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core.canonical import canonical_value, changed_fields, from_document, to_document
from cadence_sync.core.decode import decode_record
from cadence_sync.core.diff import Kind, PriorState, Version, plan_listed
from cadence_sync.core.fields import LABELS
from cadence_sync.core.records import Config, CurrentState, Labels, QuarantinedRecord, Record
from tests.core.facts import PROPERTY, Facts, facts, spelled
from tests.core.memory import HOUR, START, TICK, MadeRecord, Memory, listing_of
from tests.support.oracle import meaning

SPELLINGS = st.randoms(use_true_random=True)
CLOCK = st.integers(-3, 5).map(lambda hours: START + HOUR * hours)


def _sighted(seen: Facts, rng: random.Random) -> Record:
    decoded = decode_record(spelled(seen, rng))
    assert isinstance(decoded, Record), decoded
    return decoded


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Facts, Facts]:
    """A cadence before and after: one that is often the same but for a few leaves."""
    before, other = draw(facts()), draw(facts())
    if draw(st.booleans()):
        return before, other
    changed = draw(st.sets(st.sampled_from(sorted(other.config))))
    config = before.config | {path: leaf for path, leaf in other.config.items() if path in changed}
    settled = other.config if any("unenroll_properties" in path for path in changed) else before.config
    config |= {path: leaf for path, leaf in settled.items() if "unenroll_properties" in path}
    if config.get("execution_details.execute_every.period") == "immediately":
        config.setdefault("execution_details.execute_every.unit", None)
    return before, Facts(config, before.labels | other.labels, before.extra)


def _labels(before: CurrentState, seen: Record, config: Config) -> Labels:
    """Return the labels that a row must have: sent now, or known and still of the same thing."""
    kept = {
        label: name
        for label, name in before.labels.items()
        if config.get(LABELS[label]) == before.config.get(LABELS[label])
    }
    return dict.fromkeys(LABELS) | kept | seen.labels


def _replayed(old: Config, version: Version) -> Config:
    changes = {change.field: change.new for change in version.changes}
    assert all(
        canonical_value(old[change.field]) == canonical_value(change.old)
        and canonical_value(change.old) != canonical_value(change.new)
        for change in version.changes
    )
    return old | changes


def _holds(merged: object, sent: object) -> bool:
    """Whether all that was sent is in a merged value; what was not sent may be there too."""
    if isinstance(merged, dict) and isinstance(sent, dict):
        return all(key in merged and _holds(merged[key], child) for key, child in sent.items())
    return merged == sent


def _same(one: Config, other: Config) -> bool:
    return {p: canonical_value(leaf) for p, leaf in one.items()} == {
        p: canonical_value(leaf) for p, leaf in other.items()
    }


@PROPERTY
@given(
    both=pairs(),
    rng=SPELLINGS,
    number=st.integers(1, 9),
    deleted=st.booleans(),
    began=CLOCK,
    last_listed_at=CLOCK,
    at=CLOCK,
)
def test_the_difference_applied_to_the_old_state_gives_the_new_one(
    *,
    both: tuple[Facts, Facts],
    rng: random.Random,
    number: int,
    deleted: bool,
    began: datetime,
    last_listed_at: datetime,
    at: datetime,
) -> None:
    old, seen = both[0], _sighted(both[1], rng)
    labels = dict.fromkeys(LABELS) | old.labels
    before = CurrentState(seen.cadence_id, number, deleted, began, old.config, labels, old.extra)
    listing = listing_of([seen], at)
    plan = plan_listed(listing, [seen], {seen.cadence_id: before}, PriorState(last_listed_at))

    merged = before.config | seen.config
    for row in [*(v.row for v in plan.versions), *(r.row for r in plan.refreshes)]:
        assert row.config == merged
        assert dict.fromkeys(LABELS) | row.labels == _labels(before, seen, merged)
        assert row.extra.keys() == before.extra.keys() | seen.extra.keys()
        assert _holds(row.extra, seen.extra)
        assert from_document(to_document(row.config)) == row.config
    for version in plan.versions:
        assert version.number == number + 1
        assert before.valid_from < version.valid_from <= max(at, before.valid_from + TICK)
        discovered = {path: leaf for path, leaf in merged.items() if path not in before.config}
        if version.kind is Kind.UPDATED:
            assert _same(_replayed(before.config, version) | discovered, merged)
    for refresh in plan.refreshes:
        assert _same(before.config | refresh.discovered, merged)
    if not plan.versions:
        assert changed_fields(before.config, merged) == []
    assert deleted == any(v.kind is Kind.RESTORED for v in plan.versions)


@st.composite
def listings(draw: st.DrawFn) -> list[tuple[list[MadeRecord], datetime | None]]:
    """Some listings over up to three cadences that come, go, change and hide; the clock may jump."""
    versions = {i: draw(st.lists(facts(i), min_size=1, max_size=2)) for i in ("1", "2", "3")}
    rng = draw(SPELLINGS)
    found: list[tuple[list[MadeRecord], datetime | None]] = []
    for _ in range(draw(st.integers(1, 5))):
        records: list[MadeRecord] = []
        for cadence_id, states in versions.items():
            fate = draw(st.sampled_from(["there", "there", "there", "gone", "unreadable", "hidden"]))
            if fate == "there":
                records.append(_sighted(draw(st.sampled_from(states)), rng))
            elif fate != "gone":
                records.append(QuarantinedRecord(None if fate == "hidden" else cadence_id, "broken", b"{"))
        jump = draw(st.none() | st.integers(-2, 2))
        found.append((records, None if jump is None else START + timedelta(hours=jump)))
    return found


@PROPERTY
@given(listings())
def test_any_sequence_of_listings_makes_an_unbroken_history(
    sequence: list[tuple[list[MadeRecord], datetime | None]],
) -> None:
    memory = Memory()
    for records, at in sequence:
        first, live = memory.last_listed_at is None, set(memory.digests)
        plan = memory.sync(*records, at=at)
        counted = plan.counters
        assert (
            counted.seen
            == len(records)
            == (
                counted.baseline
                + counted.created
                + counted.updated
                + counted.restored
                + counted.unchanged
                + counted.quarantined
            )
        )
        assert counted.unchanged >= len(plan.refreshes)
        ids = {r.cadence_id for r in records}
        assert counted.deleted == (0 if None in ids else len(live - ids))
        assert not (first and {v.kind for v in plan.versions} - {Kind.BASELINE})
        again = memory.plan(listing_of(records, memory.now))
        assert (again.versions, again.refreshes) == ([], [])
        for record in records:
            if isinstance(record, Record):
                known = memory.known[record.cadence_id].config
                assert _same(known | record.config, known)
    _assert_chains(memory)


def _assert_chains(memory: Memory) -> None:
    chains: dict[str, list[Version]] = {}
    for version in memory.versions:
        chains.setdefault(version.row.cadence_id, []).append(version)
    for chain in chains.values():
        assert [v.number for v in chain] == list(range(1, len(chain) + 1))
        assert chain[0].kind in {Kind.BASELINE, Kind.CREATED}
        for before, after in pairwise(chain):
            assert after.valid_from > before.valid_from
            assert after.kind not in {Kind.BASELINE, Kind.CREATED}
            assert (before.kind is Kind.DELETED) == (after.kind is Kind.RESTORED)
            assert {c.field for c in after.changes} == {"*"} or after.kind is Kind.UPDATED
            assert after.changes
            if after.changed_by_id is not None:
                assert str(after.row.config["modified_time"]) > str(before.row.config.get("modified_time") or "")


@PROPERTY
@given(both=pairs(), rng=SPELLINGS)
def test_two_spellings_that_mean_the_same_write_nothing(both: tuple[Facts, Facts], rng: random.Random) -> None:
    memory, (before, after) = Memory(), (_sighted(each, rng) for each in both)
    memory.sync(before)
    plan = memory.plan(listing_of([after], memory.now))
    if meaning(before) == meaning(after):
        assert (plan.versions, plan.refreshes) == ([], [])
    if plan.versions or plan.refreshes:
        assert before.digest != after.digest
