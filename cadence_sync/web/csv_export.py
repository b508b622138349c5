"""Lists as CSV, for spreadsheets."""

import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from aiohttp import web

from cadence_sync.core.spreadsheet import SpreadsheetWriter
from cadence_sync.web.params import zone_of

_BOM: Final = "\ufeff"  # without it spreadsheets take the bytes for another encoding
_BATCH: Final = 500


async def send_csv(
    request: web.Request, name: str, columns: Sequence[str], rows: AsyncIterator[Sequence[object]]
) -> web.StreamResponse:
    """Sends rows, which begin with the columns, as they come.

    No cell is a formula, and times carry the offset of the reader's zone.
    """
    zone = zone_of(request)

    def cell(value: object) -> object:
        if isinstance(value, datetime):
            return value.astimezone(zone).isoformat(timespec="seconds")
        if isinstance(value, bool):
            return "yes" if value else "no"
        return value

    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="{name}.csv"'})
    response.content_type, response.charset = "text/csv", "utf-8"
    text = io.StringIO(_BOM, newline="")
    text.seek(0, io.SEEK_END)
    writer = SpreadsheetWriter(text)
    writer.write_row(columns)
    count = 0
    async for row in rows:
        writer.write_row([cell(value) for value in row[: len(columns)]])
        count += 1
        if count % _BATCH == 0:
            await _send(request, response, text)
    await _send(request, response, text)
    await response.write_eof()
    return response


async def _send(request: web.Request, response: web.StreamResponse, text: io.StringIO) -> None:
    # Not prepared before there is something to send: an earlier error becomes a page of its own.
    if not response.prepared:
        await response.prepare(request)
    await response.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()
