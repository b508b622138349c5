"""The accounts host: `POST /oauth/v2/token`."""

from aiohttp import web

from cadence_sync.simulator.app_keys import SIMULATOR
from cadence_sync.simulator.replies import json_response
from cadence_sync.simulator.tokens import TokenError

_SECRETS = frozenset({"client_id", "client_secret", "refresh_token", "code"})
# Zoho answers most refusals with status 200.
_STATUS = {"Access Denied": 400, "invalid_request": 400}
_TOO_MANY = "You have made too many requests continuously. Please try again after some time."


async def token(request: web.Request) -> web.StreamResponse:
    """Swap a refresh token or a grant code, sent in the form body, for an access token."""
    await request.app[SIMULATOR].wait()
    try:
        return json_response(await _grant(request))
    except TokenError as refusal:
        body = {"error": refusal.error}
        if refusal.error == "Access Denied":
            body |= {"error_description": _TOO_MANY, "status": "failure"}
        return json_response(body, _STATUS.get(refusal.error, 200))


async def _grant(request: web.Request) -> dict[str, object]:
    # Zoho takes secrets from the URL too; there they end up in the logs of proxies, so a client must not.
    if _SECRETS & set(request.query):
        raise TokenError("invalid_request")
    simulator = request.app[SIMULATOR]
    form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    simulator.tokens.check_client(form.get("client_id", ""), form.get("client_secret", ""))
    answer: dict[str, object] = {}
    match form.get("grant_type"):
        case "refresh_token":
            refresh_token = form.get("refresh_token", "")
        case "authorization_code":
            refresh_token = simulator.tokens.redeem(form.get("code", ""))
            answer["refresh_token"] = refresh_token
        case _:
            raise TokenError("unsupported_grant_type")
    access_token = simulator.tokens.issue(refresh_token)
    answer |= {"access_token": access_token, "api_domain": str(request.url.origin()), "token_type": "Bearer"}
    if simulator.settings.send_expires_in:
        answer["expires_in"] = int(simulator.settings.token_lifetime)
    return answer
