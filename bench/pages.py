"""The listing that all contestants fetch: a made-up organization, rendered once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.records import Cadence
from cadence_sync.simulator.serializers import list_v7

SEED: Final = 7
EDITED: Final = datetime(2026, 6, 1, tzinfo=UTC)

VARIANTS: Final[dict[str, Callable[[int], bool]]] = {
    "base": lambda _: False,
    "one-percent": lambda number: number % 100 == 0,
    "one-percent-again": lambda number: number % 100 == 50,
    "all": lambda _: True,
}
"""Name → whether the cadence of a number is renamed in it."""


def render(cadences: int, per_page: int, variant: str) -> list[bytes]:
    """Returns the bodies of all pages of a variant."""
    org = SimOrg(SEED, 0, cadences)
    records = [
        json.dumps(list_v7(_edited(cadence) if VARIANTS[variant](number) else cadence, org.utc_offset)).encode()
        for number, cadence in enumerate(org.cadences.values())
    ]
    starts = range(0, len(records), per_page)
    return [
        _page(records[start : start + per_page], n, per_page, last=n == len(starts))
        for n, start in enumerate(starts, 1)
    ]


def _edited(cadence: Cadence) -> Cadence:
    cadence.name += " (edited)"
    cadence.modified_time = max(EDITED, (cadence.modified_time or EDITED) + timedelta(days=1))
    return cadence


def _page(records: list[bytes], number: int, per_page: int, *, last: bool) -> bytes:
    info = {"per_page": per_page, "count": len(records), "page": number, "more_records": not last}
    return b'{"cadences": [' + b", ".join(records) + b'], "info": ' + json.dumps(info).encode() + b"}"
