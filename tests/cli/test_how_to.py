"""What the how-to about looking back shows is what the commands print, over the history that it tells of."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from cadence_sync.ports import Org
from tests.cli.conftest import Program
from tests.support.lab import ORG, Lab
from tests.support.records import record

PAGE = Path(__file__).parents[2] / "docs/how-to/history-from-the-command-line.md"
PATRICIA = {"name": "Patricia Boyle", "id": "3652397000000186017"}
JEAN = {"name": "Jean Dupont", "id": "3652397000000186044"}


async def tell(lab: Lab) -> None:
    """Write the history that the page is about."""

    async def sync(time: str, *records: dict[str, Any], org: Org = ORG) -> None:
        lab.clock.time = datetime.fromisoformat(f"{time}Z")  # `sync` moves the clock by a minute
        await lab.sync(*records, org=org)

    welcome = record("3652397000017949001", name="Welcome")
    demo = record("3652397000017985012", name="Demo no-show", status="draft", active=False, published=False)
    await sync("2026-03-01T08:59", welcome, demo)
    welcome |= {"name": "Welcome aboard", "modified_time": "2026-03-04T11:20:05+00:00", "modified_by": JEAN}
    await sync("2026-03-04T11:29", welcome, demo)
    demo |= {"status": "active", "active": True, "published": True}
    demo |= {"modified_time": "2026-03-09T16:48:11+00:00", "modified_by": PATRICIA}
    then = "2026-03-09T16:50:00+00:00"
    renewal = record("3652397000017990003", name="Renewal T-90", created_by=PATRICIA, modified_by=PATRICIA)
    renewal |= {"created_time": then, "modified_time": then}
    await sync("2026-03-09T16:59", welcome, demo, renewal)
    await sync("2026-03-12T08:14", demo, renewal)
    demo |= {"description": "After a demo that nobody came to"}
    await sync("2026-03-12T09:14", demo, renewal)
    every = demo["execution_details"] | {"execute_every": {"unit": 2, "period": "days"}}
    demo |= {"name": "Demo missed", "execution_details": every}
    demo |= {"modified_time": "2026-03-15T09:01:40+00:00", "modified_by": JEAN}
    await sync("2026-03-15T09:14", demo, renewal)
    await sync(
        "2026-03-15T09:15", record("77", name="Demo missed", active=False, status="inactive"), org=Org("sandbox", "us")
    )


async def test_the_page_shows_what_is_printed(lab: Lab, program: Program, around: Callable[..., None]) -> None:
    around(COLUMNS="200")
    await tell(lab)
    blocks = re.findall(r"```console\n\$ (.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shown = [example.partition("\n")[::2] for block in blocks for example in block.split("\n$ ")]
    assert len(shown) == 8
    for command, output in shown:
        name, *arguments = shlex.split(command)
        if name == "git":
            done = subprocess.run([name, *arguments], cwd=program.cwd, capture_output=True, check=True, env=os.environ)
            lines = done.stdout.decode().splitlines()
        else:
            lines = await program.on_a_terminal(*arguments)
        wanted = output.rstrip("\n").splitlines()
        if wanted and wanted[-1] == "...":
            wanted.pop()
            lines = lines[: len(wanted)]
        assert [line for line in lines if line] == [line for line in wanted if line], command
