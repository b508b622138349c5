"""A key that comes twice: harmless with one value, and with two of them no fact at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core.decode import decode_page, decode_record
from cadence_sync.core.records import QuarantinedRecord, Record
from cadence_sync.errors import InvalidResponseError
from tests.core.facts import PROPERTY
from tests.support.oracle import meaning

TWO_VALUES = {
    "of the record": (b'{"id":"7","name":"a","name":"b"}', "7", "'name'"),
    "of an inner object": (b'{"id":"7","module":{"id":"1","id":"2"}}', "7", "'id'"),
    "of a rule": (
        b'{"id":"7","execution_details":{"unenroll_properties":[{"type":"a","type":"b"}]}}',
        "7",
        "'type'",
    ),
    "of an unknown object": (b'{"id":"7","x":[{"y":{"z":1,"z":2}}]}', "7", "'z'"),
    "its id": (b'{"id":"7","id":"8"}', None, "'id'"),
    "one of them escaped": (rb'{"id":"7","name":"a","n\u0061me":"b"}', "7", "'name'"),
    "beside escaped quotes": (rb'{"id":"7","name":"a","name":"\u0022\u0022b"}', "7", "'name'"),
    "with as many quotes escaped as are lost": (rb'{"id":"7","name":1,"name":"\u0022\u0022"}', "7", "'name'"),
    "null and a value": (b'{"id":"7","name":null,"name":"b"}', "7", "'name'"),
    "a number and a text": (b'{"id":"7","x":1,"x":"1"}', "7", "'x'"),
    "a number and a boolean": (b'{"id":"7","x":1,"x":true}', "7", "'x'"),
    "objects": (b'{"id":"7","x":{"y":1},"x":{"y":2}}', "7", "'x'"),
    "three times": (b'{"id":"7","x":1,"x":1,"x":2}', "7", "'x'"),
    "there and back": (b'{"id":"7","x":1,"x":2,"x":1}', "7", "'x'"),
}
ONE_VALUE = {
    "text": b'{"id":"7","name":"a","name":"a"}',
    "the id": b'{"id":"7","id":"7"}',
    "written in another way": rb'{"id":"7","name":"a","name":"\u0061"}',
    "objects in another order": b'{"id":"7","x":{"y":1,"z":2},"x":{"z":2,"y":1}}',
}
INFO = b'"info":{"per_page":2,"count":1,"page":1,"more_records":false}'


@pytest.mark.parametrize(("raw", "cadence_id", "key"), TWO_VALUES.values(), ids=TWO_VALUES)
def test_two_values_of_one_key_are_quarantined(raw: bytes, cadence_id: str | None, key: str) -> None:
    reason = f"the key {key} comes twice with different values"
    assert decode_record(raw) == QuarantinedRecord(cadence_id, reason, raw)


@pytest.mark.parametrize("raw", ONE_VALUE.values(), ids=ONE_VALUE)
def test_one_value_twice_is_harmless(raw: bytes) -> None:
    record = decode_record(raw)
    assert isinstance(record, Record)
    once = decode_record(json.dumps(json.loads(raw)).encode())
    assert isinstance(once, Record)
    assert meaning(record) == meaning(once)


@pytest.mark.parametrize("text", ['"', '""', r"\"", r"\u0022", "a:b", '{"id":1,"id":2}'])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_quotes_in_text_are_no_keys(text: str, ascii_only: bool) -> None:
    raw = json.dumps({"id": "7", "name": text, f"x{text}": text}, ensure_ascii=ascii_only).encode()
    for written in (raw, raw.replace(rb"\"", rb"\u0022")):
        record = decode_record(written)
        assert isinstance(record, Record), written
        assert record.config["name"] == text


@pytest.mark.parametrize(
    "body",
    [
        b'{"cadences":[{"id":"7"}],"cadences":[{"id":"8"}],' + INFO + b"}",
        b'{"cadences":[{"id":"7"}],"cadences":[],' + INFO + b"}",
        b'{"cadences":[{"id":"7","x":NaN}],"cadences":[{"id":"8"}],' + INFO + b"}",
        b'{"cadences":[{"id":"7","x":NaN}],' + INFO + b"," + INFO.replace(b"false", b"true") + b"}",
        b'{"cadences":[{"id":"7"}],' + INFO.replace(b"}", b',"more_records":true}') + b"}",
        b'{"cadences":[{"id":"7"}],' + INFO.replace(b"}", b',"more_r\\u0065cords":true}') + b"}",
        b'{"cadences":[{"id":"7"}],"\\u0022\\u0022":1,' + INFO + b"," + INFO + b"}",
    ],
)
def test_a_page_that_says_two_things_is_no_page(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        decode_page(body)


def test_more_keys_than_are_known_are_no_repeated_ones() -> None:
    info = INFO.replace(b"}", b',"sort":{"by":"id","by":"name"},"token":"a\\u0022b\\""}')
    page = decode_page(b'{"more":"\\u0022\\"","cadences":[{"id":"7","name":"a\\u0022b"}],' + info + b',"x":["y"]}')
    assert [record.cadence_id for record in page.records] == ["7"]


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
_NESTED = st.recursive(_VALUES, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=2), v, max_size=2))


@PROPERTY
@given(st.lists(st.tuples(st.sampled_from(['"', "\\", "x:", "y", "é"]), _NESTED), max_size=4), st.booleans())
def test_whatever_the_values_only_two_of_one_key_are_refused(pairs: list[tuple[str, object]], ascii_only: bool) -> None:
    def written(value: object) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, sort_keys=True)

    members = ",".join(f"{written(key)}:{written(value)}" for key, value in [("id", "7"), *pairs])
    found = decode_record(f"{{{members}}}".encode())
    clashing = any(k == other and written(v) != written(w) for k, v in pairs for other, w in pairs)
    nul = any("\\u0000" in json.dumps(value) or "\x00" in str(value) for _, value in pairs)
    assert isinstance(found, QuarantinedRecord) is (clashing or nul)
