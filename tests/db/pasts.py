"""A ledger of two months that nobody had time to live through: random runs, written by the store itself."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.errors import AccessError
from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.support.lab import START, Lab, WrittenSource
from tests.support.records import record, without

CAUTIOUS = SyncOptions(threshold=DeletionThreshold(count=1, percent=0))
BAD: list[dict[str, Any]] = [{"email_follow_up_count": "many"}, {"task_follow_up_count": "none"}]


@dataclass
class Zoho:
    """An organization that people edit now and then."""

    org: Org
    random: Random
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    edits: int = 0

    def __post_init__(self) -> None:
        self.records = {str(n): record(str(n)) for n in range(1, 5)}

    def live(self) -> None:
        """Let something happen, mostly nothing."""
        self.edits += 1
        match self.random.choice(["edit", "new", "gone", "bad", "good", "unreadable", "learn", *["nothing"] * 24]):
            case "edit":
                self.records["1"]["name"] = f"Edit {self.edits}"
            case "new":
                self.records[str(100 + self.edits)] = record(str(100 + self.edits))
            case "gone":
                self.records = {key: value for key, value in self.records.items() if key <= "2"}
            case "bad":
                self.records["2"]["summary"] = self.random.choice(BAD)
            case "good":
                self.records = self.records | {"2": record("2")}
                self.records.pop("unreadable", None)
            case "unreadable":
                self.records["unreadable"] = without(record(), "id")
            case "learn":
                self.records["1"]["description"] = "Known since"
            case _:
                pass


async def live(lab: Lab, seed: int, days: int = 60) -> None:
    """Look at three organizations some times a day, in turns, with failures and days on which nobody looks."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    zohos = [Zoho(Org(name, "eu"), random) for name in ("left", "default", "right")]
    end = START + timedelta(days=days)
    while lab.clock.time < end:
        lab.clock.move(minutes=random.choice([30, 200, 500, 700, 3000]))
        zoho = random.choice(zohos)
        zoho.live()
        if random.random() < 0.15:
            refused = AccessError("Zoho refused the refresh token.", code="TOKEN_REFUSED")
            await lab.syncing(WrittenSource(b"", lab.clock, refused), zoho.org).run("schedule")
        else:
            await lab.sync(*zoho.records.values(), org=zoho.org, permits=CAUTIOUS)
