"""Zoho's answers as such: JSON as its hosts send it, and its error bodies."""

from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from aiohttp import web


@dataclass(frozen=True, slots=True)
class _Trouble:
    status: HTTPStatus
    message: str
    details: tuple[tuple[str, object], ...] = ()


_TROUBLES = {
    "OAUTH_SCOPE_MISMATCH": _Trouble(HTTPStatus.UNAUTHORIZED, "invalid oauth scope to access this URL"),
    "INVALID_TOKEN": _Trouble(HTTPStatus.UNAUTHORIZED, "invalid oauth token"),
    "AUTHENTICATION_FAILURE": _Trouble(HTTPStatus.UNAUTHORIZED, "Authentication failed"),
    "FEATURE_NOT_ENABLED": _Trouble(HTTPStatus.FORBIDDEN, "Feature is not supported in this edition"),
    "NO_PERMISSION": _Trouble(HTTPStatus.FORBIDDEN, "No permission", (("permissions", ["Crm_Implied_View_Cadences"]),)),
    "INVALID_DATA": _Trouble(HTTPStatus.BAD_REQUEST, "the given module doesn't exist", (("param_name", "module"),)),
    "PATTERN_NOT_MATCHED": _Trouble(HTTPStatus.BAD_REQUEST, "Please check whether the input values are correct"),
    "UNABLE_TO_PARSE_DATA_TYPE": _Trouble(
        HTTPStatus.BAD_REQUEST, "either the request body or parameters is in wrong format"
    ),
    "INVALID_REQUEST": _Trouble(HTTPStatus.BAD_REQUEST, "unable to process your request"),
    "INVALID_REQUEST_METHOD": _Trouble(HTTPStatus.BAD_REQUEST, "The http request method type is not a valid one"),
    "INVALID_URL_PATTERN": _Trouble(HTTPStatus.NOT_FOUND, "Please check if the URL trying to access is a correct one"),
    "TOO_MANY_REQUESTS": _Trouble(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests fired in concurrency limit."),
    "INTERNAL_SERVER_ERROR": _Trouble(HTTPStatus.INTERNAL_SERVER_ERROR, "Unhandled and unexpected exception in server"),
}
_USUAL_CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_REQUEST",
    HTTPStatus.UNAUTHORIZED: "INVALID_TOKEN",
    HTTPStatus.FORBIDDEN: "NO_PERMISSION",
    HTTPStatus.NOT_FOUND: "INVALID_URL_PATTERN",
    HTTPStatus.TOO_MANY_REQUESTS: "TOO_MANY_REQUESTS",
}


class ZohoError(Exception):
    """Ends a request with one of Zoho's error bodies; `details` replace those that are usual for the code."""

    def __init__(self, code: str, message: str | None = None, **details: object) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.details = details or None

    def response(self) -> web.Response:
        """Return the answer that Zoho would give."""
        return error_response(self.code, message=self.message, details=self.details)


def json_response(data: object, status: int = HTTPStatus.OK) -> web.Response:
    """Return JSON as Zoho sends it: UTF-8, letters unescaped."""
    return web.Response(status=status, body=msgspec.json.encode(data), content_type="application/json", charset="UTF-8")


def error_response(
    code: str,
    status: int | None = None,
    *,
    message: str | None = None,
    details: dict[str, object] | None = None,
) -> web.Response:
    """Return Zoho's error body for a code; a code that is not known here has status 400."""
    usual = _TROUBLES.get(code, _Trouble(HTTPStatus.BAD_REQUEST, code.replace("_", " ").lower()))
    body = {
        "code": code,
        "details": dict(usual.details) if details is None else details,
        "message": message or usual.message,
        "status": "error",
    }
    return json_response(body, status or usual.status)


def usual_code(status: int) -> str:
    """Return the code that goes with a status, where only the status was asked for."""
    return _USUAL_CODES.get(HTTPStatus(status), "INTERNAL_SERVER_ERROR")
