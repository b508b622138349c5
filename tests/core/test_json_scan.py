import pytest

from cadence_sync.core.decode import BordersError, nests_deeper, split_records, top_level_id

SPLIT = {
    "nothing": (b'{"cadences":[],"x":1}', []),
    "several": (b'{"cadences" : [ {"a":1} , {"b":2} ] }', [b'{"a":1}', b'{"b":2}']),
    "brackets in text": (b'{"cadences":[{"a":"]}"},{"b":"[{"}]}', [b'{"a":"]}"}', b'{"b":"[{"}']),
    "quotes in text": (rb'{"cadences":[{"a":"\"]}"},{"b":"\\"}]}', [rb'{"a":"\"]}"}', rb'{"b":"\\"}']),
    "a line end after a backslash": (b'{"cadences":[{"a":"\\\n]"}]}', [b'{"a":"\\\n]"}']),
    "nested lists": (b'{"cadences":[{"a":[{"b":[]}]}]}', [b'{"a":[{"b":[]}]}']),
    "a deeper list of that name": (b'{"info":{"cadences":[{"z":0}]},"cadences":[{"a":1}]}', [b'{"a":1}']),
    "the name as a value": (b'{"x":"cadences","cadences":[{"a":1}]}', [b'{"a":1}']),
    "what is no object": (
        b'{"cadences":[null, {"a":1},5,"x,]",[2] ,NaN ]}',
        [b"null", b'{"a":1}', b"5", b'"x,]"', b"[2]", b"NaN"],
    ),
    "broken records": (b'{"cadences":[{"a":NaN},{"b":"\xff"}]}', [b'{"a":NaN}', b'{"b":"\xff"}']),
}


@pytest.mark.parametrize(("body", "records"), SPLIT.values(), ids=SPLIT)
def test_records_are_reported_apart(body: bytes, records: list[bytes]) -> None:
    found, rest = split_records(body)
    assert found == records
    assert rest.count(b"[]") == body.count(b"[]", 0, body.index(b"cadences")) + 1


UNBORDERED = {
    "no body": b"",
    "no list": b'{"data":[]}',
    "a list of no name": b"[{}]",
    "an object instead": b'{"cadences":{}}',
    "cut between records": b'{"cadences":[{"a":1},',
    "cut in a record": b'{"cadences":[{"a":1},{"b":',
    "cut in text": b'{"cadences":[{"a":1},{"b":"]}',
    "cut behind a backslash": b'{"cadences":[{"a":"\\',
}


@pytest.mark.parametrize("body", UNBORDERED.values(), ids=UNBORDERED)
def test_a_list_without_borders_is_refused(body: bytes) -> None:
    with pytest.raises(BordersError):
        split_records(body)


@pytest.mark.timeout(120)  # linear work takes a second; quadratic work, hours
def test_a_body_of_open_quotes_takes_no_quadratic_time() -> None:
    body = b'{"cadences":[' + rb"\"" * 1_000_000 + b"\\"
    with pytest.raises(BordersError):
        split_records(body)


IDS = {
    "text": (b'{"id":"3652397000017949001","name":NaN}', "3652397000017949001"),
    "number": (b'{"name":NaN,"id": 2001 }', "2001"),
    "uuid": (b'{"id":"5b5e31a2-7ad1","name":NaN}', "5b5e31a2-7ad1"),
    "not that of an inner object": (b'{"module":{"id":"5"},"id":"7"}', "7"),
    "only that of an inner object": (b'{"module":{"id":"5"}}', None),
    "the same twice": (b'{"id":"7","id":"7"}', "7"),
    "two of them": (b'{"id":"7","id":"8"}', None),
    "empty": (b'{"id":""}', None),
    "null": (b'{"id":null}', None),
    "an object": (b'{"id":{"id":"7"}}', None),
    "a fraction": (b'{"id":7.5}', None),
    "an exponent": (b'{"id":7e3}', None),
    "escaped": (rb'{"id":"\u0037"}', None),
    "longer than an id": (b'{"id":"' + b"7" * 65 + b'"}', None),
    "the word as a value": (b'{"name":"id","id":"7"}', "7"),
    "none": (b'{"name":"x"}', None),
}


@pytest.mark.parametrize(("record", "cadence_id"), IDS.values(), ids=IDS)
def test_the_own_id_of_a_broken_record(record: bytes, cadence_id: str | None) -> None:
    assert top_level_id(record) == cadence_id


@pytest.mark.parametrize(
    ("record", "deeper"),
    [
        (b"{}", False),
        (b"[[[]]]", False),
        (b"[[[[]]]]", True),
        (b'{"a":{"b":{"c":{}}}}', True),
        (b"[[],[],[],[],[]]", False),
        (b'["[[[[", "{{{{"]', False),
    ],
)
def test_nesting_is_measured_in_brackets_outside_text(record: bytes, deeper: bool) -> None:
    assert nests_deeper(record, 3) is deeper
