"""The listing over a simulated organization, through a real HTTP client."""

import asyncio
from datetime import UTC, datetime

import pytest

from cadence_sync.core.digest_index import EMPTY_INDEX, DigestIndex
from cadence_sync.core.records import Page
from cadence_sync.errors import (
    AccessError,
    BudgetError,
    CadenceSyncError,
    InconsistentListingError,
    InvalidResponseError,
    TransientError,
)
from cadence_sync.ports import ApiUsage, PagingHint
from cadence_sync.zoho.client import FIRST_PAUSE, LONGEST_PAUSE, Backoff, Client
from cadence_sync.zoho.errors import error_code, error_from_response, parse_retry_after
from tests.core.memory import index_of
from tests.support.zoho import asked, org_at, zoho_source
from tests.zoho.conftest import Zoho


async def test_a_listing_holds_every_cadence_with_all_its_pages(zoho: Zoho) -> None:
    arrived: list[tuple[int, int]] = []
    async with zoho_source(org_at(zoho.url), zoho_per_page=10) as source:
        listing = await source.fetch_listing(PagingHint(), EMPTY_INDEX, lambda *pages: arrived.append(pages))
        assert source.usage == ApiUsage(api_calls=3, pages=3)
    assert {s.cadence_id for s in listing.changed} == zoho.simulator.orgs[0].cadences.keys()
    assert (listing.pages, listing.quarantined, listing.rejected_page_size) == (3, (), None)
    assert arrived == [(1, 1), (2, 2), (3, 3)]
    assert [q["page"] for q in asked(zoho.simulator)] == ["1", "2", "3"]


async def test_v8_lists_the_same_cadences(zoho: Zoho) -> None:
    listings = []
    for version in ("v7", "v8"):
        async with zoho_source(org_at(zoho.url), zoho_api_version=version) as source:
            listings.append(await source.fetch_listing(PagingHint(), EMPTY_INDEX))
    v7, v8 = ({s.cadence_id: dict(s.config) for s in listing.changed} for listing in listings)
    for cadence_id, config in v7.items():
        assert config == {path: v8[cadence_id][path] for path in config}


async def test_an_empty_organization_is_an_empty_listing(zoho: Zoho) -> None:
    zoho.simulator.orgs[0].cadences.clear()
    zoho.simulator.orgs[0].touch()
    async with zoho_source(org_at(zoho.url)) as source:
        listing = await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert (len(listing.changed), listing.seen) == (0, 0)


async def test_with_the_last_page_count_as_hint_pages_are_asked_side_by_side(
    zoho: Zoho, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_them = asyncio.Barrier(9)

    async def wait() -> None:
        """Answer no page before all of them were asked for."""
        if zoho.simulator.journal.counts["token"]:
            await all_of_them.wait()

    monkeypatch.setattr(zoho.simulator, "wait", wait)
    async with zoho_source(org_at(zoho.url), zoho_per_page=3) as source, asyncio.timeout(20):
        assert (await source.fetch_listing(PagingHint(pages=9), EMPTY_INDEX)).pages == 9
        assert source.usage.api_calls == 9


async def test_no_more_requests_are_under_way_than_the_setting_allows(zoho: Zoho) -> None:
    zoho.simulator.change_settings(latency=0.02, max_concurrent=3)
    async with zoho_source(org_at(zoho.url), zoho_per_page=2, zoho_concurrency=3, zoho_max_attempts=1) as source:
        assert (await source.fetch_listing(PagingHint(pages=13), EMPTY_INDEX)).pages == 13
    zoho.simulator.change_settings(latency=2, max_concurrent=3)  # long enough for requests to meet on a busy machine
    async with zoho_source(org_at(zoho.url), zoho_per_page=2, zoho_concurrency=8, zoho_max_attempts=1) as source:
        with pytest.raises(TransientError):
            await source.fetch_listing(PagingHint(pages=13), EMPTY_INDEX)


async def test_a_list_that_grew_past_the_hint_is_read_to_its_end_without_a_wasted_call(zoho: Zoho) -> None:
    async with zoho_source(org_at(zoho.url), zoho_per_page=5) as source:
        listing = await source.fetch_listing(PagingHint(pages=3), EMPTY_INDEX)
        assert (listing.pages, source.usage.api_calls) == (5, 5)


async def test_a_list_that_shrank_below_the_hint_is_still_complete(zoho: Zoho) -> None:
    async with zoho_source(org_at(zoho.url), zoho_per_page=10) as source:
        listing = await source.fetch_listing(PagingHint(pages=6), EMPTY_INDEX)
    assert (listing.pages, len(listing.changed)) == (3, 25)


async def test_a_refused_page_size_is_left_to_the_server_and_not_asked_again(zoho: Zoho) -> None:
    zoho.simulator.change_settings(reject_per_page=True, default_per_page=20)
    async with zoho_source(org_at(zoho.url)) as source:
        listing = await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        assert (listing.pages, listing.rejected_page_size, source.usage.api_calls) == (2, 200, 3)
    async with zoho_source(org_at(zoho.url)) as source:
        await source.fetch_listing(PagingHint(listing.pages, listing.rejected_page_size), EMPTY_INDEX)
        assert source.usage.api_calls == 2


async def test_a_page_size_that_was_taken_and_is_refused_now_is_left_to_the_server(zoho: Zoho) -> None:
    zoho.simulator.change_settings(reject_per_page=True, default_per_page=20)
    async with zoho_source(org_at(zoho.url)) as source:
        listing = await source.fetch_listing(PagingHint(pages=2), EMPTY_INDEX)
        assert (listing.pages, listing.rejected_page_size) == (2, 200)
        assert source.usage.api_calls <= 5


async def test_requests_say_who_asks(zoho: Zoho) -> None:
    async with zoho_source(org_at(zoho.url)) as source:
        await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert {entry.user_agent.split("/")[0] for entry in zoho.simulator.journal.requests} == {"cadence-sync"}


async def test_a_token_that_expired_in_mid_listing_is_renewed_once_and_the_page_asked_again(zoho: Zoho) -> None:
    zoho.strike("status", status=401, code="INVALID_TOKEN", match_page=2)
    async with zoho_source(org_at(zoho.url), zoho_per_page=10) as source:
        assert len((await source.fetch_listing(PagingHint(), EMPTY_INDEX)).changed) == 25
        assert source.usage.api_calls == 4
    assert zoho.simulator.journal.counts["token"] == 2


async def test_a_token_that_is_refused_twice_fails(zoho: Zoho) -> None:
    zoho.strike("status", status=401, code="INVALID_TOKEN", times=2)
    async with zoho_source(org_at(zoho.url)) as source:
        with pytest.raises(AccessError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "INVALID_TOKEN"
    assert zoho.simulator.journal.counts["token"] == 2


async def test_once_a_new_token_was_refused_too_no_more_are_asked_for(zoho: Zoho) -> None:
    zoho.strike("status", status=401, code="INVALID_TOKEN", after=1, times=99)
    async with zoho_source(org_at(zoho.url), zoho_per_page=3) as source:
        for _ in range(3):
            with pytest.raises(AccessError) as caught:
                await source.fetch_listing(PagingHint(pages=9), EMPTY_INDEX)
            assert caught.value.code == "INVALID_TOKEN"
    assert zoho.simulator.journal.counts["token"] == 2


FAULTS: list[tuple[dict[str, object], type[CadenceSyncError], str]] = [
    ({"kind": "status", "status": 500, "code": "INTERNAL_SERVER_ERROR"}, TransientError, "INTERNAL_SERVER_ERROR"),
    ({"kind": "html", "status": 502}, TransientError, "ZOHO_UNAVAILABLE"),
    ({"kind": "html", "status": 200}, TransientError, "INVALID_RESPONSE"),
    ({"kind": "empty"}, TransientError, "INVALID_RESPONSE"),
    ({"kind": "truncated"}, TransientError, "INVALID_RESPONSE"),
    ({"kind": "cut"}, TransientError, "CONNECTION_LOST"),
    ({"kind": "reset"}, TransientError, "CONNECTION_LOST"),
    ({"kind": "status", "status": 429, "code": "TOO_MANY_REQUESTS"}, TransientError, "TOO_MANY_REQUESTS"),
]


@pytest.mark.parametrize(("fault", "error", "code"), FAULTS, ids=[f"{f['kind']} {c}" for f, _, c in FAULTS])
async def test_a_passing_fault_is_survived_and_a_lasting_one_fails(
    zoho: Zoho, fault: dict[str, object], error: type[CadenceSyncError], code: str
) -> None:
    zoho.strike(**fault, times=2)  # type: ignore[arg-type]
    async with zoho_source(org_at(zoho.url), zoho_max_attempts=3) as source:
        assert len((await source.fetch_listing(PagingHint(), EMPTY_INDEX)).changed) == 25
        assert source.usage.api_calls == 3
    zoho.strike(**fault, times=10)  # type: ignore[arg-type]
    before = zoho.simulator.journal.counts["list"]
    async with zoho_source(org_at(zoho.url), zoho_max_attempts=3) as source:
        with pytest.raises(error) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        assert (caught.value.code, caught.value.exit_code) == (code, 4)
        # Where a connection is reset, aiohttp asks once more by itself: those calls are counted too.
        assert source.usage.api_calls == zoho.simulator.journal.counts["list"] - before
        assert source.usage.api_calls == (6 if fault["kind"] == "reset" else 3)


REFUSALS = ["OAUTH_SCOPE_MISMATCH", "AUTHENTICATION_FAILURE", "NO_PERMISSION", "FEATURE_NOT_ENABLED"]


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_is_not_asked_again_and_says_what_to_do(zoho: Zoho, code: str) -> None:
    zoho.strike("status", status=403, code=code, times=5)
    async with zoho_source(org_at(zoho.url), zoho_max_attempts=5) as source:
        with pytest.raises(AccessError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        assert source.usage.api_calls == 1
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert caught.value.hint


async def test_a_redirect_is_not_followed(zoho: Zoho) -> None:
    zoho.strike("redirect", headers={"Location": f"{zoho.url}/elsewhere"})
    async with zoho_source(org_at(zoho.url)) as source:
        with pytest.raises(InvalidResponseError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "REDIRECT"
    assert [e.path for e in zoho.simulator.journal.requests if "elsewhere" in e.path] == []


async def test_a_listing_that_contradicts_itself_is_listed_again_page_by_page(
    zoho: Zoho, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []
    usual = Client.page

    async def page(client: Client, number: int, per_page: int | None, index: DigestIndex) -> Page:
        numbers.append(number)
        return await usual(client, number, per_page, index)

    monkeypatch.setattr(Client, "page", page)
    zoho.strike("end_early", match_page=2)
    async with zoho_source(org_at(zoho.url), zoho_per_page=5) as source:
        listing = await source.fetch_listing(PagingHint(pages=8), EMPTY_INDEX)
    assert (listing.pages, len(listing.changed)) == (5, 25)
    assert numbers[-5:] == [1, 2, 3, 4, 5]


async def test_a_server_that_repeats_a_page_for_ever_is_noticed_within_few_calls(zoho: Zoho) -> None:
    zoho.strike("repeat_page")
    async with zoho_source(org_at(zoho.url), zoho_per_page=10) as source:
        with pytest.raises(InconsistentListingError, match="repeats"):
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        assert source.usage.api_calls <= 10


async def test_a_body_over_the_cap_is_refused(zoho: Zoho) -> None:
    zoho.strike("body", body=b"[" + b" " * (2 * 1024 * 1024) + b"]", times=None)
    async with zoho_source(org_at(zoho.url), zoho_max_body_mb=1) as source:
        with pytest.raises(InvalidResponseError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "BODY_TOO_LARGE"


async def test_an_answer_that_does_not_come_is_given_up(zoho: Zoho) -> None:
    zoho.strike("delay", delay=5)
    async with zoho_source(org_at(zoho.url), zoho_timeout=0.2, zoho_max_attempts=1) as source:
        with pytest.raises(TransientError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "TIMEOUT"


async def test_a_listing_that_does_not_end_in_time_is_given_up(zoho: Zoho) -> None:
    zoho.simulator.change_settings(latency=0.2)
    async with zoho_source(org_at(zoho.url), zoho_per_page=1, zoho_listing_timeout=0.5) as source:
        with pytest.raises(TransientError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "LISTING_TIMEOUT"


async def test_nobody_at_the_address_is_no_connection() -> None:
    async with zoho_source(org_at("http://127.0.0.1:9"), zoho_max_attempts=1) as source:
        with pytest.raises(TransientError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "NO_CONNECTION"


async def test_many_who_need_a_token_ask_for_one(zoho: Zoho) -> None:
    zoho.strike("delay", delay=0.05, target="token")
    async with zoho_source(org_at(zoho.url)) as source, asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(source.fetch_listing(PagingHint(), EMPTY_INDEX))
    assert zoho.simulator.journal.counts["token"] == 1


async def test_v8_looks_for_a_missing_cadence_by_its_id(zoho: Zoho) -> None:
    there, gone = list(zoho.simulator.orgs[0].cadences)[:2]
    zoho.simulator.edit_one("delete", gone)
    async with zoho_source(org_at(zoho.url), zoho_api_version="v8") as source:
        listing = await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        assert await source.confirm(listing, [there, gone], PagingHint(), EMPTY_INDEX) == (listing, frozenset({gone}))
        assert source.usage.api_calls == 3


async def test_v7_looks_for_a_missing_cadence_by_another_listing(zoho: Zoho) -> None:
    there, gone = list(zoho.simulator.orgs[0].cadences)[:2]
    async with zoho_source(org_at(zoho.url)) as source:
        first = await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        zoho.simulator.edit_one("delete", gone)
        stored = index_of({s.cadence_id: s.digest for s in first.changed})
        second, confirmed = await source.confirm(first, [there, gone], PagingHint(), stored)
    assert confirmed == {gone}
    assert second.started_at > first.started_at
    assert (second.missing(), len(second.unchanged)) == ([gone], 24)


@pytest.mark.parametrize("fault", ["html", "empty"])
async def test_an_answer_that_makes_no_sense_does_not_confirm_that_a_cadence_is_gone(zoho: Zoho, fault: str) -> None:
    (there, *_) = zoho.simulator.orgs[0].cadences
    async with zoho_source(org_at(zoho.url), zoho_api_version="v8") as source:
        listing = await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        zoho.strike(fault, status=200, times=9)
        with pytest.raises(TransientError):
            await source.confirm(listing, [there], PagingHint(), EMPTY_INDEX)


async def test_an_answer_about_another_cadence_does_not_confirm_that_one_is_there(zoho: Zoho) -> None:
    async with zoho_source(org_at(zoho.url), zoho_api_version="v8") as source:
        listing = await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        zoho.strike("body", body=b'{"cadences": [{"id": "404"}]}', times=9)
        with pytest.raises(TransientError):
            await source.confirm(listing, ["405"], PagingHint(), EMPTY_INDEX)


@pytest.mark.parametrize("how", [{"status": 400, "code": "INVALID_DATA"}, {"status": 404}, {"status": 500}])
async def test_a_list_that_shrank_is_read_whatever_the_server_says_to_pages_past_its_end(
    zoho: Zoho, how: dict[str, object]
) -> None:
    for number in range(4, 9):
        zoho.strike("status", match_page=number, times=9, **how)
    async with zoho_source(org_at(zoho.url), zoho_per_page=10) as source:
        listing = await source.fetch_listing(PagingHint(pages=8), EMPTY_INDEX)
    assert (listing.pages, len(listing.changed)) == (3, 25)


@pytest.mark.parametrize("code", ["A\u0000B", "x" * 100_000, "lower case"])
async def test_a_code_that_is_none_is_not_repeated(zoho: Zoho, code: str) -> None:
    zoho.strike("status", status=403, code=code)
    async with zoho_source(org_at(zoho.url)) as source:
        with pytest.raises(AccessError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert caught.value.code == "ACCESS_DENIED"


NO_JSON = [b"", b"<html>", b"[" * 100_000, b'{"code":"\xff"}', b'{"code":"\xc3"', b"[]", b'{"code":7}']


@pytest.mark.parametrize("body", NO_JSON, ids=[repr(body[:12]) for body in NO_JSON])
def test_a_refusal_without_a_code_goes_by_its_status(body: bytes) -> None:
    assert error_code(body) is None
    assert isinstance(error_from_response(500, body), TransientError)
    assert isinstance(error_from_response(403, body), AccessError)


@pytest.mark.parametrize("reported", ["\u00b2", "-1", "1e9", "99999999999", "soon"])
async def test_a_retry_after_that_is_no_time_is_passed_over(zoho: Zoho, reported: str) -> None:
    zoho.strike("status", status=429, code="TOO_MANY_REQUESTS", headers={"Retry-After": reported})
    async with zoho_source(org_at(zoho.url)) as source:
        assert len((await source.fetch_listing(PagingHint(), EMPTY_INDEX)).changed) == 25


async def test_no_more_calls_are_made_than_allowed(zoho: Zoho) -> None:
    async with zoho_source(org_at(zoho.url), zoho_per_page=3) as source:
        with pytest.raises(BudgetError):
            await source.fetch_listing(PagingHint(pages=9, allowance=5), EMPTY_INDEX)
    assert zoho.simulator.journal.counts["list"] <= 5
    async with zoho_source(org_at(zoho.url), zoho_per_page=3) as source:
        assert (await source.fetch_listing(PagingHint(pages=9, allowance=9), EMPTY_INDEX)).pages == 9


@pytest.mark.parametrize("fault", ["html", "reset"])
async def test_retries_count_against_the_allowance(zoho: Zoho, fault: str) -> None:
    zoho.strike(fault, times=99)
    async with zoho_source(org_at(zoho.url), zoho_max_attempts=20) as source:
        with pytest.raises(BudgetError):
            await source.fetch_listing(PagingHint(allowance=4), EMPTY_INDEX)
    assert zoho.simulator.journal.counts["list"] == 4


async def test_the_credits_that_zoho_says_are_left_are_noted(zoho: Zoho) -> None:
    zoho.simulator.change_settings(credits=10)
    async with zoho_source(org_at(zoho.url), zoho_per_page=4) as source:
        await source.fetch_listing(PagingHint(), EMPTY_INDEX)
        assert source.usage == ApiUsage(api_calls=7, pages=7, credits_left=3)


NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reported", "wait"),
    [
        ("0", 0),
        ("120", 120),
        ("Mon, 05 Jan 2026 09:00:30 GMT", 30),
        ("Mon, 05 Jan 2026 10:00:00 +0100", 0),
        ("Mon, 05 Jan 2026 08:00:00 GMT", 0),
        ("soon", None),
        ("Mon, 99 Jan 2026 09:00:30 GMT", None),
        (None, None),
    ],
)
def test_how_long_zoho_asks_to_wait(reported: str | None, wait: float | None) -> None:
    assert parse_retry_after(reported, NOW) == wait
    error = error_from_response(429, b"", wait)
    assert isinstance(error, TransientError)
    assert wait is None or Backoff()(error) == wait


def test_pauses_are_anything_between_nothing_and_a_bound_that_doubles() -> None:
    pauses = [[backoff(TransientError("later")) for _ in range(9)] for backoff in (Backoff() for _ in range(400))]
    for number, column in enumerate(zip(*pauses, strict=True)):
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2**number)
        assert 0 <= min(column) < bound / 10, "full jitter reaches down to nothing"
        assert bound * 0.9 < max(column) <= bound


def test_what_cannot_pass_is_not_asked_again() -> None:
    assert Backoff()(InvalidResponseError("a redirect")) is False
