"""`org add`: one organization, proved and stored."""

from collections.abc import Mapping
from dataclasses import asdict

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.new_org import parse_new_org
from cadence_sync.cli.output import one_line, print_json
from cadence_sync.config.orgs import Schedule
from cadence_sync.config.settings import Settings
from cadence_sync.orgs.onboarding import add_org


async def add_command(settings: Settings, fields: Mapping[str, str | None], *, again: bool, as_json: bool) -> None:
    """Add the organization and say so."""
    wanted = parse_new_org(settings, fields)
    async with wiring.database(settings) as engine:
        await add_org(settings, engine, wanted, again=again)
    org_id, data_center = wanted.org.org_id, wanted.org.data_center
    if as_json:
        print_json({"org_id": org_id, "data_center": data_center, **asdict(wanted.schedule or Schedule())})
        return
    echo(one_line(f"Zoho lets cadence-sync read the cadences of {org_id!r} ({data_center}); it is stored."))
