"""Which data center knows credentials that another one refused: asked of the token endpoints only, each once."""

import asyncio
from datetime import datetime
from typing import Final

from cadence_sync.errors import CadenceSyncError
from cadence_sync.zoho.data_centers import DATA_CENTERS
from cadence_sync.zoho.http import Http
from cadence_sync.zoho.oauth import request_token

PATIENCE: Final = 10.0
"""Seconds for all of them together."""
WRONG_DC_CODES: Final = frozenset({"INVALID_CLIENT", "INVALID_CODE"})
"""Refusals that another data center may not share."""
_SECRET: Final = {"authorization_code": "code", "refresh_token": "refresh_token"}
_NONE: Final = "1000.none"


async def matching_data_centers(
    http: Http, refused_by: str, form: dict[str, str], refusal: str, now: datetime
) -> list[str]:
    """Return the other data centers that know what this form holds.

    Where the client was not known, it alone is looked for: it goes with a made-up code or token, so that a grant code
    stays unused. Where it was, the code or token is what has another home.
    """
    asked = form if refusal == "INVALID_CODE" else form | {_SECRET[form["grant_type"]]: _NONE}
    found: list[str] = []

    async def look(data_center: str) -> None:
        try:
            await request_token(http, DATA_CENTERS[data_center], asked, now)
        except CadenceSyncError as error:
            if asked is form or error.code != "INVALID_CODE":
                return
        found.append(data_center)

    try:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for data_center in DATA_CENTERS:
                if data_center != refused_by:
                    group.create_task(look(data_center))
    except TimeoutError:
        pass  # those that answered have been heard
    return sorted(found)
