"""Lists as CSV, for spreadsheets."""

import io
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, TypeAlias

from aiohttp import web

from cadence_sync.core.spreadsheet import SpreadsheetWriter
from cadence_sync.web.downloads import send_parts
from cadence_sync.web.params import zone_of

_BOM: Final = "\ufeff"  # without it spreadsheets take the bytes for another encoding

Batches: TypeAlias = AsyncGenerator[Sequence[Sequence[object]], None]


async def send_csv(request: web.Request, name: str, columns: Sequence[str], batches: Batches) -> web.StreamResponse:
    """Sends rows, which begin with the columns, a batch at a time; no batch is read while another is being sent.

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

    async def parts() -> AsyncGenerator[bytes, None]:
        async with aclosing(batches):
            async for rows in batches:
                for row in rows:
                    writer.write_row([cell(value) for value in row[: len(columns)]])
                yield text.getvalue().encode()
                text.seek(0)
                text.truncate()
        yield text.getvalue().encode()  # the columns, where there is no row

    return await send_parts(request, response, parts())
