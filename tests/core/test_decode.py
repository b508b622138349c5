"""One record: what is configuration, what is a label, what is not known yet, and what cannot be stored."""

import json
from pathlib import Path
from typing import Any

import pytest

from cadence_sync.core.decode import decode_page, decode_record
from cadence_sync.core.fields import KNOWN_WORDS, PERIOD, UNENROLL, UNIT
from cadence_sync.core.records import Config, PageInfo, QuarantinedRecord, Record
from tests.core.memory import decode_one
from tests.support.records import record, without

SAMPLES = Path(__file__).parent / "samples"
BOYLE = "3652397000000186017"


def _execution(**changes: object) -> dict[str, Any]:
    return record(execution_details=record()["execution_details"] | changes)


def test_the_sample_of_v7_is_read_leaf_by_leaf() -> None:
    page = decode_page((SAMPLES / "v7-list.json").read_bytes())
    assert page.info == PageInfo(page=1, per_page=50, count=2, more_records=False)
    first, second = page.records
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert first.config == {
        "id": "3652397000017949001",
        "name": "CadenceTest1",
        "type": "custom_view",
        "status": "active",
        "active": True,
        "published": True,
        "module.id": "3652397000000002179",
        "custom_view.id": "3652397000000087529",
        "created_time": "2024-07-18T03:38:22+00:00",
        "created_by.id": BOYLE,
        "modified_time": "2024-07-18T06:01:40+00:00",
        "modified_by.id": BOYLE,
        "summary.email_follow_up_count": 1,
        "summary.task_follow_up_count": 1,
        "summary.call_follow_up_count": 1,
        "execution_details.type": "respond_email",
        "execution_details.end_date": None,
        "execution_details.automatic_unenroll": False,
        UNIT: 1,
        PERIOD: "hours",
        UNENROLL: None,
        f"{UNENROLL}.type": "respond_email",
        f"{UNENROLL}.end_date": None,
    }
    assert first.labels == {
        "module.api_name": "Contacts",
        "custom_view.name": "All Contacts",
        "created_by.name": "Patricia Boyle",
        "modified_by.name": "Patricia Boyle",
    }
    assert (first.extra, first.drift) == ({}, ())
    assert second.config.keys() == first.config.keys()
    assert {second.config[path] for path in second.config if path.startswith("execution_details")} == {None}
    assert (second.config["custom_view.id"], second.labels["custom_view.name"]) == (None, None)


def test_the_sample_of_a_v8_list_is_read_without_drift() -> None:
    (only,) = decode_page((SAMPLES / "v8-list.json").read_bytes()).records
    assert isinstance(only, Record)
    assert only.drift == ()
    assert only.config["description"] == "Cadence for leads"
    assert only.config["modified_time"] == "2025-01-01T11:13:11+00:00"
    assert only.config[f"{UNENROLL}.end_date"] == "2025-12-31"


def test_the_sample_of_a_single_v8_cadence_keeps_its_rules_and_its_steps() -> None:
    (source,) = json.loads((SAMPLES / "v8-get-one.json").read_text())["cadences"]
    single = decode_one(source)
    assert single.config[UNENROLL] == source["execution_details"]["unenroll_properties"]
    assert single.config[f"{UNENROLL}.type"] is None
    assert single.extra == {key: source[key] for key in ("follow_ups", "draft_cadence", "parent_cadence")}
    assert [path for path, _ in single.drift] == ["follow_ups", "draft_cadence", "parent_cadence"]
    assert "active" not in single.config


def test_raw_is_the_text_of_the_record_to_the_byte() -> None:
    raw = b'{ "id":\t"1" , "name":"\\u00dcn\xc3\xaf" }'
    page = decode_page(b'{"cadences": [ ' + raw + b' ], "info":' + _INFO + b"}")
    assert [record.raw for record in page.records] == [raw]


_INFO = b'{"per_page":200,"count":1,"page":1,"more_records":false}'

UNKNOWN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a field": ({"goal": {"a": [1]}}, {"goal": {"a": [1]}}, "goal"),
    "a field of a known object": (
        {"module": {"id": "5", "plural": "Leads"}},
        {"module": {"plural": "Leads"}},
        "module.plural",
    ),
    "a field of unenroll_properties": (
        {"execution_details": {"unenroll_properties": {"type": "a", "after": 3}}},
        {"execution_details": {"unenroll_properties": {"after": 3}}},
        f"{UNENROLL}.after",
    ),
    "a name with a dot": ({"module.id": "6"}, {"module.id": "6"}, "module.id"),
    "a name with a dot in an object": (
        {"execution_details": {"execute_every.unit": 9}},
        {"execution_details": {"execute_every.unit": 9}},
        UNIT,
    ),
    "an empty name": ({"": 1}, {"": 1}, ""),
    "a number beyond 64 bits": ({"big": 10**30}, {"big": 10**30}, "big"),
}


@pytest.mark.parametrize(("change", "extra", "path"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_yet_is_kept_and_noted(change: dict[str, Any], extra: dict[str, Any], path: str) -> None:
    found = decode_one(record() | change)
    assert found.extra == extra
    assert [noted for noted, _ in found.drift] == [path]
    assert found.config.get("module.id") in {"5", record()["module"]["id"]}


def test_a_long_name_and_a_long_value_are_noted_in_part() -> None:
    found = decode_one(record(**{"k" * 5000: "v" * 5000}))
    assert found.drift == (("k" * 200, '"' + "v" * 199),)
    assert found.extra == {"k" * 5000: "v" * 5000}


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (record(type="Smart view"), "type"),
        (record(status="paused"), "status"),
        (_execution(execute_every={"unit": 1, "period": "months"}), PERIOD),
    ],
)
def test_an_unknown_word_is_stored_as_it_is_and_noted(source: dict[str, Any], path: str) -> None:
    found = decode_one(source)
    assert found.config[path] in {"Smart view", "paused", "months"}
    assert found.drift == ((path, f'"{found.config[path]}"'),)


@pytest.mark.parametrize(("path", "word"), [(path, word) for path in KNOWN_WORDS for word in sorted(KNOWN_WORDS[path])])
def test_a_known_word_is_not_noted(path: str, word: str) -> None:
    source = _execution(execute_every={"period": word}) if path == PERIOD else record(**{path: word})
    assert decode_one(source).drift == ()


ABSENT: dict[str, tuple[dict[str, Any], Config]] = {
    "immediately has no unit": ({"execute_every": {"period": "immediately"}}, {UNIT: None}),
    "a unit that is sent with immediately stays": (
        {"execute_every": {"period": "immediately", "unit": 1}},
        {UNIT: 1},
    ),
    "no rules are null": ({"unenroll_properties": []}, {UNENROLL: None, f"{UNENROLL}.type": None}),
    "empty text for an object is null": (
        {"unenroll_properties": ""},
        {UNENROLL: None, f"{UNENROLL}.type": None, f"{UNENROLL}.end_date": None},
    ),
}


@pytest.mark.parametrize(("change", "expected"), ABSENT.values(), ids=ABSENT)
def test_what_a_form_leaves_out(change: dict[str, Any], expected: Config) -> None:
    config = decode_one(_execution(**change)).config
    assert {path: config[path] for path in expected} == expected


def test_half_an_object_form_says_nothing_of_the_other_half() -> None:
    config = decode_one(_execution(unenroll_properties={"end_date": "2025-12-31"})).config
    assert config[f"{UNENROLL}.end_date"] == "2025-12-31"
    assert f"{UNENROLL}.type" not in config


@pytest.mark.parametrize("key", sorted(record().keys() - {"id"}))
def test_an_absent_key_leaves_no_trace(key: str) -> None:
    left = decode_one(without(record(), key))
    known = [*left.config, *left.labels]
    assert [path for path in known if path == key or path.startswith(f"{key}.")] == []


@pytest.mark.parametrize("empty", ["execution_details", "summary", "module"])
def test_an_empty_object_says_nothing(empty: str) -> None:
    assert decode_one(record() | {empty: {}}).config == decode_one(without(record(), empty)).config


def test_a_record_that_is_no_object_has_a_reason() -> None:
    assert decode_record(b"[]") == QuarantinedRecord(None, "record: expected an object", b"[]")


def test_a_record_of_another_shape_is_quarantined_under_its_id() -> None:
    found = decode_record(b'{"id":"7","module":"Leads"}')
    assert found == QuarantinedRecord("7", "module: expected an object", b'{"id":"7","module":"Leads"}')
