"""The pages, one module a subject."""

from typing import Final

from cadence_sync.web.views import cadences, changes, overview, past, runs, session

PAGES: Final = (overview, cadences, changes, past, runs, session)
