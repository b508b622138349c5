"""A person's names are replaced, and nothing else of a text: found by the id, however it is written."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence_sync.core.decode import decode_record
from cadence_sync.core.records import QuarantinedRecord, Record
from cadence_sync.core.redact import (
    PERSON_FIELDS,
    PersonScan,
    RedactionTarget,
    is_json,
    may_contain,
    redact,
    redact_records,
    redact_sample,
    redact_text,
    text_of,
)
from tests.support.examples import examples
from tests.support.records import RECORD, record

ME = "3652397000000186017"
WANTED = RedactionTarget(frozenset({ME}))
NAMED = RedactionTarget(frozenset({ME}), texts=frozenset({"Patricia Boyle", "p@x.io"}))

TEXTS = {
    "id as text": ('{"by":{"name":"Pat","id":"ID"}}', '{"by":{"name":"redacted","id":"ID"}}'),
    "id as a number": ('{"by":{"name":"Pat","id":ID}}', '{"by":{"name":"redacted","id":ID}}'),
    "id with escapes": (
        r'{"by":{"name":"Pat","id":"\u0033652397000000186017"}}',
        r'{"by":{"name":"redacted","id":"\u0033652397000000186017"}}',
    ),
    "keys with escapes and capitals": (
        r'{"by":{"n\u0061me":"Pat","Full_Name":"P","Id":"ID"}}',
        r'{"by":{"n\u0061me":"redacted","Full_Name":"redacted","Id":"ID"}}',
    ),
    "blanks and line ends stay": (
        '{ "by" :\n\t{ "id" : ID ,\r\n "name" : "Pat" } , "n": 9007199254740993.10 }',
        '{ "by" :\n\t{ "id" : ID ,\r\n "name" : "redacted" } , "n": 9007199254740993.10 }',
    ),
    "keys that come twice": (
        '{"by":{"name":"Pat","name":"Boyle","id":"1","id":"ID"}}',
        '{"by":{"name":"redacted","name":"redacted","id":"1","id":"ID"}}',
    ),
    "in lists": ('{"a":[[{"id":ID,"email":"p@x.io"}],"ID"]}', '{"a":[[{"id":ID,"email":"redacted"}],"ID"]}'),
    "a name that is an object, as a whole": (
        '{"by":{"id":ID,"name":{"first_name":"Pat","id":ID},"alias":["P"]}}',
        '{"by":{"id":ID,"name":"redacted","alias":"redacted"}}',
    ),
    "a name in another spelling": (r'{"by":{"id":ID,"name":"\"Pat\\"}}', '{"by":{"id":ID,"name":"redacted"}}'),
    "a phone that is a number": ('{"by":{"id":ID,"phone":4711}}', '{"by":{"id":ID,"phone":"redacted"}}'),
    "an inner object of the person": (
        '{"by":{"id":ID,"name":"Pat","role":{"id":"9","name":"Sales"}}}',
        '{"by":{"id":ID,"name":"redacted","role":{"id":"9","name":"Sales"}}}',
    ),
    "within another person": (
        '{"by":{"id":"9","name":"Ana","boss":{"name":"Pat","id":ID}}}',
        '{"by":{"id":"9","name":"Ana","boss":{"name":"redacted","id":ID}}}',
    ),
    "a record that is broken": (
        '{"x":NaN,"by":{"name":"Pat","id":ID},"y":"\\ud800","z":tru}',
        '{"x":NaN,"by":{"name":"redacted","id":ID},"y":"\\ud800","z":tru}',
    ),
    "brackets that do not match": ('{"by":{"name":"Pat","id":ID]]]}', '{"by":{"name":"redacted","id":ID]]]}'),
    "a name without an end": ('{"by":{"id":ID,"name":"Pat', '{"by":{"id":ID,"name":"redacted"'),
    "a name that no decoder reads": (r'{"by":{"id":ID,"name":"\x"}}', '{"by":{"id":ID,"name":"redacted"}}'),
    "no list of rules": (
        '{"execution_details":{"unenroll_properties":{"by":{"id":ID,"name":"Pat"}}}}',
        '{"execution_details":{"unenroll_properties":{"by":{"id":ID,"name":"redacted"}}}}',
    ),
}
SAME = {
    "another id": '{"by":{"name":"Pat","id":"9"}}',
    "an id that begins alike": '{"by":{"name":"Pat","id":"ID0"}}',
    "the record itself": '{"id":"ID","name":"Pat"}',
    "a module and a view": '{"module":{"id":"ID","name":"Pat"},"custom_view":{"id":ID,"name":"All"}}',
    "an object without an id": '{"by":{"name":"Pat"}}',
    "text": '{"name":"ID","description":"{\\"id\\":\\"ID\\",\\"name\\":\\"Pat\\"}"}',
    "what says nothing": '{"by":{"id":ID,"name":null,"email":"","alias":true,"phone":false}}',
    "other fields": '{"by":{"id":ID,"role":"Sales"}}',
    "an id that is an object": '{"by":{"id":{"id":"ID"},"name":"Pat"}}',
    "no object at all": '"ID"',
    "rules": '{"execution_details":{"unenroll_properties":[{"details":{"id":ID,"name":"Pat"}}]}}',
}


def of(text: str) -> bytes:
    return text.replace("ID", ME).encode()


@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS)
def test_names_are_replaced_and_the_rest_stays_to_the_byte(before: str, after: str) -> None:
    found = redact(of(before), WANTED)
    assert (found.raw, found.found, found.retained) == (of(after), True, False)
    assert redact(found.raw, WANTED).raw == found.raw


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_names_nobody_of_that_id_stays(text: str) -> None:
    assert redact(of(text), WANTED).raw == of(text)


def test_what_was_found_is_reported() -> None:
    found = redact(of('{"by":{"name":"Pat","email":["x"],"id":ID,"alias":"redacted"}}'), WANTED)
    assert (found.texts, found.found, found.retained) == (frozenset({"Pat"}), True, False)
    assert redact(of('{"by":{"id":ID}}'), WANTED).found
    assert not redact(of('{"module":{"id":ID,"name":"x"}}'), WANTED).found
    rules = redact(of('{"execution_details":{"unenroll_properties":[{"d":{"id":ID,"name":"Pat"}}]}}'), WANTED)
    assert (rules.retained, rules.found, rules.texts) == (True, True, frozenset())


def test_roles_and_texts_say_whose_an_object_without_an_id_is() -> None:
    raw = b'{"created_by":{"email":"p@x.io"},"x":{"created_by":{"email":"a@x.io"}},"y":{"name":"Patricia Boyle"}}'
    by_role = redact(raw, RedactionTarget(frozenset({ME}), roles=frozenset({"created_by"}))).raw
    assert by_role == raw.replace(b"p@x.io", b"redacted")
    assert redact(raw, NAMED).raw == raw.replace(b"p@x.io", b"redacted").replace(b"Patricia Boyle", b"redacted")
    others = b'{"created_by":{"email":"p@x.io","id":"9"}}'
    assert redact(others, RedactionTarget(frozenset({ME}), frozenset({"created_by"}), NAMED.texts)).raw == others


SAMPLES = {
    "an object": ("owner", '{"name":"Patricia Boyle","id":"ID"}', '{"name":"redacted","id":"ID"}'),
    "another's": ("owner", '{"name":"Ana","id":"9"}', '{"name":"Ana","id":"9"}'),
    "a field of a user": ("created_by.email", '"a@x.io"', '"redacted"'),
    "a field of a module": ("module.name", '"Leads"', '"Leads"'),
    "an object that was cut": ("owner", '[{"name":"Ana","id":"9"},{"name":"Pat","id":"36', None),
    "a name that was cut": ("owner", '{"id":"ID","name":"Patri', '{"id":"ID","name":"redacted"'),
    "a name in text": ("note", '"by Patricia Boyle, p@x.io"', '"by redacted, redacted"'),
    "a cut name in text": ("note", '"by Patricia Bo', '"by '),
    "text that was cut": ("note", '"by Patr', '"by '),
    "other text that was cut": ("note", '"by Ana', '"by Ana'),
    "a word": ("status", '"paused"', '"paused"'),
    "a number": ("a.b.c", "9007199254740993", "9007199254740993"),
    "a path with signs": ('a"b.c', '{"id":ID,"name":"x"}', '{"id":ID,"name":"redacted"}'),
}


@pytest.mark.parametrize(("path", "sample", "after"), SAMPLES.values(), ids=SAMPLES)
def test_samples_are_redacted_where_they_may_be_theirs(path: str, sample: str, after: str | None) -> None:
    expected = '[{"name":"Ana","id":"9"},{"name":"redacted","id":"36' if after is None else after.replace("ID", ME)
    assert redact_sample(path, sample.replace("ID", ME), NAMED) == expected


def test_samples_grow_no_longer() -> None:
    sample = '{"id":"' + ME + '","x":"' + "y" * 156 + '","name":"P'
    assert len(sample) == 200
    assert len(redact_sample("owner", sample, NAMED)) == 200


@pytest.mark.parametrize(
    "spelling", ['"Zoë \\"Z\\" Ö"', '"Zo\\u00eb \\"Z\\" \\u00d6"', '"Zo\\u00EB \\"Z\\" \\u00D6"', 'Zoë "Z" Ö']
)
def test_texts_are_replaced_in_any_spelling(spelling: str) -> None:
    left = redact_text(f"<{spelling}>".encode(), ['Zoë "Z" Ö', "Zoë"])
    assert left.strip(b'<">') == b"redacted"


def test_texts_that_are_too_short_are_not_looked_for() -> None:
    assert redact_text(b"so it is", ["it"]) == b"so it is"
    assert redact_text(b"\xff Ana", ["Ana", "\ud800ab"]) == b"\xff redacted"


def test_texts_of_tokens() -> None:
    assert [text_of(t) for t in (b'"a', b'"a\\', rb'"\x"', b"12", b'"\xff"')] == ["a", "a\\", r"\x", "12", "\ufffd"]
    assert [is_json(t) for t in (b"{}", b"{", b'"\xff"', b"[" * 5000)] == [True, False, False, False]
    assert may_contain(b'{"id":"7"}', ["7"])
    assert not may_contain(rb'{"id":"8","x":"\u00e9"}', ["7"])
    assert may_contain(rb'{"id":"\u0037"}', ["7"])


def sighted(source: dict[str, Any], **how: Any) -> Record:
    decoded = decode_record(json.dumps(source, **how).encode())
    assert not isinstance(decoded, QuarantinedRecord)
    return decoded


def test_a_record_is_redacted_in_all_its_parts_and_keeps_its_digest() -> None:
    person = {"id": ME, "name": "Patricia Boyle", "email": "p@x.io"}
    before = sighted(record("1", modified_by=person, owner=person))
    other = sighted(record("2", created_by={"id": "9", "name": "Ana"}, modified_by={"id": "9", "name": "Ana"}))
    after, same = redact_records([before, other], [ME])
    assert same is other
    assert (after.digest, after.config, after.cadence_id) == (before.digest, before.config, "1")
    assert after.labels == before.labels | {"created_by.name": "redacted", "modified_by.name": "redacted"}
    assert after.extra == {
        "modified_by": {"email": "redacted"},
        "owner": person | {"name": "redacted", "email": "redacted"},
    }
    assert not [part for part in ("Patricia", "p@x.io") if part in str(after)]
    assert redact_records([after], [ME]) == [after]


def test_a_record_whose_names_are_null_is_the_same() -> None:
    before = sighted(RECORD | {"created_by": {"id": ME, "name": None}, "modified_by": {"id": ME}})
    assert redact_records([before], [ME])[0] is before


@pytest.mark.timeout(120)  # linear work takes a second; quadratic work, many minutes
@pytest.mark.parametrize("raw", [b'{"a":', b"[", b'"\\', b'{"id":1,"name":'])
def test_deep_and_endless_texts_take_no_quadratic_time(raw: bytes) -> None:
    redact(raw * 60_000, WANTED)


_KEYS = st.sampled_from(
    ["id", "name", "Full_Name", "email", "x", "module", "custom_view", 'e\u00eb"\\', "execution_details"]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([ME, int(ME), "7", 7, "", "Pat", 2**63 + 1, 1.5, "redacted"]),
    st.text(max_size=5),
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=20
)
_RECORDS = st.dictionaries(_KEYS, _VALUES, max_size=6)


def model(value: Any, depth: int = 0, place: str = "") -> Any:
    """Redact decoded JSON in the plainest way."""
    if isinstance(value, list):
        return [model(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    ids = value.get("id")
    is_place_of_persons = depth > 0 and not (depth == 1 and place in {"module", "custom_view"})
    theirs = is_place_of_persons and not isinstance(ids, bool) and ids in (ME, int(ME))

    def replaced(key: str, each: Any) -> Any:
        if theirs and key.lower().replace("_", "") in PERSON_FIELDS and each not in (None, "") and each is not True:
            return each if each is False else "redacted"
        return model(each, depth + 1, key)

    return {key: replaced(key, each) for key, each in value.items()}


@settings(max_examples=examples(400), deadline=None)
@given(_RECORDS, st.booleans(), st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_it_does_what_the_plainest_way_would_do(
    source: dict[str, Any], ascii_only: bool, indent: int | None, separators: tuple[str, str]
) -> None:
    how: dict[str, Any] = {"ensure_ascii": ascii_only, "indent": indent, "separators": separators}
    raw = json.dumps(source, **how).encode(errors="surrogatepass")
    assert redact(raw, WANTED).raw == json.dumps(model(source), **how).encode(errors="surrogatepass")


@settings(max_examples=examples(400), deadline=None)
@given(_RECORDS, st.data())
def test_a_text_that_was_cut_or_broken_anywhere_keeps_all_but_names(
    source: dict[str, Any], data: st.DataObject
) -> None:
    raw = json.dumps(source).encode()
    raw = raw[: data.draw(st.integers(0, len(raw)))] + data.draw(st.binary(max_size=3))
    spans = list(PersonScan(raw, WANTED, cut=True).outermost())
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(start < end for start, end in spans)
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(raw)]
    kept = [raw[end:start] for end, start in zip(ends, starts, strict=True)]
    assert redact(raw, WANTED, cut=True).raw == b'"redacted"'.join(kept)


def test_big_numbers_and_repeated_keys_survive() -> None:
    raw = of('{"v":3652397000000087529000001,"v":1e400,"by":{"id":ID,"name":"Pat","n":-0.10}}')
    assert redact(raw, WANTED).raw == raw.replace(b"Pat", b"redacted")
