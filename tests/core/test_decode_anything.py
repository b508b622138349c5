"""Whatever bytes come, a page comes out of them or a `InvalidResponseError`: nothing else is raised."""

from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence_sync.core.decode import decode_page
from cadence_sync.core.records import Page, Record
from cadence_sync.errors import InvalidResponseError
from tests.support.examples import examples

MANY = settings(max_examples=examples(400), deadline=None)

_SAMPLES = Path(__file__).parent / "samples"
_PAGES = [(_SAMPLES / name).read_bytes() for name in ("v7-list.json", "v8-list.json")]
_PIECES = [
    *(bytes([byte]) for byte in b'{}[]",:\\ 01'),
    *(b"\xff", b"\0", b"null", b"true", b"NaN", b"1e400", b"9" * 5000, rb"\ud800", rb"\u0000", b'"id":"7"'),
    *(b'"cadences":[', b'"info":{"per_page":2,"count":1,"page":1,"more_records":false}', b'{"id":7}'),
    *(b"[" * 1200, b"]" * 1200, b'{"a":' * 1200, b'"execution_details":{"unenroll_properties":['),
]


def _decoded(body: bytes) -> Page | None:
    """Decode a body; what is read must be in it, as JSON that another reader reads too."""
    try:
        page = decode_page(body)
    except InvalidResponseError:
        return None
    position = 0
    for record in page.records:
        position = body.index(record.raw, position) + len(record.raw)
        if isinstance(record, Record):
            msgspec.json.decode(record.raw)
            assert record.cadence_id == record.config["id"]
        else:
            assert record.reason
    assert page.info is not None
    return page


@MANY
@given(st.binary(max_size=200))
def test_arbitrary_bytes(body: bytes) -> None:
    assert _decoded(body) is None


@MANY
@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join))
def test_pieces_of_json_in_any_order(body: bytes) -> None:
    _decoded(body)
    _decoded(b'{"cadences":[' + body)


@MANY
@given(
    page=st.sampled_from(_PAGES),
    cuts=st.lists(
        st.tuples(st.integers(0, 2100), st.integers(0, 30), st.sampled_from(_PIECES) | st.binary(max_size=3)),
        min_size=1,
        max_size=4,
    ),
)
def test_real_pages_with_some_bytes_replaced(page: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    body = page
    for start, length, piece in cuts:
        body = body[:start] + piece + body[start + length :]
    _decoded(body)


@MANY
@given(page=st.sampled_from(_PAGES), data=st.data())
def test_a_real_page_that_ends_early_is_never_taken_for_whole(page: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(page.rstrip()) - 1))
    assert _decoded(page[:end]) is None
