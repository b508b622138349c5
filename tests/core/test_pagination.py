"""A listing: which pages it asks for, and which answers it does not believe."""

import random
from tempfile import TemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.core.listing import Paginator
from cadence_sync.core.records import Page, PageInfo, QuarantinedRecord, Record
from cadence_sync.errors import InconsistentListingError
from tests.core.facts import PROPERTY
from tests.core.memory import START, MadeRecord, decode_one, index_of

EMPTY = Page(None, ())


def _cadence(number: int, name: str = "a") -> Record:
    return decode_one({"id": str(number), "name": name})


def _bad(cadence_id: str | None, raw: bytes = b"?") -> QuarantinedRecord:
    return QuarantinedRecord(cadence_id, "broken", raw)


def _page(number: int, *records: MadeRecord, more: bool = False, per_page: int = 2) -> Page:
    return Page(PageInfo(number, per_page, len(records), more), records)


def _paginator(*answers: tuple[int, Page], expected_pages: int = 1) -> Paginator:
    paginator = Paginator(EMPTY_INDEX, TemporaryFile, expected_pages)
    for number, page in answers:
        paginator.add_page(number, page)
    return paginator


def _records(paginator: Paginator) -> list[MadeRecord]:
    listing = paginator.listing(START)
    return [*listing.changed, *listing.quarantined]


def _number(found: MadeRecord) -> int:
    return int(found.cadence_id or 0)


ALL = [_cadence(n) for n in range(60)]


@PROPERTY
@given(
    count=st.integers(0, 60),
    per_page=st.integers(1, 9),
    hint=st.integers(-1, 70),
    past_the_end=st.booleans(),
    rng=st.randoms(use_true_random=True),
)
def test_a_listing_reads_the_whole_list_whatever_is_hinted_and_whichever_answer_is_first(
    *, count: int, per_page: int, hint: int, past_the_end: bool, rng: random.Random
) -> None:
    records = ALL[:count]
    last = max(1, -(-count // per_page))
    paginator, asked = Paginator(EMPTY_INDEX, TemporaryFile, hint), list[int]()
    while wanted := paginator.next_pages():
        asked += wanted
        for number in rng.sample(wanted, len(wanted)):
            part = records[(number - 1) * per_page : number * per_page]
            page = _page(number, *part, more=number < last, per_page=per_page)
            paginator.add_page(number, page if part or past_the_end else EMPTY)
    assert sorted(_records(paginator), key=_number) == records
    assert paginator.listing(START).pages == last
    assert asked == list(range(1, max(last, hint) + 1))


def test_as_many_pages_as_there_were_are_asked_at_once_then_one_by_one() -> None:
    paginator, asked = Paginator(EMPTY_INDEX, TemporaryFile, 3), []
    for _ in range(3):
        asked.append(paginator.next_pages())
        for n in asked[-1]:
            paginator.add_page(n, _page(n, _cadence(n), more=True))
    assert asked == [[1, 2, 3], [4], [5]]
    assert paginator.next_pages() == [6]


def test_the_empty_answer_to_page_1_is_an_empty_list() -> None:
    paginator = _paginator((1, EMPTY), expected_pages=4)
    assert (paginator.next_pages(), _records(paginator), paginator.listing(START).pages) == ([], [], 1)


ONE, TWO, THREE = _cadence(1), _cadence(2), _cadence(3)

REFUSED_AT_ONCE: dict[str, list[tuple[int, Page]]] = {
    "another page than was asked for": [(2, _page(1, ONE))],
    "fewer records than it says": [(1, Page(PageInfo(1, 2, 2, more_records=False), (ONE,)))],
    "more records than it says": [(1, Page(PageInfo(1, 2, 0, more_records=False), (ONE,)))],
    "empty and promising more": [(1, _page(1, more=True))],
    "the records of an earlier page": [(1, _page(1, ONE, TWO, more=True)), (2, _page(2, ONE, TWO, more=True))],
    "unreadable records of an earlier page": [
        (1, _page(1, _bad(None), more=True)),
        (2, _page(2, _bad(None), more=True)),
    ],
}


@pytest.mark.parametrize("answers", REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE)
def test_an_answer_that_cannot_be_the_page_is_refused_when_it_arrives(answers: list[tuple[int, Page]]) -> None:
    paginator = _paginator(*answers[:-1])
    with pytest.raises(InconsistentListingError):
        paginator.add_page(*answers[-1])


FIRST = (1, _page(1, ONE, TWO, more=True))

REFUSED_IN_THE_END: dict[str, list[tuple[int, Page]]] = {
    "no answer": [],
    "no last page": [FIRST],
    "no first page": [(2, _page(2, TWO))],
    "a gap": [FIRST, (3, _page(3, THREE))],
    "nothing where more was promised": [FIRST, (2, EMPTY)],
    "an empty page where more was promised": [FIRST, (2, _page(2))],
    "records behind the last page": [FIRST, (2, _page(2, THREE)), (3, _page(3, _cadence(4)))],
    "records behind a first page that is the last": [(1, _page(1, ONE)), (2, _page(2, TWO))],
    "pages of different sizes": [FIRST, (2, _page(2, THREE, per_page=50))],
    "one cadence in two states": [FIRST, (2, _page(2, _cadence(2, "b")))],
    "one cadence readable and not": [FIRST, (2, _page(2, _bad("2")))],
    "one cadence not readable and then readable": [
        (1, _page(1, _bad("2"), more=True)),
        (2, _page(2, TWO)),
    ],
    "one unreadable cadence in two states": [
        (1, _page(1, _bad("1"), more=True)),
        (2, _page(2, _bad("1", b"!"))),
    ],
}


@pytest.mark.parametrize("answers", REFUSED_IN_THE_END.values(), ids=REFUSED_IN_THE_END)
def test_pages_that_do_not_fit_together_are_no_listing(answers: list[tuple[int, Page]]) -> None:
    paginator = _paginator(*answers)
    with pytest.raises(InconsistentListingError):
        paginator.listing(START)


def test_the_same_cadence_in_the_same_state_on_two_pages_is_one() -> None:
    same = decode_one({"name": "a", "id": 2})
    assert same.raw != TWO.raw
    assert _records(_paginator(FIRST, (2, _page(2, same, THREE)))) == [ONE, TWO, THREE]


def test_the_same_unreadable_cadence_on_two_pages_is_one_and_those_without_an_id_are_all_kept() -> None:
    bad, anonymous = _bad("9"), _bad(None)
    paginator = _paginator((1, _page(1, anonymous, bad, more=True)), (2, _page(2, bad, anonymous, ONE)))
    assert _records(paginator) == [ONE, bad, anonymous, anonymous]


def test_empty_pages_past_the_end_may_say_another_size() -> None:
    assert _records(_paginator((1, _page(1, ONE)), (2, _page(2, per_page=50)), (3, EMPTY))) == [ONE]


STORED = index_of({"1": ONE.digest, "2": TWO.digest})


def _stored(*records: Record) -> tuple[int, ...]:
    return tuple(position for r in records if (position := STORED.find(r.digest)) is not None)


def _against_the_store(*pages: Page) -> Paginator:
    paginator = Paginator(STORED, TemporaryFile)
    for number, page in enumerate(pages, 1):
        paginator.add_page(number, page)
    return paginator


def _info(number: int, count: int, *, more: bool = False) -> PageInfo:
    return PageInfo(number, 2, count, more)


def test_what_is_stored_to_the_byte_is_marked_and_one_that_moved_to_the_next_page_is_one() -> None:
    first = Page(_info(1, 2, more=True), (THREE,), _stored(ONE))
    listing = _against_the_store(first, Page(_info(2, 2), (), _stored(ONE, TWO))).listing(START)
    assert (list(listing.changed), sorted(listing.unchanged.found()), listing.missing()) == ([THREE], ["1", "2"], [])
    assert listing.seen == 3


@pytest.mark.parametrize("other", [_cadence(1, "b"), _bad("1")], ids=["changed", "unreadable"])
def test_a_cadence_that_is_both_as_stored_and_not_makes_no_listing(other: MadeRecord) -> None:
    first = Page(_info(1, 2, more=True), (THREE,), _stored(ONE))
    with pytest.raises(InconsistentListingError, match="Cadence 1 came twice"):
        _against_the_store(first, Page(_info(2, 1), (other,))).listing(START)


def test_a_page_of_stored_records_that_comes_again_is_noticed() -> None:
    page = Page(_info(1, 2, more=True), (), _stored(ONE, TWO))
    with pytest.raises(InconsistentListingError, match="repeats"):
        _against_the_store(page, Page(_info(2, 2, more=True), (), page.unchanged))
