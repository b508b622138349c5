"""Organizations, each with everything that is needed to reach it, and those that the settings name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from cadence_sync.config.settings import DEFAULT_ORG, PREFIX, OrgSettings, Settings
from cadence_sync.errors import ArgumentError, SettingsError
from cadence_sync.ports import UNKNOWN_ORG


@dataclass(frozen=True, slots=True)
class OrgConfig:
    """How one organization is reached."""

    org_id: str
    data_center: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    api_url: str | None = None
    accounts_url: str | None = None
    stored: bool = False
    """Whether this comes from the database."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an organization is synced: so many seconds, or a cron line in a zone; None for what the settings say."""

    seconds: float | None = None
    cron: str | None = None
    time_zone: str | None = None


def named_orgs(settings: Settings) -> list[str]:
    """Return the ids of the organizations that the settings name; their refresh token makes `default` one."""
    has_default = settings.zoho_refresh_token is not None
    return [DEFAULT_ORG, *(n for n in settings.orgs if n != DEFAULT_ORG)] if has_default else list(settings.orgs)


def configured_orgs(settings: Settings, wanted: Sequence[str] = ()) -> dict[str, OrgConfig | SettingsError]:
    """Return the organizations to work on, all or those that are wanted, each with its configuration or its fault.

    Raises `SettingsError` for one that is not known, and where there is only one and it is faulty.
    """
    names = named_orgs(settings)
    if DEFAULT_ORG not in names and (DEFAULT_ORG in wanted or not names):
        names = [DEFAULT_ORG, *names]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise unknown_org_error(unknown[0], names)
    found = {name: load_or_error(settings, name) for name in wanted or names}
    if len(found) == 1 and isinstance(fault := next(iter(found.values())), SettingsError):
        raise fault
    return found


def unknown_org_error(org_id: str, known: Iterable[str]) -> SettingsError:
    """Return what is said of an organization that is in neither settings nor database."""
    return SettingsError(
        f"There is no organization {org_id!r}.", hint=f"Known: {', '.join(known) or 'none'}.", code=UNKNOWN_ORG
    )


def in_settings_error(org_id: str) -> ArgumentError:
    """Return what is said where the settings name an organization that is meant to be stored, or removed."""
    return ArgumentError(
        f"The settings name the organization {org_id!r} themselves.",
        hint="Take it out of environment and settings file first, or choose another id.",
        code="ORG_EXISTS",
    )


def with_overrides(settings: Settings, org: OrgConfig) -> OrgConfig:
    """Return a stored organization with the addresses that the top level of the settings overrides."""
    return replace(
        org,
        api_url=org.api_url or settings.zoho_api_url,
        accounts_url=org.accounts_url or settings.zoho_accounts_url,
    )


def load_or_error(settings: Settings, org_id: str) -> OrgConfig | SettingsError:
    """Return the configuration that the settings hold of an organization, or what is wrong with it."""
    try:
        return _config(settings, org_id)
    except SettingsError as error:
        return error


def _config(settings: Settings, org_id: str) -> OrgConfig:
    """Return one organization's configuration: what its own table leaves out comes from the top level."""
    own = settings.orgs.get(org_id, OrgSettings())
    secret = own.zoho_client_secret or settings.zoho_client_secret
    token = own.zoho_refresh_token or (settings.zoho_refresh_token if org_id == DEFAULT_ORG else None)
    found = {
        "zoho_client_id": own.zoho_client_id or settings.zoho_client_id,
        "zoho_client_secret": secret and secret.get_secret_value(),
        "zoho_refresh_token": token and token.get_secret_value(),
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise _missing(org_id, missing)
    return OrgConfig(
        org_id,
        own.zoho_data_center or settings.zoho_data_center,
        client_id=found["zoho_client_id"] or "",
        client_secret=found["zoho_client_secret"] or "",
        refresh_token=found["zoho_refresh_token"] or "",
        api_url=own.zoho_api_url or settings.zoho_api_url,
        accounts_url=own.zoho_accounts_url or settings.zoho_accounts_url,
    )


def _missing(org_id: str, names: list[str]) -> SettingsError:
    where = "" if org_id == DEFAULT_ORG else f" for the organization {org_id!r}"
    variables = ", ".join(f"{PREFIX}{name.upper()}" for name in names)
    place = "the environment" if org_id == DEFAULT_ORG else f"[orgs.{org_id}] of cadence-sync.toml"
    ask = "`cadence-sync init` asks for them and says where Zoho has them. Or set" if org_id == DEFAULT_ORG else "Set"
    return SettingsError(
        f"Credentials are missing{where}: {variables}.",
        hint=f"{ask} them in {place}, or store them with `cadence-sync org add`.",
        code="MISSING_CREDENTIALS",
    )
