"""The frame of every page: headers, escaping, errors, time zones."""

from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Site


async def test_the_overview_shows_what_is_stored(site: Site, lab: Lab) -> None:
    assert "No organisation has been synced yet" in await site.text("/")
    await lab.sync(record("1"), record("2", status="<script>alert(1)</script>"))
    text = await site.text("/")
    assert "default" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
