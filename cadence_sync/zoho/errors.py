"""Translates Zoho's error responses; branches on `code`, never on `message`.

Source of the codes: Zoho's "Get Cadences" reference and its list of CRM API status codes.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from cadence_sync.errors import AccessError, CadenceSyncError, InvalidResponseError, TransientError

SCOPE: Final = "ZohoCRM.settings.cadences.READ"
RENEWAL_HINT: Final = (
    "make a new one with `cadence-sync init`, or with `cadence-sync org add ID --replace` where it is in the database."
)

_ACCESS: Final[dict[str, tuple[str, str]]] = {
    "OAUTH_SCOPE_MISMATCH": (
        "The refresh token may not read cadences.",
        f"It was made without the scope {SCOPE}: {RENEWAL_HINT}",
    ),
    "INVALID_TOKEN": (
        "Zoho refused a fresh access token.",
        f"Check that the data center is that of the organization; if so, the refresh token is not good: {RENEWAL_HINT}",
    ),
    "AUTHENTICATION_FAILURE": (
        "Zoho did not accept the credentials.",
        f"Check client id, client secret and data center; if they are right, the refresh token is not: {RENEWAL_HINT}",
    ),
    "FEATURE_NOT_ENABLED": (
        "This organization's Zoho edition has no cadences.",
        "Whoever pays for Zoho can upgrade the edition; support@zohocrm.com answers questions about it.",
    ),
    "NO_PERMISSION": (
        "The user who made the refresh token may not see cadences.",
        'An administrator of Zoho CRM grants that user the permission "Manage Cadences".',
    ),
}


class RequestRefusedError(InvalidResponseError):
    default_code = "INVALID_REQUEST"


def error_from_response(status: int, body: bytes, retry_after: float | None = None) -> CadenceSyncError:
    """Translates a status other than 200 and 204; `retry_after` is in seconds."""
    code = error_code(body)
    if code in _ACCESS:
        message, hint = _ACCESS[code]
        return AccessError(message, hint=hint, code=code)
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return TransientError("Zoho asks for fewer requests.", code="TOO_MANY_REQUESTS", retry_after=retry_after)
    if status >= 500:  # noqa: PLR2004 - server errors
        return TransientError(f"Zoho answered {status}.", hint="Zoho's status page may tell more.", code=code)
    if status in {401, 403}:
        return AccessError(f"Zoho refused access ({status}).", hint="Check the credentials.", code=code)
    if status == 400:  # noqa: PLR2004 - Bad Request
        return RequestRefusedError(f"Zoho refused the request ({code or status}).", code=code)
    return InvalidResponseError(
        f"Zoho answered {status}.", hint="Check the data center and the API address.", code=code
    )


def error_code(body: bytes) -> str | None:
    code = decode_object(body).get("code")
    return code if isinstance(code, str) and re.fullmatch(r"[A-Z0-9_]{1,64}", code) else None


def decode_object(body: bytes) -> dict[str, object]:
    """Decodes a JSON object; anything else is empty."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def parse_retry_after(retry_after: str | None, now: datetime) -> float | None:
    """Returns the seconds that `Retry-After` asks for; it holds seconds or a date (RFC 9110)."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,6}", retry_after):
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment.astimezone(UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
