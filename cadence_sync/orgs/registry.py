"""Which organizations there are: those that the settings name, and those that were added to the database.

What the settings say of one beats what is stored of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cadence_sync.config.settings import DEFAULT_ORG, Settings
from cadence_sync.db import credentials, orgs
from cadence_sync.db.runs import org_removed
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError
from cadence_sync.orgs.config import (
    OrgConfig,
    configured_orgs,
    load_or_error,
    named_orgs,
    unknown_org_error,
    with_overrides,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

OrgConfigs = Mapping[str, OrgConfig | CadenceSyncError]


async def load_org_config(settings: Settings, engine: "AsyncEngine", org_id: str) -> OrgConfig:
    """Return how one organization is reached; raises `SettingsError` where that is not known."""
    found = (await select_orgs(settings, engine, [org_id]))[org_id]
    if isinstance(found, CadenceSyncError):
        raise found
    return found


@dataclass(slots=True)
class OrgConfigCache:
    """How the organizations of a daemon's jobs are reached; what is stored is asked for anew with each job."""

    settings: Settings
    engine: "AsyncEngine"
    configured: Mapping[str, OrgConfig]
    _stored: dict[str, tuple[str, OrgConfig]] = field(default_factory=dict)
    """By edition: only other credentials are read and decrypted again."""

    async def check(self) -> None:
        """Raise `SettingsError` where all that is stored is out of reach, and the settings name nobody either."""
        if self.configured:
            return
        entries = {name: entry for name, entry in (await orgs.load_orgs(self.engine)).items() if entry.is_stored}
        faults = []
        for name in entries:
            found = _config(self.settings, [], entries, name)
            if not isinstance(found, CadenceSyncError):
                return
            faults.append(found)
        if faults:
            raise faults[0]

    async def get(self, org_id: str) -> OrgConfig:
        """Return how an organization is reached; raises `SettingsError`, with the code `REMOVED` if it is gone."""
        if org_id in self.configured:
            return self.configured[org_id]
        edition = await orgs.credentials_version(self.engine, org_id)
        known, org = self._stored.pop(org_id, ("", None))
        if edition is None:
            raise org_removed(org_id)
        if org is None or known != edition:
            org = await load_org_config(self.settings, self.engine, org_id)
        self._stored[org_id] = (edition, org)
        return org


async def select_orgs(settings: Settings, engine: "AsyncEngine", wanted: Sequence[str]) -> OrgConfigs:
    """Return these organizations, paused ones too, each with its configuration or its fault.

    Raises `SettingsError` for one that is in neither settings nor database.
    """
    own = named_orgs(settings)
    if set(wanted) <= set(own):
        return configured_orgs(settings, wanted)
    entries = await orgs.load_orgs(engine, wanted)
    for name in wanted:
        if name not in (*own, DEFAULT_ORG) and (name not in entries or entries[name].removed_at is not None):
            raise unknown_org_error(name, [*own, *_stored(await orgs.load_orgs(engine), own)])
    return {name: _config(settings, own, entries, name) for name in wanted}


async def enabled_orgs(settings: Settings, engine: "AsyncEngine") -> OrgConfigs:
    """Return all organizations that are not paused; raises `SettingsError` where there is none at all."""
    own = named_orgs(settings)
    try:
        entries = await orgs.load_orgs(engine)
    except DatabaseError as error:
        if not own:
            raise
        return dict.fromkeys(own, error)
    names = [*own, *_stored(entries, own)]
    if not names:
        return configured_orgs(settings)
    due = [name for name in names if name not in entries or entries[name].enabled]
    return {name: _config(settings, own, entries, name) for name in due}


def _stored(entries: Mapping[str, orgs.OrgRow], own: Sequence[str]) -> list[str]:
    return [name for name, entry in entries.items() if entry.is_stored and name not in own]


def _config(
    settings: Settings, own: Sequence[str], entries: Mapping[str, orgs.OrgRow], org_id: str
) -> OrgConfig | CadenceSyncError:
    sealed = entries[org_id].encrypted_credentials if org_id in entries and org_id not in own else None
    if sealed is None:
        return load_or_error(settings, org_id)
    try:
        return with_overrides(settings, credentials.decrypt_org(settings.encryption_key_list, org_id, sealed))
    except SettingsError as error:
        return error
