"""What viewers may do: read."""

import re

from cadence_sync.core.identity import Role
from cadence_sync.db.access_tokens import NewToken, create_token
from cadence_sync.ports import Actor
from cadence_sync.web.roles import OPEN_TO_VIEWERS
from tests.support.lab import Lab
from tests.web.conftest import Open, Site
from tests.web.test_runs import hold


async def opened_as(opened: Open, lab: Lab, role: Role) -> Site:
    secret, _ = await create_token(lab.engine, NewToken(role, role, None, None), Actor("test"))
    return await opened(token=secret)


def changing(site: Site) -> set[tuple[str, str]]:
    """Return method and address of every route that may change something, as of the held run 3."""
    found = set()
    for route in site.client.app.router.routes():
        if route.method not in {"GET", "HEAD"} and route.resource is not None:
            path = re.sub(r"\{run_id\b[^}]*\}", "3", route.resource.canonical)
            for action in ("approve", "reject"):
                found.add((route.method, re.sub(r"\{\w+\}", action, path)))
    return found


async def test_a_viewer_is_refused_by_every_route_that_changes_something(opened: Open, lab: Lab) -> None:
    await hold(lab)
    site = await opened_as(opened, lab, "viewer")
    asked = {}
    token = site.client.session.headers["Authorization"].removeprefix("Bearer ")
    for method, path in sorted(changing(site)):
        form = {"csrf": await site.csrf(), "org": "default", "zone": "UTC", "token": token}
        response = await site.client.request(method, path, data=form, allow_redirects=False)
        asked[path] = response.status
    refused = {path for path, status in asked.items() if status == 403}
    assert refused == {"/organization/sync", "/runs/3/approve", "/runs/3/reject"}
    assert asked.keys() - refused == OPEN_TO_VIEWERS
    assert site.asked == []
    assert await lab.rows("SELECT * FROM cadence_sync.deletion_decisions") == []


async def test_a_route_that_is_not_there_yet_is_refused_to_viewers(opened: Open, lab: Lab) -> None:
    for role, status in (("viewer", 403), ("reviewer", 404)):
        site = await opened_as(opened, lab, role)  # type: ignore[arg-type]
        form = {"csrf": await site.csrf()}
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await site.client.request(method, "/something/new", data=form)).status == status


async def test_buttons_are_shown_to_reviewers_only(opened: Open, lab: Lab) -> None:
    await hold(lab)
    for role, shown in (("viewer", False), ("reviewer", True)):
        site = await opened_as(opened, lab, role)  # type: ignore[arg-type]
        run, org = await site.text("/runs/3"), await site.text("/organization?org=default")
        assert ('action="/runs/3/approve"' in run, 'action="/runs/3/reject"' in run) == (shown, shown)
        assert ('action="/organization/sync"' in org) is shown
        assert 'href="/cadences/default/5"' in run


async def test_a_reviewer_decides(opened: Open, lab: Lab) -> None:
    await hold(lab)
    site = await opened_as(opened, lab, "reviewer")
    assert (await site.post("/runs/3/approve")).status == 303
    logged = await lab.row("SELECT done_by FROM cadence_sync.audit_log WHERE action = 'approve'")
    assert logged["done_by"] == "reviewer"
    assert (await lab.row("SELECT decision FROM cadence_sync.deletion_decisions"))["decision"] == "approved"
