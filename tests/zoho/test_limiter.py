import asyncio

import pytest

from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.ports import PagingHint
from cadence_sync.zoho.client import Limiter
from cadence_sync.zoho.source import ZohoSource
from tests.support.zoho import org_at, zoho_source
from tests.zoho.conftest import Zoho


async def most_at_once(limiter: Limiter, people: int) -> int:
    inside, most = 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with limiter.slot():
            inside += 1
            most = max(most, inside)
            for _ in range(3):
                await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(people):
            group.create_task(visit())
    return most


async def test_it_admits_as_many_as_its_limit_which_a_refusal_halves_down_to_one() -> None:
    limiter = Limiter(8)
    for limit in (8, 4, 2, 1, 1):
        assert (limiter.limit, await most_at_once(limiter, 20)) == (limit, limit)
        limiter.refused()


async def test_the_limit_recovers_by_one_for_a_round_of_successes_and_not_beyond_its_top() -> None:
    limiter = Limiter(8)
    limiter.refused()
    for _ in range(5):
        limiter.succeeded()
    assert limiter.limit == 5
    for _ in range(100):
        limiter.succeeded()
    assert limiter.limit == 8


async def test_a_place_is_given_back_when_its_holder_fails() -> None:
    limiter = Limiter(1)
    with pytest.raises(KeyError):
        async with limiter.slot():
            raise KeyError
    assert await most_at_once(limiter, 2) == 1


async def test_an_organization_that_allows_fewer_at_once_is_listed_all_the_same(zoho: Zoho) -> None:
    zoho.simulator.change_settings(latency=0.01, max_concurrent=2)
    async with zoho_source(org_at(zoho.url), zoho_per_page=1, zoho_concurrency=10, zoho_max_attempts=12) as source:
        assert (await source.fetch_listing(PagingHint(pages=25), EMPTY_INDEX)).pages == 25


async def test_a_listing_asks_for_less_at_once_where_zoho_refuses_and_for_more_again_where_it_does_not(
    zoho: Zoho, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = 0, 0

    async def wait() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.02)
        inside -= 1

    zoho.strike("status", status=429, code="TOO_MANY_REQUESTS", match_page=1, times=3)
    async with zoho_source(org_at(zoho.url), zoho_per_page=1, zoho_concurrency=16, zoho_max_attempts=4) as source:
        assert isinstance(source, ZohoSource)
        assert (await source.fetch_listing(PagingHint(), EMPTY_INDEX)).pages == 25
        # Three refusals leave 2 of 16 places. With every answer the limit grows by its inverse: 25 make it 7.
        assert source.client.limiter.limit == 7
        monkeypatch.setattr(zoho.simulator, "wait", wait)
        assert (await source.fetch_listing(PagingHint(pages=25), EMPTY_INDEX)).pages == 25
        assert 2 <= most <= source.client.limiter.limit == 10
