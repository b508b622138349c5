"""The organisations that the settings name, each with everything that is needed to reach it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cadence_sync.errors import SettingsError
from cadence_sync.settings import DEFAULT_ORG, PREFIX, OrgSettings, Settings


@dataclass(frozen=True, slots=True)
class OrgConfig:
    """How one organisation is reached."""

    org_id: str
    data_center: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    api_url: str | None = None
    accounts_url: str | None = None


def configured_orgs(settings: Settings, wanted: Sequence[str] = ()) -> dict[str, OrgConfig | SettingsError]:
    """Return the organisations to work on, all or those that are wanted, each with its configuration or its fault.

    Raises `SettingsError` for one that is not known, and where there is only one and it is faulty.
    """
    names = list(settings.orgs)
    if settings.zoho_refresh_token is not None or DEFAULT_ORG in wanted or not names:
        names = [DEFAULT_ORG, *(name for name in names if name != DEFAULT_ORG)]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise SettingsError(
            f"There is no organisation {unknown[0]!r}.",
            hint=f"Known: {', '.join(names)}.",
            code="UNKNOWN_ORG",
        )
    found = {name: _config_or_fault(settings, name) for name in wanted or names}
    if len(found) == 1 and isinstance(fault := next(iter(found.values())), SettingsError):
        raise fault
    return found


def _config_or_fault(settings: Settings, org_id: str) -> OrgConfig | SettingsError:
    try:
        return _config(settings, org_id)
    except SettingsError as error:
        return error


def _config(settings: Settings, org_id: str) -> OrgConfig:
    """Return one organisation's configuration: what its own table leaves out comes from the top level."""
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
    where = "" if org_id == DEFAULT_ORG else f" for the organisation {org_id!r}"
    variables = ", ".join(f"{PREFIX}{name.upper()}" for name in names)
    place = "the environment" if org_id == DEFAULT_ORG else f"[orgs.{org_id}] of cadence-sync.toml"
    return SettingsError(
        f"Credentials are missing{where}: {variables}.",
        hint=f"Set them in {place}; Zoho's API console hands them out (self client).",
        code="MISSING_CREDENTIALS",
    )
