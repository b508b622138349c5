"""Bodies as no Zoho ever sent them: a page that Postgres can hold comes out of each, or a refusal."""

import json
import os
import random
from collections.abc import Callable

from tests.support.oracle import judge
from tests.support.records import listing, record

BODIES = int(os.environ.get("CADENCE_SYNC_TORTURE_BODIES", "500"))
SEED = 20_260_107

TOKENS: list[bytes] = [
    *(bytes([byte]) for byte in b'{}[]",:\\ -.0e'),
    *(b"\xff", b"\0", b"\n", b"\xed\xa0\x80", b"\xf0\x9f", b"\xef\xbb\xbf", "\u202e\u0336\u0489".encode()),
    *(rb"\u0000", rb"\ud800", rb"\udc00", rb"\ud83d\ude00", rb"\\u0000", rb"\u0022", rb"\x"),
    *(b"NaN", b"-Infinity", b"1e400", b"1e308", b"-1", b"1000000000000", b"7.5", b"9" * 300, b"9" * 5000, b"-0.0"),
    *(b'"0000-00-00"', b'"9999-12-31T23:59:59+14:00"', b'"0001-01-01T00:00:00+14:00"', b"1721273902000"),
    *(b'"2024-07-17T20:38:22"', b'"2024-07-17T24:00:00Z"', b'"2024-W29-3"', b'"true"', b'"False"', b'""', b"null"),
    *(b"[]", b"{}", b"[{}]", b"true", b"[" * 90, b"[" * 1200, b"]" * 1200, b'{"a":' * 1200, b'"a.b":1,', b'"":1,'),
    *(b'"id":"8",', b'"id":-1,', b'"id":null,', b'"name":"x",', b'"cadences":[],', b'"info":{},', b'"type":"a",'),
    b'"execution_details":{"unenroll_properties":[{"type":"end_date","details":{"unenroll_date":"2026-02-30"}}]},',
    b'"execution_details":{"unenroll_properties":[{"type":"multiple","id":1e3},{"type":"","id":7.0}]},',
]
NAMES = ["Ünï 💫", "\u202eevil", "Z\u0351\u036b\u0343a\u0327\u0322", '"', "\\", "\\u0000", "x" * 5000]
VALUES: list[object] = [
    *(None, True, False, 0, -1, 10**12, 2**31, 2**64, 10**300, 0.5, 1e300, "", "true", "1", "-7", "٣", "x" * 300),
    *("0000-00-00", "2026-02-30", "2026-12-31T25:00", "9999-12-31T23:59:59-14:00", "2024-07-17T20:38:22.123456789Z"),
    *([], {}, [None], [[]], {"id": {"id": "1"}}, [{"type": "a"}], [{"type": "a", "x": {"": [1.0, 1]}}], "a\0b"),
]
SOUND: list[bytes] = [
    listing([record("1"), record("2", custom_view=None, description="text"), record("3", name=name)]) for name in NAMES
]


def flip(rng: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body))]


def insert(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body))
    return body[:at] + rng.choice(TOKENS) + body[at:]


def overwrite(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body))
    return body[:at] + rng.choice(TOKENS) + body[at + rng.randint(0, 30) :]


def after_a_colon(rng: random.Random, body: bytes) -> bytes:
    """Put a token where a value was or a key is to come."""
    marks = [at + 1 for at in range(len(body)) if body[at : at + 1] in {b":", b"{", b","}]
    at = rng.choice(marks)
    end = body.find(b",", at)
    return body[:at] + rng.choice(TOKENS) + body[(end if rng.random() < 0.7 else at) :]


def swap(rng: random.Random, body: bytes) -> bytes:
    """Swap values of one page with each other and with values of other shapes."""
    page = json.loads(body)
    places = [(holder, key) for item in page["cadences"] for holder, key in _places(item)]
    for _ in range(rng.randint(1, 4)):
        holder, key = rng.choice(places)
        if rng.random() < 0.7:
            holder[key] = rng.choice(VALUES)
        else:
            other, other_key = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[other_key]))
    return json.dumps(page, ensure_ascii=rng.random() < 0.5).encode()


def _places(value: object) -> list[tuple[dict[str, object], str]]:
    if not isinstance(value, dict):
        return []
    return [(value, key) for key in value] + [place for child in value.values() for place in _places(child)]


MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [flip, truncate, insert, overwrite, after_a_colon, swap]


def mutated(number: int) -> bytes:
    """Return the hostile body of that number: the same one each time."""
    rng = random.Random(SEED + number)  # noqa: S311 - repeatable on purpose
    body = rng.choice(SOUND)
    if rng.random() < 0.5:
        body = swap(rng, body)
    for _ in range(rng.randint(0, 2)):
        body = rng.choice(MUTATIONS[:-1])(rng, body) or body
    return body


def test_hostile_bodies_become_pages_that_postgres_can_hold_or_are_refused() -> None:
    refused = sound = quarantined = 0
    for number in range(BODIES):
        try:
            page = judge(mutated(number))
        except Exception as error:
            error.add_note(f"body {number}: {mutated(number)[:2000]!r}")
            raise
        if page is None:
            refused += 1
        else:
            bad = sum(hasattr(item, "reason") for item in page.records)
            quarantined += bad
            sound += len(page.records) - bad
    assert min(refused, sound, quarantined) > BODIES // 10, "the bodies are not of all kinds"
