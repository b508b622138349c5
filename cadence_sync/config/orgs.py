"""Organizations in the settings, each with everything that is needed to reach it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cadence_sync.config.settings import DEFAULT_ORG, OrgSettings, Settings
from cadence_sync.config.sources import PREFIX
from cadence_sync.errors import UNKNOWN_ORG, ArgumentError, SettingsError


@dataclass(frozen=True, slots=True)
class OrgConfig:
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
    """When an organization is synced: every so many seconds, or by a cron line in a zone; None as in the settings."""

    seconds: float | None = None
    cron: str | None = None
    time_zone: str | None = None


def named_orgs(settings: Settings) -> list[str]:
    """Returns the ids of the organizations in the settings; a refresh token at the top level makes `default` one."""
    has_default = settings.zoho_refresh_token is not None
    return [DEFAULT_ORG, *(n for n in settings.orgs if n != DEFAULT_ORG)] if has_default else list(settings.orgs)


def configured_orgs(settings: Settings, wanted: Sequence[str] = ()) -> dict[str, OrgConfig | SettingsError]:
    """Returns the wanted, else all; raises `SettingsError` for an unknown one, and for a faulty one without another."""
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


def load_or_error(settings: Settings, org_id: str) -> OrgConfig | SettingsError:
    """Returns an organization as the settings configure it, or what is wrong with it.

    What its own table leaves out comes from the top level; the refresh token does so for `default` only.
    """
    own = settings.orgs.get(org_id, OrgSettings())
    secret = own.zoho_client_secret or settings.zoho_client_secret
    token = own.zoho_refresh_token or (settings.zoho_refresh_token if org_id == DEFAULT_ORG else None)
    org = OrgConfig(
        org_id,
        own.zoho_data_center or settings.zoho_data_center,
        client_id=own.zoho_client_id or settings.zoho_client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
        refresh_token=token.get_secret_value() if token else "",
        api_url=own.zoho_api_url,
        accounts_url=own.zoho_accounts_url,
    )
    missing = [name for name in ("client_id", "client_secret", "refresh_token") if not getattr(org, name)]
    return _missing_credentials(org_id, missing) if missing else org


def unknown_org_error(org_id: str, known: Iterable[str]) -> SettingsError:
    return SettingsError(
        f"There is no organization {org_id!r}.", hint=f"Known: {', '.join(known) or 'none'}.", code=UNKNOWN_ORG
    )


def in_settings_error(org_id: str) -> ArgumentError:
    return ArgumentError(
        f"The settings name the organization {org_id!r} themselves.",
        hint="Take it out of environment and settings file first, or choose another id.",
        code="ORG_EXISTS",
    )


def _missing_credentials(org_id: str, names: list[str]) -> SettingsError:
    where = "" if org_id == DEFAULT_ORG else f" for the organization {org_id!r}"
    variables = ", ".join(f"{PREFIX}ZOHO_{name.upper()}" for name in names)
    place = "the environment" if org_id == DEFAULT_ORG else f"[orgs.{org_id}] of cadence-sync.toml"
    ask = "`cadence-sync init` asks for them and says where Zoho has them. Or set" if org_id == DEFAULT_ORG else "Set"
    return SettingsError(
        f"Credentials are missing{where}: {variables}.",
        hint=f"{ask} them in {place}, or store them with `cadence-sync org add`.",
        code="MISSING_CREDENTIALS",
    )
