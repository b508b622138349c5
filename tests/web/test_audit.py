"""Every form of the web UI either changes nothing that is stored, or enters who sent it."""

import re
from typing import Any, Final

from aiohttp.test_utils import TestServer

from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Open

TOKEN = "a-token-of-some-length"
ACTIONS: Final[dict[str, str | None]] = {
    "/login": "login_succeeded",
    "/logout": None,
    "/time-zone": None,
    "/organization/sync": "sync",
    "/runs/{run_id}/{action}": "approve",
}
"""Path of a form → what is entered; the end of a session is not."""
FORMS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "/login": ("/login", {"token": TOKEN}),
    "/time-zone": ("/", {"zone": "UTC"}),
    "/organization/sync": ("/organization?org=default", {"org": "default"}),
    "/runs/2/approve": ("/runs/2", {}),
    "/logout": ("/", {}),
}


async def test_every_form_is_entered_or_changes_nothing(opened: Open, lab: Lab) -> None:
    await lab.sync(*(record(str(number)) for number in range(10)))
    assert (await lab.sync(record("0"))).to_json()["held"] == 9
    site = await opened(web_token=TOKEN)
    server = site.client.server
    assert isinstance(server, TestServer)
    posts = [route for route in server.app.router.routes() if route.method == "POST"]
    assert sorted(route.resource.canonical for route in posts if route.resource) == sorted(ACTIONS)
    before = 0
    for path, (page, form) in FORMS.items():
        assert (await site.post(path, page=page, **form)).status == 303, path
        rows = await lab.rows("SELECT action, done_by, source FROM cadence_sync.audit_log ORDER BY action_id")
        expected = ACTIONS[re.sub(r"/runs/2/.*", "/runs/{run_id}/{action}", path)]
        assert [row["action"] for row in rows[before:]] == ([expected] if expected else []), path
        assert {(row["done_by"], row["source"]) for row in rows} == {("token", "web")}
        before = len(rows)


async def test_a_login_that_fails_is_not_entered(opened: Open, lab: Lab) -> None:
    """They come in bursts: whoever may send requests could fill the table, which is never emptied."""
    site = await opened(web_token=TOKEN)
    assert (await site.post("/login", page="/login", token="wrong")).status == 403
    assert await lab.rows("SELECT 1 FROM cadence_sync.audit_log") == []
