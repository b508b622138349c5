"""Whatever spelling Zoho chooses, one and the same fact is read as one and the same."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core.canonical import canonical_value, from_document, to_document
from cadence_sync.core.decode import decode_record
from cadence_sync.core.records import Config, Record
from tests.core.facts import PROPERTY, Facts, facts, spelled
from tests.core.memory import decode_one
from tests.support.oracle import meaning
from tests.support.records import record

SPELLINGS = st.randoms(use_true_random=True)


def _read(raw: bytes) -> Record:
    decoded = decode_record(raw)
    assert isinstance(decoded, Record), decoded
    return decoded


def _comparable(config: Config) -> dict[str, object]:
    return {path: canonical_value(leaf) for path, leaf in config.items()}


def _canonical(stated: Facts) -> str:
    """Return text, in which unlike in Python 1 is not True."""
    return json.dumps((_comparable(stated.config), stated.labels, stated.extra), sort_keys=True)


@PROPERTY
@given(stated=facts(), one=SPELLINGS, other=SPELLINGS)
def test_every_spelling_of_the_facts_is_read_as_those_facts(
    stated: Facts, one: random.Random, other: random.Random
) -> None:
    first, second = _read(spelled(stated, one)), _read(spelled(stated, other))
    assert _comparable(first.config) == _comparable(stated.config)
    assert first.labels == stated.labels
    assert first.extra == stated.extra
    assert meaning(first) == meaning(second)


@PROPERTY
@given(one=facts(), other=facts(), rng=SPELLINGS)
def test_other_facts_have_another_digest(one: Facts, other: Facts, rng: random.Random) -> None:
    same = _canonical(one) == _canonical(other)
    assert (meaning(_read(spelled(one, rng))) == meaning(_read(spelled(other, rng)))) == same


@PROPERTY
@given(stated=facts())
def test_a_document_holds_exactly_the_leaves_that_are_known(stated: Facts) -> None:
    assert from_document(to_document(stated.config)) == stated.config


NOISE = {
    "another offset": {"modified_time": "2024-07-18T11:31:40+05:30"},
    "an offset with a colon": {"modified_time": "2024-07-17T23:01:40-07:00"},
    "UTC as Z": {"modified_time": "2024-07-18T06:01:40Z"},
    "a fraction of nothing": {"modified_time": "2024-07-17T23:01:40.000-0700"},
    "the other spelling of the type": {"type": "custom_view"},
    "status as a boolean": {"status": True},
    "a flag as text": {"active": "true"},
    "an id as a number": {"module": {"api_name": "Contacts", "id": 3652397000000002179}},
    "an id as text": {"custom_view": {"name": "All Contacts", "id": "3652397000000087529"}},
    "counts as text": {
        "summary": {"task_follow_up_count": "1", "call_follow_up_count": 1.0, "email_follow_up_count": 1}
    },
}


@pytest.mark.parametrize("change", NOISE.values(), ids=NOISE)
def test_another_spelling_has_the_same_digest(change: dict[str, object]) -> None:
    assert meaning(decode_one(record() | change)) == meaning(decode_one(record()))


def test_the_order_of_keys_is_no_fact() -> None:
    reordered = dict(reversed(record().items()))
    assert meaning(decode_one(reordered)) == meaning(decode_one(record()))


@pytest.mark.parametrize("key", ["description", "modified_time", "custom_view", "module", "execution_details"])
def test_empty_text_is_null(key: str) -> None:
    assert meaning(decode_one(record() | {key: ""})) == meaning(decode_one(record() | {key: None}))


def test_an_object_of_nulls_is_null() -> None:
    nulls = record(custom_view={"id": None, "name": ""})
    assert meaning(decode_one(nulls)) == meaning(decode_one(record(custom_view=None)))


def test_the_day_of_an_end_date_is_the_day_as_written() -> None:
    late = record()["execution_details"] | {"end_date": "2025-12-31T23:30:00-0800"}
    assert decode_one(record(execution_details=late)).config["execution_details.end_date"] == "2025-12-31"


def test_another_instant_has_another_digest() -> None:
    later = datetime.fromisoformat("2024-07-17T23:01:40-07:00") + timedelta(seconds=1)
    changed = record(modified_time=later.astimezone(UTC).isoformat())
    assert meaning(decode_one(changed)) != meaning(decode_one(record()))
