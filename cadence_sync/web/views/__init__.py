"""The pages, in the order of the navigation."""

from typing import Final

from cadence_sync.web.views import attention, cadences, changes, overview, past, runs, session

PAGES: Final = (overview, cadences, changes, past, attention, runs, session)
