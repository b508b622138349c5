"""Records and bodies that nobody should send: what can be stored is, the rest is kept aside, nothing is lost."""

import asyncio
import json
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from tests.cli.conftest import PlainZoho, Program
from tests.support import cli
from tests.support.records import listing, record

MEGABYTE = 2**20
RTL, ZALGO, LONG = "\u202eevil\u202c مرحبا", "Z\u0351\u036b\u0343a\u0327\u0322l\u0316g\u0316o", "x" * MEGABYTE


def _changed(cadence_id: str, old: bytes, new: bytes) -> bytes:
    """Return a record's bytes with one piece written in another way."""
    sound = json.dumps(record(cadence_id)).encode()
    assert sound.count(old) == 1, (old, sound)
    return sound.replace(old, new)


def _renamed(cadence_id: str, name: str | bytes) -> bytes:
    """Return a record with another name; bytes stand between the quotes as they are."""
    written = name if isinstance(name, bytes) else json.dumps(name, ensure_ascii=False).encode()[1:-1]
    return _changed(cadence_id, b'"Welcome"', b'"' + written + b'"')


NAME, COUNT = b'"name": "Welcome"', b'"task_follow_up_count": 1'
CREATED, MODIFIED = b'"2024-07-17T20:38:22-0700"', b'"2024-07-17T23:01:40-0700"'
SUMMARY = json.dumps(record()["summary"]).encode()

# What is hostile → the record, and what must stand in the tables: "id" is the cadence's, text in UTC for times.
STORED: dict[str, tuple[bytes, dict[str, object]]] = {
    "1 MB name": (_renamed("101", LONG), {"id": "101", "name": LONG}),
    "right-to-left text": (_renamed("102", RTL), {"id": "102", "name": RTL}),
    "zalgo text": (_renamed("103", ZALGO), {"id": "103", "name": ZALGO}),
    "a whole surrogate pair": (_renamed("104", rb"\ud83d\ude00"), {"id": "104", "name": "😀"}),
    "an escape written out": (_renamed("105", rb"a\\u0000"), {"id": "105", "name": r"a\u0000"}),
    "id as a number": (_changed("106", b'"id": "106"', b'"id": 106'), {"id": "106", "name": "Welcome"}),
    "negative id": (_changed("107", b'"id": "107"', b'"id": -107'), {"id": "-107", "name": "Welcome"}),
    "count of -1": (_changed("108", COUNT, COUNT[:-1] + b"-1"), {"id": "108", "task_follow_up_count": -1}),
    "the end of time": (
        _changed("109", CREATED, b'"9999-12-31T23:59:59+14:00"'),
        {"id": "109", "created_time": datetime(9999, 12, 31, 9, 59, 59, tzinfo=UTC)},
    ),
    "boolean as text": (_changed("110", b'"active": true', b'"active": "true"'), {"id": "110", "active": True}),
    "one value twice": (_changed("111", NAME, NAME + b", " + NAME), {"id": "111", "name": "Welcome"}),
    "quotes and brackets": (_renamed("112", 'a"]},{[\\'), {"id": "112", "name": 'a"]},{[\\'}),
}

# What is hostile → the record, and a word of the reason. The id is readable in all of them.
QUARANTINED: dict[str, tuple[bytes, str]] = {
    "U+0000": (_renamed("201", rb"a\u0000b"), "U+0000"),
    "lone high surrogate": (_renamed("202", rb"\ud83d"), "JSON"),
    "lone low surrogate": (_renamed("203", rb"\udc00"), "JSON"),
    "invalid UTF-8": (_renamed("204", b"\xff\xfe"), "JSON"),
    "NaN": (_changed("205", COUNT, COUNT[:-1] + b"NaN"), "JSON"),
    "Infinity": (_changed("206", COUNT, COUNT[:-1] + b"-Infinity"), "JSON"),
    "two values of one key": (_changed("207", NAME, NAME + b', "name": "Other"'), "'name' comes twice"),
    "two values in an inner object": (_changed("208", COUNT, COUNT + b", " + COUNT[:-1] + b"2"), "comes twice"),
    "count of 10^12": (_changed("209", COUNT, COUNT[:-1] + b"1000000000000"), "too large"),
    "day zero": (_changed("210", b'"end_date": "", "automatic', b'"end_date": "0000-00-00", "automatic'), "end_date"),
    "instant zero": (_changed("211", CREATED, b'"0000-00-00"'), "created_time"),
    "epoch milliseconds": (_changed("212", MODIFIED, b"1721282500000"), "modified_time"),
    "epoch milliseconds as text": (_changed("213", MODIFIED, b'"1721282500000"'), "modified_time"),
    "after the end of time": (_changed("214", CREATED, b'"9999-12-31T23:59:59-14:00"'), "created_time"),
    "an array for an object": (_changed("215", SUMMARY, b"[]"), "summary: expected an object"),
    "text for an object": (_changed("216", SUMMARY, b'"none"'), "summary: expected an object"),
    "a word for a boolean": (_changed("217", b'"active": true', b'"active": "yes"'), "active"),
    "depth of 10,000": (_changed("218", NAME, NAME + b', "x": ' + b"[" * 10_000 + b"]" * 10_000), "100 levels"),
    "objects 10,000 deep": (_changed("219", NAME, NAME + b', "x": ' + b'{"x":' * 10_000 + b"1" + b"}" * 10_000), "100"),
    "a fraction of a count": (_changed("220", COUNT, COUNT[:-1] + b"1.5"), "task_follow_up_count"),
}
# The same for records that do not tell which cadence they are.
ANONYMOUS: dict[str, tuple[bytes, str]] = {
    "float id": (_changed("301", b'"id": "301"', b'"id": 301.5'), "id"),
    "missing id": (_changed("302", b'"id": "302", ', b""), "id"),
    "null id": (_changed("303", b'"id": "303"', b'"id": null'), "id"),
    "empty id": (_changed("304", b'"id": "304"', b'"id": ""'), "id"),
    "boolean id": (_changed("305", b'"id": "305"', b'"id": true'), "id"),
    "two ids": (_changed("306", b'"id": "306"', b'"id": "306", "id": "307"'), "'id' comes twice"),
    "an array for a record": (b"[1]", "object"),
    "null for a record": (b"null", "there is none"),
    "a number for a record": (b"5", "object"),
    "a text for a record": (b'"a, ]}"', "object"),
    "no number for a record": (b"NaN", "JSON"),
}
SOUND = json.dumps(record("1")).encode()
KNOWN = [str(number) for number in range(201, 201 + len(QUARANTINED))]


def _page(*records: bytes) -> bytes:
    info = {"per_page": 200, "count": len(records), "page": 1, "more_records": False}
    return b'{"cadences": [' + b",".join(records) + b'], "info": ' + json.dumps(info).encode() + b"}"


async def _rows(program: Program, statement: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(program.settings["DATABASE_URL"])
    try:
        return [dict(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def _live(program: Program) -> set[str]:
    rows = await _rows(program, "SELECT cadence_id FROM cadence_sync.cadences WHERE deleted_at IS NULL")
    return {row["cadence_id"] for row in rows}


async def _assert_quarantined(program: Program, run_id: int, expected: list[tuple[str | None, bytes, str]]) -> None:
    rows = await _rows(program, f"SELECT * FROM cadence_sync.quarantined_records WHERE run_id = {run_id}")
    found = {bytes(row["raw"]): row for row in rows}
    assert len(rows) == len(expected)
    for cadence_id, raw, reason in expected:
        assert raw in found, (raw[:300], "is not kept as it was sent")
        assert found[raw]["cadence_id"] == cadence_id, raw[:300]
        assert reason in found[raw]["reason"], (raw[:300], found[raw]["reason"])


async def test_what_can_be_stored_is_and_what_cannot_is_kept_aside(program: Program, plain_zoho: PlainZoho) -> None:
    plain_zoho.body = listing([record(cadence_id) for cadence_id in ("1", "gone", *KNOWN)])
    assert (await program.run("sync")).code == 0

    plain_zoho.body = _page(SOUND, *(raw for raw, _ in QUARANTINED.values()), *(raw for raw, _ in STORED.values()))
    result = await program.run("sync", "--json")
    (report,) = result.json
    assert (result.code, report["outcome"]) == (7, "partial"), result.err
    counts = (report["quarantined"], report["created"], report["unchanged"], report["updated"], report["deleted"])
    assert counts == (len(QUARANTINED), len(STORED), 1, 0, 1), "only the one that is missing is deleted"
    assert await _live(program) == {"1", *KNOWN, *(str(row["id"]) for _, row in STORED.values())}
    aside: list[tuple[str | None, bytes, str]] = [
        (known, raw, reason) for known, (raw, reason) in zip(KNOWN, QUARANTINED.values(), strict=True)
    ]
    await _assert_quarantined(program, report["run_id"], aside)
    rows = await _rows(
        program,
        """SELECT c.*, s.task_follow_up_count, v.raw::text AS raw FROM cadence_sync.cadences c
        JOIN cadence_sync.cadence_versions v USING (org_id, cadence_id, version)
        JOIN cadence_sync.follow_up_summaries s USING (org_id, cadence_id)""",
    )
    stored = {row["cadence_id"]: row for row in rows}
    for hostility, (raw, expected) in STORED.items():
        row = stored[str(expected["id"])]
        assert row["raw"] == raw.decode(), hostility
        assert {name: row[name] for name in expected if name != "id"} == {
            name: value for name, value in expected.items() if name != "id"
        }, hostility


async def test_records_without_an_id_spare_everybody_who_is_missing(program: Program, plain_zoho: PlainZoho) -> None:
    plain_zoho.body = listing([record("1"), record("2")])
    assert (await program.run("sync")).code == 0
    plain_zoho.body = _page(SOUND, *(raw for raw, _ in ANONYMOUS.values()))
    result = await program.run("sync", "--json")
    (report,) = result.json
    assert (result.code, report["outcome"]) == (7, "partial"), result.err
    assert (report["quarantined"], report["unchanged"], report["deleted"]) == (len(ANONYMOUS), 1, 0)
    assert await _live(program) == {"1", "2"}
    await _assert_quarantined(program, report["run_id"], [(None, raw, reason) for raw, reason in ANONYMOUS.values()])


BORDERLESS: dict[str, bytes] = {
    "cut in a record": _page(SOUND, SOUND)[:900],
    "cut between records": b'{"cadences": [' + SOUND + b",",
    "a string that does not end": _page(SOUND, b'{"id": "7, "x": NaN}'),
    "a bracket too many": _page(SOUND, b'{"id": "7", "x": NaN}]'),
    "a bracket too few": _page(SOUND, b'{"id": "7", "x": [NaN}'),
    "two lists": _page(SOUND).replace(b'{"cadences"', b'{"cadences": [], "cadences"'),
    "two lists, one of them unreadable": _page(b'{"id": NaN}').replace(b'"info"', b'"cadences": [], "info"'),
    "two ends": _page(SOUND).replace(b'"more_records": false', b'"more_records": true, "more_records": false'),
    "an object for the list": b'{"cadences": {}, "info": {}}',
    "10,000 levels and no end": b'{"cadences": ' + b"[" * 10_000,
    "invalid UTF-8 around the list": _page(SOUND).replace(b'"per_page"', b'"\xff": 1, "per_page"'),
}


async def test_a_page_whose_records_cannot_be_reported_apart_fails_the_run(
    program: Program, plain_zoho: PlainZoho
) -> None:
    plain_zoho.body = listing([record("1"), record("2")])
    assert (await program.run("sync")).code == 0
    tables = "SELECT (c.xmin, c)::text AS row FROM cadence_sync.cadences c ORDER BY 1"
    before = await _rows(program, tables)
    for hostility, body in BORDERLESS.items():
        plain_zoho.body = body
        result = await program.run("sync", "--json", ZOHO_MAX_ATTEMPTS="1")
        (report,) = result.json
        assert (result.code, report["outcome"], report["error"]["code"]) == (4, "failed", "INVALID_RESPONSE"), hostility
    assert await _rows(program, tables) == before
    assert await _rows(program, "SELECT * FROM cadence_sync.quarantined_records") == []


class Flood:
    """A body of 1 GB that is made while it is sent, as it is or compressed to a thousandth."""

    def __init__(self, *, compressed: bool) -> None:
        self.compressed = compressed
        self.sent = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        press = zlib.compressobj(1, wbits=31) if self.compressed else None
        if press:
            response.headers["Content-Encoding"] = "gzip"
        await response.prepare(request)
        head = b'{"cadences": [{"id": "1", "name": "'
        try:
            for number in range(1024):
                plain = head.ljust(MEGABYTE, b"x") if number == 0 else b"x" * MEGABYTE
                await response.write(press.compress(plain) + press.flush(zlib.Z_SYNC_FLUSH) if press else plain)
                self.sent += 1
        except ConnectionError:
            pass  # the program has had enough
        return response


@asynccontextmanager
async def _flooding(flood: Flood) -> AsyncIterator[str]:
    async def token(_request: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "token_type": "Bearer", "expires_in": 3600})

    app = web.Application()
    app.router.add_post("/oauth/v2/token", token)
    app.router.add_get("/crm/v7/settings/automation/cadences", flood.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


async def _measured(program: Program, *arguments: str, **changes: str | None) -> tuple[cli.Result, float]:
    """Run the command below a process that says how many megabytes it took at most."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MEASURE, cli.COMMAND, *arguments,
        cwd=program.cwd,
        env=cli.environment(**(program.settings | changes)),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(cli.PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    unit = 1024 if sys.platform == "darwin" else 1
    return cli.Result(process.returncode, out.decode(), err.decode()), int(err.split()[-1]) / unit / 1024


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_a_body_without_end_is_refused_at_the_cap_in_little_memory(program: Program, compressed: bool) -> None:
    flood = Flood(compressed=compressed)
    async with _flooding(flood) as url:
        addresses: dict[str, str | None] = {"ZOHO_API_URL": url, "ZOHO_ACCOUNTS_URL": url}
        result, peak = await _measured(program, "sync", "--json", ZOHO_MAX_BODY_MB="1", **addresses)
    (report,) = result.json
    assert (result.code, report["outcome"], report["error"]["code"]) == (4, "failed", "BODY_TOO_LARGE")
    assert report["api_calls"] == 1, "the next answer would be no smaller"
    assert peak < 300
    assert flood.sent < 1024, "the body was read to its end"
    assert await _live(program) == set()
