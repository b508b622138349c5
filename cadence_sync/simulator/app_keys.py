"""Where handlers find the simulator and the organization that a request was let in for."""

from aiohttp import web

from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.replies import ZohoError
from cadence_sync.simulator.simulator import Simulator

SIMULATOR = web.AppKey("simulator", Simulator)

_SCHEME = "Zoho-oauthtoken "


def authorized(request: web.Request) -> SimOrg:
    """Return the organization that the access token opens; raises `ZohoError` with status 401."""
    header = request.headers.get("Authorization", "")
    if not header.startswith(_SCHEME):
        raise ZohoError("AUTHENTICATION_FAILURE")
    simulator = request.app[SIMULATOR]
    index = simulator.tokens.org_of(header.removeprefix(_SCHEME))
    if index is None:
        raise ZohoError("INVALID_TOKEN")
    return simulator.orgs[index]


async def asked_org(request: web.Request) -> SimOrg | None:
    """Return the organization that a request is about, as far as its token tells."""
    if request.method == "POST":
        refresh_token = (await request.post()).get("refresh_token")
        simulator = request.app[SIMULATOR]
        index = simulator.tokens.owner(refresh_token) if isinstance(refresh_token, str) else None
        return None if index is None else simulator.orgs[index]
    try:
        return authorized(request)
    except ZohoError:
        return None
