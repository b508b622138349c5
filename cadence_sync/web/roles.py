"""What a role may do: a viewer's requests change nothing, except for the viewer's own session."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.web.access import IDENTITY
from cadence_sync.web.middleware import PROBES, READING, RefusedRequestError

OPEN_TO_VIEWERS: Final = frozenset({"/login", "/logout", "/time-zone"})


@web.middleware
async def check_role(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses every other request that could change something: a new route is a reviewer's until it is named above."""
    if request.method in READING or request.path in OPEN_TO_VIEWERS | PROBES:
        return await handler(request)
    identity = request.get(IDENTITY)
    if identity is None or not identity.may_review:
        raise RefusedRequestError(
            403, "Your access is read-only.", "Ask someone with the role reviewer, or for a token with that role."
        )
    return await handler(request)
