"""Which organizations there are: those in the settings, and those that were added to the database.

The settings beat what is stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TypeAlias

from cadence_sync.config.orgs import OrgConfig, configured_orgs, load_or_error, named_orgs, unknown_org_error
from cadence_sync.config.settings import DEFAULT_ORG, Settings
from cadence_sync.db.credentials import decrypt_org
from cadence_sync.db.engine import Engine
from cadence_sync.db.orgs import OrgRow, load_orgs
from cadence_sync.db.runs import org_removed
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError
from cadence_sync.logs import log

OrgConfigs: TypeAlias = Mapping[str, OrgConfig | CadenceSyncError]


async def select_orgs(settings: Settings, engine: Engine, wanted: Sequence[str]) -> OrgConfigs:
    """Returns these, paused ones too; raises `SettingsError` for one that is in neither settings nor database."""
    own = named_orgs(settings)
    if set(wanted) <= set(own):
        return configured_orgs(settings, wanted)
    rows = await load_orgs(engine, wanted)
    for name in wanted:
        if name not in (*own, DEFAULT_ORG) and (name not in rows or rows[name].removed_at is not None):
            stored = [
                row.org_id for row in (await load_orgs(engine)).values() if row.is_stored and row.org_id not in own
            ]
            raise unknown_org_error(name, [*own, *stored])
    return {name: _resolve(settings, name, None if name in own else rows.get(name)) for name in wanted}


async def enabled_orgs(settings: Settings, engine: Engine) -> OrgConfigs:
    """Returns all organizations that are not paused; raises `SettingsError` where there is none at all."""
    own = named_orgs(settings)
    try:
        rows = await load_orgs(engine)
    except DatabaseError as error:
        if not own:
            raise
        return dict.fromkeys(own, error)
    stored = {name: row for name, row in rows.items() if row.is_stored and name not in own}
    if not own and not stored:
        return configured_orgs(settings)
    enabled = [name for name in (*own, *stored) if name not in rows or rows[name].enabled]
    return {name: _resolve(settings, name, stored.get(name)) for name in enabled}


def usable_orgs(settings: Settings) -> dict[str, OrgConfig]:
    """Returns the organizations in the settings; a faulty one is left out and logged."""
    usable: dict[str, OrgConfig] = {}
    for name, org in (configured_orgs(settings) if named_orgs(settings) else {}).items():
        if isinstance(org, SettingsError):
            log.error("org_skipped", org_id=name, error=org.message, hint=org.hint)
        else:
            usable[name] = org
    return usable


async def load_org_config(settings: Settings, engine: Engine, org_id: str) -> OrgConfig:
    """Returns one organization; raises `SettingsError` where it is unknown or faulty."""
    found = (await select_orgs(settings, engine, [org_id]))[org_id]
    if isinstance(found, CadenceSyncError):
        raise found
    return found


@dataclass(slots=True)
class OrgConfigCache:
    """The organizations of a daemon's jobs; what is stored is asked for with each job."""

    settings: Settings
    engine: Engine
    configured: Mapping[str, OrgConfig]
    _stored: dict[str, tuple[datetime | None, OrgConfig]] = field(default_factory=dict)
    """With the time at which the credentials were stored: they are decrypted again only if they are newer."""

    async def check(self) -> None:
        """Raises `SettingsError` where nothing that is stored can be decrypted, and the settings name nothing."""
        if self.configured:
            return
        faults = []
        for row in filter(attrgetter("is_stored"), (await load_orgs(self.engine)).values()):
            found = _resolve(self.settings, row.org_id, row)
            if isinstance(found, OrgConfig):
                return
            faults.append(found)
        if faults:
            raise faults[0]

    async def get(self, org_id: str) -> OrgConfig:
        """Returns one organization; raises `SettingsError`, with the code `UNKNOWN_ORG` if it is gone."""
        if org_id in self.configured:
            return self.configured[org_id]
        row = (await load_orgs(self.engine, [org_id])).get(org_id)
        stored_at, org = self._stored.pop(org_id, (None, None))
        if row is None or row.removed_at is not None:
            raise org_removed(org_id)
        if org is None or stored_at != row.updated_at:
            org = await load_org_config(self.settings, self.engine, org_id)
        self._stored[org_id] = (row.updated_at, org)
        return org


def _resolve(settings: Settings, org_id: str, row: OrgRow | None) -> OrgConfig | CadenceSyncError:
    """Returns an organization as it is stored, or without stored credentials as the settings have it."""
    if row is None or row.encrypted_credentials is None:
        return load_or_error(settings, org_id)
    try:
        return decrypt_org(settings.encryption_key_list, org_id, row.encrypted_credentials)
    except SettingsError as error:
        return error
