"""The style sheet and the few other files, from memory."""

import mimetypes
from functools import cache

from aiohttp import web

from cadence_sync.web.templating import STATIC

_KEPT = "public, max-age=31536000, immutable"


@cache
def _files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in STATIC.iterdir() if file.is_file()}


async def static(request: web.Request) -> web.Response:
    """Answer one file; its address changes with its content, so that it may be kept for good."""
    name = request.match_info["name"]
    body = _files().get(name)
    if body is None:
        raise web.HTTPNotFound
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return web.Response(body=body, content_type=kind, headers={"Cache-Control": _KEPT})
