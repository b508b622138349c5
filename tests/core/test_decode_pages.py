"""A page: one bad record never fails its good neighbors; a body without a list fails as a whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core.decode import decode_page, listed_ids
from cadence_sync.core.digest_index import digest_of
from cadence_sync.core.records import PageInfo, QuarantinedRecord, Record
from cadence_sync.errors import InvalidResponseError
from tests.core.facts import PROPERTY
from tests.core.memory import index_of
from tests.support.records import listing, record

BAD: dict[str, tuple[bytes, str | None]] = {
    "lone high surrogate": (rb'{"id":"7","name":"\ud83d"}', "7"),
    "lone low surrogate": (rb'{"id":"7","name":"\udc00"}', "7"),
    "surrogate and a letter": (rb'{"name":"\ud800\u0041","id":"7"}', "7"),
    "invalid UTF-8": (b'{"id":"7","name":"\xff"}', "7"),
    "a surrogate in UTF-8": (b'{"id":"7","name":"\xed\xa0\x80"}', "7"),
    "NaN": (b'{"id":"7","x":NaN}', "7"),
    "minus Infinity": (b'{"id":"7","x":-Infinity}', "7"),
    "number beyond a double": (b'{"id":"7","x":1e400}', "7"),
    "number of 5,000 digits": (b'{"id":"7","x":' + b"9" * 5000 + b"}", "7"),
    "lists 10,000 deep": (b'{"id":"7","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "7"),
    "objects 10,000 deep": (b'{"id":"7","x":' + b'{"x":' * 10_000 + b"1" + b"}" * 10_001, "7"),
    "lists 101 levels deep": (b'{"id":"7","x":' + b"[" * 100 + b"]" * 100 + b"}", "7"),
    "rules 900 deep": (
        b'{"id":"7","execution_details":{"unenroll_properties":[{"type":"a","x":' + b"[" * 900 + b"]" * 900 + b"}]}}",
        "7",
    ),
    "control character": (b'{"id":"7","name":"a\nb"}', "7"),
    "unknown escape": (rb'{"id":"7","name":"\x"}', "7"),
    "trailing comma": (b'{"id":"7",}', "7"),
    "U+0000 in a name": (rb'{"id":"7","name":"a\u0000"}', "7"),
    "U+0000 in a label": (rb'{"id":"7","module":{"id":"1","api_name":"\u0000"}}', "7"),
    "U+0000 in an unknown value": (rb'{"id":"7","x":{"y":["\u0000"]}}', "7"),
    "U+0000 in an unknown key": (rb'{"id":"7","\u0000":1}', "7"),
    "wrong shape": (b'{"id":"7","summary":[1]}', "7"),
    "wrong type": (b'{"id":"7","active":"perhaps"}', "7"),
    "time without an offset": (b'{"id":"7","created_time":"2024-07-17T20:38:22"}', "7"),
    "no id": (b'{"name":"x"}', None),
    "null id": (b'{"id":null,"name":"x"}', None),
    "empty id": (b'{"id":"","name":"x"}', None),
    "id of another shape": (b'{"id":["7"]}', None),
    "broken id": (rb'{"id":"\ud800"}', None),
    "list": (b'[{"id":"7"}]', None),
    "number": (b"7", None),
    "text": (b'"7"', None),
    "null": (b"null", None),
}


def _page(*records: bytes) -> bytes:
    info = f'{{"per_page":200,"count":{len(records)},"page":1,"more_records":false}}'
    return b'{"cadences":[' + b",".join(records) + b'],"info":' + info.encode() + b"}"


@pytest.mark.parametrize(("bad", "cadence_id"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_record_is_quarantined_and_its_neighbors_are_read(bad: bytes, cadence_id: str | None, place: int) -> None:
    records = [json.dumps(record(i)).encode() for i in ("1", "2")]
    page = decode_page(_page(*records[:place], bad, *records[place:]))
    found = list(page.records)
    quarantined = found.pop(place)
    assert isinstance(quarantined, QuarantinedRecord)
    assert (quarantined.cadence_id, quarantined.raw) == (cadence_id, bad)
    assert quarantined.reason
    assert "\0" not in quarantined.reason
    assert [(type(r), r.cadence_id, r.raw) for r in found] == [
        (Record, "1", records[0]),
        (Record, "2", records[1]),
    ]
    assert page.info == PageInfo(page=1, per_page=200, count=3, more_records=False)


_SPLIT = [bad for bad in BAD.values() if bad[0].startswith(b"{")]
_GOOD = st.sampled_from(["11", "12", "13"]).map(lambda i: (json.dumps(record(i)).encode(), i))


@PROPERTY
@given(st.lists(st.sampled_from(_SPLIT) | _GOOD, max_size=6))
def test_any_mixture_of_good_and_bad_records_keeps_its_order(records: list[tuple[bytes, str | None]]) -> None:
    page = decode_page(_page(*(raw for raw, _ in records)))
    assert [(found.raw, found.cadence_id) for found in page.records] == records
    assert page.info is not None
    assert page.info.count == len(page.records)


def test_a_hundred_levels_are_not_too_deep() -> None:
    deep = b'{"id":"7","x":' + b"[" * 99 + b"]" * 99 + b"}"
    assert isinstance(decode_page(_page(deep)).records[0], Record)


def test_many_shallow_brackets_are_not_deep() -> None:
    wide = b'{"id":"7","x":[' + b",".join([b"{}"] * 500) + b"]}"
    assert isinstance(decode_page(_page(wide)).records[0], Record)


NO_LIST = {
    "no body": b"",
    "white space": b" \r\n",
    "a gateway's page": b"<html><head><title>502</title></head></html>",
    "half a body": listing([record("1"), record("2")])[:-200],
    "half a record": listing([record("1"), record("2")])[:300],
    "an error in Zoho's form": b'{"code":"INTERNAL_SERVER_ERROR","message":"","status":"error","details":{}}',
    "a list": b'[{"id":"1"}]',
    "null": b"null",
    "null for the list": listing([]).replace(b"[]", b"null"),
    "an object for the list": listing([]).replace(b"[]", b"{}"),
    "no info": b'{"cadences":[{"id":"1"}]}',
    "null for info": b'{"cadences":[],"info":null}',
    "info without a key": b'{"cadences":[],"info":{"per_page":200,"count":0,"page":1}}',
    "a word for a number": listing([]).replace(b'"page": 1', b'"page": "one"'),
    "a bad record and no info": rb'{"cadences":[{"id":"1","name":"\ud800"}]}',
    "a bad record and half an info": listing([record(name="X")]).replace(b'"X"', b"NaN")[:-10],
    "depth outside the list": b'{"cadences":[],"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a list that is closed twice": listing([record()]).replace(b"}]", b"}]]", 1),
}


@pytest.mark.parametrize("body", NO_LIST.values(), ids=NO_LIST)
def test_a_body_that_is_no_list_of_cadences_is_a_invalid_response(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as raised:
        decode_page(body)
    assert raised.value.message.startswith("Zoho's answer is not a list of cadences")
    assert raised.value.hint
    assert raised.value.exit_code == 4


def test_an_empty_list_is_a_page_without_records() -> None:
    page = decode_page(listing([]))
    assert page.records == ()
    assert page.info == PageInfo(page=1, per_page=200, count=0, more_records=False)


def test_what_zoho_adds_to_the_envelope_is_passed_over() -> None:
    body = listing([record()]).replace(b'"page":', b'"page_token":null,"page":')
    assert decode_page(b'{"x":[1],' + body[1:]).records == decode_page(listing([record()])).records


def test_the_ids_of_a_body_are_found_without_reading_its_records() -> None:
    body = b'{"cadences": [{"id": "1", "follow_ups": [{"id": "9"}]}, {"name": "x"}], "more": [{"id": "3"}]}'
    assert listed_ids(body) == ["1", None]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"cadences": {}}', b'{"cadences": [{"id": "1"}'])
def test_a_body_without_a_list_of_cadences_has_no_ids(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        listed_ids(body)


def test_what_is_stored_to_the_byte_is_not_decoded() -> None:
    known, new = json.dumps(record("1")).encode(), json.dumps(record("2")).encode()
    index = index_of({"1": digest_of(known)})
    page = decode_page(_page(known, new), index)
    assert [index.id_at(position) for position in page.unchanged] == ["1"]
    assert [r.raw for r in page.records] == [new]
    assert len(page) == 2


def test_what_is_stored_to_the_byte_is_found_beside_a_record_that_no_decoder_reads() -> None:
    known = json.dumps(record("1")).encode()
    page = decode_page(_page(b'{"id": "2", "name": NaN}', known), index_of({"1": digest_of(known)}))
    assert (page.unchanged, [r.cadence_id for r in page.records]) == ((0,), ["2"])
