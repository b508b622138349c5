"""An unchanged organization inside one process, as in the daemon: prints milliseconds of processor time for a run."""

import asyncio
import json
import time

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig, configured_orgs
from cadence_sync.config.settings import load_settings

RUNS = 50


async def main() -> None:
    """Syncs once to warm up, then for each measurement."""
    settings = load_settings()
    org = configured_orgs(settings)["default"]
    if not isinstance(org, OrgConfig):
        raise org
    taken, outcomes = [], set()
    async with wiring.database(settings) as engine:
        for _ in range(RUNS + 1):
            began = time.process_time()
            async with wiring.sync(settings, engine, org) as syncing:
                report = await syncing.run("bench")
            taken.append(time.process_time() - began)
            outcomes.add(str(report.outcome))
    milliseconds = sorted(1000 * each for each in taken[1:])
    print(json.dumps({"cpu_ms": milliseconds[RUNS // 2], "outcomes": sorted(outcomes)}))


if __name__ == "__main__":
    asyncio.run(main())
