"""`doctor`: is the database there and migrated, and with --deep, is the stored history whole?"""

from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.output import one_line, print_json
from cadence_sync.errors import DatabaseError
from cadence_sync.settings import Settings

if TYPE_CHECKING:
    from cadence_sync.db.doctor import Finding

_SHOWN: Final = 5
"""How many exceptions are named."""


async def doctor_command(settings: Settings, *, deep: bool, as_json: bool) -> None:
    """Print what holds; raises `DatabaseError` where something does not."""
    from cadence_sync.db import doctor
    from cadence_sync.db.engine import our_errors
    from cadence_sync.db.migrate import check_migrated

    findings = [doctor.Finding("the database can be reached, and has this version's tables")]
    async with wiring.database(settings) as engine:
        with our_errors():
            async with engine.connect() as connection:
                await check_migrated(connection)
        if deep:
            findings += await doctor.examine(engine)
    if as_json:
        print_json([{"what": f.what, "ok": f.ok, "exceptions": f.exceptions} for f in findings])
    else:
        for finding in findings:
            print(_line(finding))
    broken = [finding for finding in findings if not finding.ok]
    if broken:
        raise DatabaseError(
            f"{len(broken)} of {len(findings)} checks failed.",
            hint="Restore a backup from before, and please report how it came about.",
            code="HISTORY_BROKEN",
        )


def _line(finding: "Finding") -> str:
    if finding.ok:
        return f"✓ {finding.what}"
    places = ", ".join("/".join(str(part) for part in place) for place in finding.exceptions[:_SHOWN])
    return one_line(f"✗ not true: {finding.what}: {len(finding.exceptions)} exceptions, such as {places}")
