"""The pages, in the order of the navigation."""

from typing import Final

from cadence_sync.web.pages import login, overview, time_zone

PAGES: Final = (overview, login, time_zone)
