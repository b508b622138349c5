"""Zoho's answers: JSON as its hosts send it, and its error bodies."""

from http import HTTPStatus
from typing import NamedTuple

import msgspec
from aiohttp import web


class _Refusal(NamedTuple):
    status: HTTPStatus
    message: str
    details: tuple[tuple[str, object], ...] = ()


_ERRORS = {
    "OAUTH_SCOPE_MISMATCH": _Refusal(HTTPStatus.UNAUTHORIZED, "invalid oauth scope to access this URL"),
    "INVALID_TOKEN": _Refusal(HTTPStatus.UNAUTHORIZED, "invalid oauth token"),
    "AUTHENTICATION_FAILURE": _Refusal(HTTPStatus.UNAUTHORIZED, "Authentication failed"),
    "FEATURE_NOT_ENABLED": _Refusal(HTTPStatus.FORBIDDEN, "Feature is not supported in this edition"),
    "NO_PERMISSION": _Refusal(HTTPStatus.FORBIDDEN, "No permission", (("permissions", ["Crm_Implied_View_Cadences"]),)),
    "INVALID_DATA": _Refusal(HTTPStatus.BAD_REQUEST, "the given module doesn't exist", (("param_name", "module"),)),
    "PATTERN_NOT_MATCHED": _Refusal(HTTPStatus.BAD_REQUEST, "Please check whether the input values are correct"),
    "UNABLE_TO_PARSE_DATA_TYPE": _Refusal(
        HTTPStatus.BAD_REQUEST, "either the request body or parameters is in wrong format"
    ),
    "INVALID_REQUEST": _Refusal(HTTPStatus.BAD_REQUEST, "unable to process your request"),
    "INVALID_REQUEST_METHOD": _Refusal(HTTPStatus.BAD_REQUEST, "The http request method type is not a valid one"),
    "INVALID_URL_PATTERN": _Refusal(HTTPStatus.NOT_FOUND, "Please check if the URL trying to access is a correct one"),
    "TOO_MANY_REQUESTS": _Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests fired in concurrency limit."),
    "INTERNAL_SERVER_ERROR": _Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "Unhandled and unexpected exception in server"),
}
USUAL_CODES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "INVALID_REQUEST",
    HTTPStatus.UNAUTHORIZED: "INVALID_TOKEN",
    HTTPStatus.FORBIDDEN: "NO_PERMISSION",
    HTTPStatus.NOT_FOUND: "INVALID_URL_PATTERN",
    HTTPStatus.TOO_MANY_REQUESTS: "TOO_MANY_REQUESTS",
}


class ZohoError(Exception):
    """Ends a request with an error body of Zoho; `details` replace the usual ones of the code."""

    def __init__(self, code: str, message: str | None = None, **details: object) -> None:
        super().__init__(code)
        self.response = error_response(code, message=message, details=details or None)


def json_response(data: object, status: int = HTTPStatus.OK) -> web.Response:
    return encoded_response(msgspec.json.encode(data), status)


def encoded_response(body: bytes, status: int) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", charset="UTF-8")


def error_response(
    code: str, status: int | None = None, *, message: str | None = None, details: dict[str, object] | None = None
) -> web.Response:
    """Returns Zoho's error body for a code; an unknown code has status 400."""
    usual = _ERRORS.get(code, _Refusal(HTTPStatus.BAD_REQUEST, code.replace("_", " ").lower()))
    body = {
        "code": code,
        "details": dict(usual.details) if details is None else details,
        "message": message or usual.message,
        "status": "error",
    }
    return json_response(body, status or usual.status)
