"""Who is limited to organizations neither sees nor reaches any other, on any page and by any address."""

import base64
import re
from collections import Counter, deque
from collections.abc import Iterable
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cadence_sync.core.identity import Role
from cadence_sync.db.access_tokens import NewToken, create_token
from cadence_sync.db.audit import enter_alone
from cadence_sync.errors import TransientError
from cadence_sync.ports import Actor, Org
from tests.support.lab import START, Lab, WrittenSource
from tests.support.records import listing, record
from tests.web.conftest import Open, Site

IDS = {"acme": "1110099", "beta": "2220099", "hush": "3330099"}
"""Organizations, and how all ids in them begin."""
HIDDEN = "hush"
MARKS = (HIDDEN, IDS[HIDDEN])
"""What every name and id in the hidden organization contains."""
UNKNOWN = {HIDDEN: "nope", IDS[HIDDEN]: "4440099"}
SEEDS = (
    *("/", "/attention", "/audit", "/runs", "/cadences", "/cadences.csv", "/cadences?state=all"),
    *("/changes", "/changes.atom"),
    *("/past?on=2026-01-05", "/past.csv?on=2026-01-05", "/past?on=2026-01-05&axis=observed"),
    *("/past/difference?from=2026-01-05T09:01:30", "/past/difference?from=2026-01-05T09:01:30&axis=observed"),
)
VARIANTS = 2
"""Addresses that are visited of those that differ only in numbers and in the values of their parameters."""
PARAMETERS = 2
"""More of them at once lead to nothing new, and to thousands of addresses."""
_NO_PAGES = ("/login", "/static/")


async def live(lab: Lab, org: str) -> int:
    """Let an organization have everything that pages show; returns the run that held deletions."""

    def made(number: int, **changes: object) -> dict[str, Any]:
        own = {
            "name": f"{org} cadence {number}",
            "module": {"api_name": f"{org}Module", "id": f"{IDS[org]}901"},
            "custom_view": {"name": f"{org} view", "id": f"{IDS[org]}902"},
            "created_by": {"name": f"{org} maker", "id": f"{IDS[org]}801"},
            "modified_by": {"name": f"{org} editor", "id": f"{IDS[org]}802"},
            "status": f"{org}-active",
            f"{org}_news": f"{org} word",
        }
        return record(f"{IDS[org]}00{number}", **(own | changes))

    async def sync(*records: dict[str, Any]) -> int:
        return (await lab.sync(*records, org=Org(org, "eu"))).run_id or 0

    rest = [made(number) for number in range(10)]
    await sync(*rest)
    when = lab.clock.now().isoformat()
    edited = made(0, name=f"{org} renamed", status=f"{org}-draft", modified_time=when)
    await sync(edited, *rest[1:9], made(10))
    unreadable = made(1, summary={"email_follow_up_count": f"{org} many"})
    await sync(edited, unreadable, *rest[2:], made(10))
    held = await sync(edited, unreadable)
    source = WrittenSource(listing([]), lab.clock, TransientError(f"{org} is away.", hint=f"Wait for {org}."))
    lab.clock.move(minutes=1)
    await lab.syncing(source, Org(org, "eu")).run("test")
    person = Actor(f"{org} person", "web")
    await enter_alone(lab.engine, person, "sync", f"{org} result", org_id=org, run_id=held)
    return held


async def token(lab: Lab, name: str, role: Role, orgs: Iterable[str] | None) -> str:
    secret, _ = await create_token(
        lab.engine, NewToken(name, role, None if orgs is None else [*orgs], None), Actor("test")
    )
    return secret


def addresses(path: str, body: str) -> list[str]:
    """Return the addresses that a page links to, and those that its filters lead to."""
    found = [unescape(each) for each in re.findall(r'href="(/[^"]*)"', body)]
    found += [unescape(each) for each in re.findall(r'href="http://[^/"]+(/[^"]*)"', body)]
    for form in re.findall(r'<form class="filters".*?</form>', body, re.DOTALL):
        for name, options in re.findall(r'<select name="(\w+)">(.*?)</select>', form, re.DOTALL):
            found += [f"{path}?{name}={unescape(each)}" for each in re.findall(r'<option value="([^"]+)"', options)]
    return [each.partition("#")[0] for each in found if not each.startswith(_NO_PAGES)]


async def crawl(site: Site) -> dict[str, str]:
    """Return the bodies of all pages by their address."""
    bodies: dict[str, str] = {}
    waiting, kinds = deque(SEEDS), Counter[tuple[str, ...]]()
    while waiting:
        address = waiting.popleft()
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        kind = (re.sub(r"\d+", "0", parts.path), *sorted(query), *query.get("org", ()))
        if address in bodies or kinds[kind] >= VARIANTS or len(query) > PARAMETERS:
            continue
        kinds[kind] += 1
        body = bodies[address] = await site.text(address)
        waiting.extend(addresses(parts.path, body))
    return bodies


def with_cursors(bodies: dict[str, str]) -> str:
    """Return all bodies and what the cursors in them hold."""
    whole = "\n".join(bodies.values())
    cursors = re.findall(r"after=([\w-]+)", whole)
    return whole + "".join(base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)).decode() for each in cursors)


def routes(site: Site, bodies: dict[str, str]) -> dict[str, list[str]]:
    """Return each GET route of the web UI with the bodies of its pages."""
    found: dict[str, list[str]] = {}
    for resource in site.client.app.router.resources():
        if resource.canonical.startswith(_NO_PAGES) or all(route.method not in {"GET", "*"} for route in resource):
            continue
        how = resource.get_info()
        pattern = how.get("pattern") or re.compile(re.escape(how["path"]))
        found[resource.canonical] = [
            body for address, body in bodies.items() if pattern.fullmatch(urlsplit(address).path)
        ]
    return found


def without_ids(text: str) -> str:
    """Return a page without the ids of feeds, which are made from addresses."""
    return re.sub(r"urn:uuid:[\w-]+", "", text)


def renamed(text: str) -> str:
    for mark, other in UNKNOWN.items():
        text = text.replace(mark, other)
    return text


@pytest.mark.parametrize("orgs", [["acme"], pytest.param(["acme", "beta"], marks=pytest.mark.long)], ids=["one", "two"])
async def test_every_page_is_as_if_there_were_no_other_organization(opened: Open, lab: Lab, orgs: list[str]) -> None:
    for org in orgs:
        await live(lab, org)
    viewer = await opened(token=await token(lab, "limited", "viewer", orgs))
    everything = await opened(token=await token(lab, "unlimited", "viewer", None))
    later = lab.clock.move(days=1)
    before = await crawl(viewer)
    lab.clock.time = START
    await live(lab, HIDDEN)
    lab.clock.time = later
    after = await crawl(viewer)
    assert sorted(after.keys() ^ before.keys()) == []
    assert [address for address, body in after.items() if before[address] != body] == []
    texts = with_cursors(after)
    assert [mark for mark in MARKS if mark in texts] == []
    visited = routes(viewer, after)
    assert [route for route, bodies in visited.items() if not bodies] == []
    # The same pages show it to whoever may see it: the crawl looks where it would be.
    shown = routes(everything, await crawl(everything))
    assert [route for route, bodies in shown.items() if not any(HIDDEN in body for body in bodies)] == []


async def test_what_belongs_to_another_organization_is_as_if_it_were_not_there(opened: Open, lab: Lab) -> None:
    for org in IDS:
        await live(lab, org)
    limited = await opened(token=await token(lab, "limited", "reviewer", ["acme", "beta"]))
    every = await crawl(await opened(token=await token(lab, "unlimited", "viewer", None)))
    named = [each for each in every if any(mark in each for mark in MARKS) and "after=" not in each]
    assert len(named) > 20
    await limited.text("/")
    for address in named:
        ours, none = await limited.get(address), await limited.get(renamed(address))
        same = renamed(without_ids(await ours.text())) == without_ids(await none.text())
        assert (ours.status, same) == (none.status, True), address
        if re.search(rf"org={HIDDEN}\b|/{HIDDEN}/", address):
            assert ours.status == 404, address
    runs = await lab.rows("SELECT run_id FROM cadence_sync.sync_runs WHERE org_id = :org", org=HIDDEN)
    for run in runs:
        text = await limited.text(f"/runs/{run['run_id']}", 404)
        same = text.replace(f"/runs/{run['run_id']}", "/runs/99") == await limited.text("/runs/99", 404)
        assert same, run


async def test_nothing_is_decided_or_requested_for_another_organization(opened: Open, lab: Lab) -> None:
    held = {org: await live(lab, org) for org in ("acme", HIDDEN)}
    site = await opened(token=await token(lab, "limited", "reviewer", ["acme"]))
    logged = await lab.rows("SELECT * FROM cadence_sync.audit_log WHERE org_id = :org", org=HIDDEN)
    for action in ("approve", "reject"):
        assert (await site.post(f"/runs/{held[HIDDEN]}/{action}")).status == 404
    assert (await site.post("/organization/sync", org=HIDDEN)).status == 404
    assert await lab.rows("SELECT * FROM cadence_sync.deletion_decisions") == []
    assert await lab.rows("SELECT * FROM cadence_sync.audit_log WHERE org_id = :org", org=HIDDEN) == logged
    assert site.asked == []
    assert (await site.post("/organization/sync", org="acme")).status == 303
    assert (await site.post(f"/runs/{held['acme']}/reject")).status == 303
    assert site.asked == ["acme"]
