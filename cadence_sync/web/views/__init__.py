"""The pages, in the order of the navigation."""

from typing import Final

from cadence_sync.web.views import (
    attention,
    audit,
    cadence,
    cadences,
    changes,
    decisions,
    login,
    organization,
    overview,
    past,
    runs,
    time_zone,
)

PAGES: Final = (
    overview,
    cadences,
    cadence,
    changes,
    past,
    attention,
    runs,
    organization,
    decisions,
    audit,
    login,
    time_zone,
)
