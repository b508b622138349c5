"""The pages, in the order of the navigation."""

from typing import Final

from cadence_sync.web.pages import (
    attention,
    audit,
    decisions,
    login,
    organisation,
    overview,
    runs,
    time_zone,
)

PAGES: Final = (
    overview,
    attention,
    runs,
    organisation,
    decisions,
    audit,
    login,
    time_zone,
)
