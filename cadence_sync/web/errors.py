"""What goes wrong, as a page: one sentence, and what to do about it."""

from collections.abc import Mapping
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.errors import ArgumentError, CadenceSyncError, DatabaseError, NotFoundError
from cadence_sync.logs import log
from cadence_sync.web.templating import page

Refusal = TypeVar("Refusal", bound=web.HTTPException)

_STATUS: Final[Mapping[type[CadenceSyncError], int]] = {NotFoundError: 404, ArgumentError: 400, DatabaseError: 503}
_WORDS: Final = {
    400: ("That address cannot be read.", "Start again from the overview."),
    404: ("There is no such page.", "Start again from the overview."),
    405: ("That cannot be done at this address.", "Start again from the overview."),
    413: ("That is too much to send.", "Send less."),
}
_KEPT: Final = ("Retry-After", "WWW-Authenticate", "Allow")


def refused(kind: type[Refusal], sentence: str, hint: str) -> Refusal:
    """Return an error of HTTP that says what is wrong and what to do."""
    error = kind(text=sentence)
    error.hint = hint  # type: ignore[attr-defined]
    return error


@web.middleware
async def as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a page in the usual frame."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - redirects are exceptions, too
            raise
        hint = getattr(error, "hint", None)
        if hint is None:
            sentence, hint = _WORDS.get(error.status, (f"{error.reason}.", ""))
        else:
            sentence = error.text or ""
        kept = {name: error.headers[name] for name in _KEPT if name in error.headers}
        return await _page(request, error.status, sentence, hint, kept)
    except CadenceSyncError as error:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        if status >= 500:  # noqa: PLR2004 - nobody who looks at the web UI can do much about those
            log.warning("web_request_failed", path=request.path, code=error.code, error=error.message)
        return await _page(request, status, error.message, error.hint)
    except Exception:  # noqa: BLE001 - whatever it is, a person waits for an answer
        log.exception("web_request_failed", path=request.path)
        return await _page(request, 500, "This page failed; that is a defect.", "The log of the daemon says more.")


async def _page(
    request: web.Request, status: int, sentence: str, hint: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    response = await page(request, "error.html", status=status, sentence=sentence, hint=hint)
    response.headers.update(headers or {})
    return response
