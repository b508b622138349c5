"""The API host, with lists in v7 and v8 and v8's single cadence, and the token endpoint of the accounts host."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.simulator import serializers
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.records import Cadence
from cadence_sync.simulator.replies import ZohoError, json_response
from cadence_sync.simulator.simulator import SIMULATOR, Simulator, authorized
from cadence_sync.simulator.tokens import TokenError

_COMPARATORS: dict[str, Callable[[str, str], bool]] = {
    "equal": lambda name, value: name == value,
    "not_equal": lambda name, value: name != value,
    "contains": lambda name, value: value in name,
    "not_contains": lambda name, value: value not in name,
    "starts_with": lambda name, value: name.startswith(value),
    "ends_with": lambda name, value: name.endswith(value),
}


class _Field(msgspec.Struct):
    api_name: str


class _Criterion(msgspec.Struct):
    field: _Field
    comparator: str
    value: str


def _filter(cadences: Sequence[Cadence], org: SimOrg, query: Mapping[str, str]) -> Sequence[Cadence]:
    if query.get("fields", "name") != "name":
        raise ZohoError("INVALID_DATA", "invalid data", param_name="fields")
    tests = [make_filter(query[name], org) for name, make_filter in _FILTERS.items() if name in query]
    return [cadence for cadence in cadences if all(test(cadence) for test in tests)]


def _name_only(cadence: Cadence, _utc_offset: timedelta) -> serializers.Json:
    return {"name": cadence.name, "id": cadence.id}


def _by_module(value: str, org: SimOrg) -> Callable[[Cadence], bool]:
    if value not in {module.api_name for module in org.modules}:
        raise ZohoError("INVALID_DATA")
    return lambda cadence: cadence.module.api_name == value


def _by_active(value: str, _org: SimOrg) -> Callable[[Cadence], bool]:
    if value not in {"true", "false"}:
        raise ZohoError("UNABLE_TO_PARSE_DATA_TYPE")
    return lambda cadence: cadence.active is (value == "true")


def _by_name(value: str, _org: SimOrg) -> Callable[[Cadence], bool]:
    """Parses a criterion such as `{"field":{"api_name":"name"},"comparator":"contains","value":"demo"}`."""
    try:
        criterion = msgspec.json.decode(value, type=_Criterion)
    except msgspec.MsgspecError as error:
        raise ZohoError("UNABLE_TO_PARSE_DATA_TYPE") from error
    if criterion.field.api_name != "name" or criterion.comparator not in _COMPARATORS:
        raise ZohoError("INVALID_DATA", "invalid data", param_name="name")
    compare, wanted = _COMPARATORS[criterion.comparator], criterion.value.casefold()
    return lambda cadence: compare(cadence.name.casefold(), wanted)


_FILTERS: dict[str, Callable[[str, SimOrg], Callable[[Cadence], bool]]] = {
    "module": _by_module,
    "active": _by_active,
    "name": _by_name,
}
_LARGEST = 2**31 - 1


def _counted(answer: Callable[[web.Request, Simulator, SimOrg], web.Response]) -> Handler:
    """Counts a call against the organization's limits, for the whole of its latency.

    Zoho sends a header with the remaining credits once half of them are used.
    """

    async def handler(request: web.Request) -> web.Response:
        simulator, org = request.app[SIMULATOR], authorized(request)
        limit, budget = simulator.settings.max_concurrent, simulator.settings.credits
        if limit is not None and simulator.in_flight[org.index] >= limit:
            raise ZohoError("TOO_MANY_REQUESTS")
        if budget is not None and simulator.calls[org.index] >= budget:
            raise ZohoError("TOO_MANY_REQUESTS", "API credits of the last 24 hours are used up.")
        simulator.calls[org.index] += 1
        simulator.in_flight[org.index] += 1
        try:
            await simulator.wait()
            response = answer(request, simulator, org)
        finally:
            simulator.in_flight[org.index] -= 1
        budget, used = simulator.settings.credits, simulator.calls[org.index]
        if budget is not None and used * 2 >= budget:
            response.headers["X-API-CREDITS-REMAINING"] = str(budget - used)
        return response

    return handler


@_counted
def list_cadences(request: web.Request, simulator: Simulator, org: SimOrg) -> web.Response:
    page, per_page = _paging(request, simulator)
    cadences = org.ordered(simulator.settings.order)
    render: Callable[[Cadence, timedelta], serializers.Json] = serializers.list_v7
    if request.match_info["version"] == "v8":
        cadences = _filter(cadences, org, request.query)
        render = _name_only if "fields" in request.query else serializers.list_v8
    start = (page - 1) * per_page
    shown = cadences[start : start + per_page]
    if not shown:
        return web.Response(status=204)
    info = {
        "per_page": per_page,
        "count": len(shown),
        "page": page,
        "more_records": start + per_page < len(cadences),
    }
    return json_response({"cadences": [render(cadence, org.utc_offset) for cadence in shown], "info": info})


@_counted
def get_cadence(request: web.Request, _simulator: Simulator, org: SimOrg) -> web.Response:
    cadence = org.find(request.match_info["id"])
    return web.Response(status=204) if cadence is None else json_response({"cadences": [serializers.one_v8(cadence)]})


def _paging(request: web.Request, simulator: Simulator) -> tuple[int, int]:
    settings = simulator.settings
    if settings.reject_per_page and "per_page" in request.query:
        raise ZohoError("INVALID_DATA", "the parameter is not supported", param_name="per_page")
    page = _number(request, "page", 1)
    # A page size above the limit is no error: `info.per_page` has the size of the answer.
    return page, min(_number(request, "per_page", settings.default_per_page), settings.max_per_page)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ZohoError("UNABLE_TO_PARSE_DATA_TYPE")
    if not 1 <= int(text) <= _LARGEST:
        raise ZohoError("INVALID_DATA", "invalid data", param_name=name)
    return int(text)


_SECRETS = frozenset({"client_id", "client_secret", "refresh_token", "code"})
# Zoho answers most refusals with status 200.
_STATUS = {"Access Denied": 400, "invalid_request": 400}
_TOO_MANY = "You have made too many requests continuously. Please try again after some time."


async def token(request: web.Request) -> web.StreamResponse:
    await request.app[SIMULATOR].wait()
    try:
        return json_response(await _grant(request))
    except TokenError as error:
        code = str(error)
        body = {"error": code}
        if code == "Access Denied":
            body |= {"error_description": _TOO_MANY, "status": "failure"}
        return json_response(body, _STATUS.get(code, 200))


async def _grant(request: web.Request) -> dict[str, object]:
    # Zoho accepts secrets in the URL too, where proxies log them: a client must not send them there.
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
