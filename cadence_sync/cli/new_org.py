"""What people write of an organization, on the command line or in a file, becomes an application, or one sentence."""

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from cadence_sync.config.orgs import OrgConfig, Schedule
from cadence_sync.config.settings import DataCenter, Settings, seconds_of
from cadence_sync.config.urls import checked_web_url
from cadence_sync.errors import ArgumentError, docs_hint
from cadence_sync.orgs.onboarding import NewOrg

FIELDS: Final = (
    "org_id", "data_center", "client_id", "client_secret", "refresh_token", "grant_code",
    "interval", "cron", "time_zone", "api_url", "accounts_url",
)  # fmt: skip
LONGEST_ID: Final = 100
LONGEST_INTERVAL: Final = 366 * 86400.0
"""Seconds: a year."""
_SELF_CLIENT: Final = f"Zoho's API console hands them out. {docs_hint('Add many organizations')}"


def parse_new_org(settings: Settings, given: Mapping[str, str | None]) -> NewOrg:
    """Return the application; what it leaves out of client, data center and addresses comes from the settings.

    Raises `ArgumentError` for the first thing that cannot work.
    """
    found = {name: (given.get(name) or "").strip() for name in FIELDS}
    client_id, client_secret = _client(settings, found)
    if bool(found["refresh_token"]) == bool(found["grant_code"]):
        which = "both a refresh token and a grant code" if found["grant_code"] else "no refresh token and no grant code"
        raise ArgumentError(f"There is {which}.", hint=f"Exactly one is needed. {_SELF_CLIENT}")
    org = OrgConfig(
        _org_id(found["org_id"]),
        _data_center(found["data_center"] or settings.zoho_data_center),
        client_id,
        client_secret,
        found["refresh_token"],
        _url("api_url", found["api_url"]),
        _url("accounts_url", found["accounts_url"]),
    )
    return NewOrg(org, found["grant_code"] or None, schedule(found))


def _client(settings: Settings, found: Mapping[str, str]) -> tuple[str, str]:
    """The client of the settings serves all organizations that name none; never the secret of another client."""
    client_id = found["client_id"] or settings.zoho_client_id or ""
    secret = found["client_secret"]
    if not secret and settings.zoho_client_secret is not None and client_id == settings.zoho_client_id:
        secret = settings.zoho_client_secret.get_secret_value()
    missing = [name for name, value in (("client id", client_id), ("client secret", secret)) if not value]
    if missing:
        raise ArgumentError(f"The {' and the '.join(missing)} of the organization is missing.", hint=_SELF_CLIENT)
    return client_id, secret


def _org_id(text: str) -> str:
    if not 0 < len(text) <= LONGEST_ID or not text.isprintable() or text.startswith("-"):
        raise ArgumentError(
            f"An organization cannot be called {text!r}." if text else "The organization has no id.",
            hint=f"A name of your choice, of at most {LONGEST_ID} characters.",
        )
    return text


def _data_center(text: str) -> str:
    known = get_args(DataCenter)
    if text not in known:
        raise ArgumentError(f"There is no data center {text!r}.", hint=f"Known: {', '.join(known)}.")
    return text


def _url(name: str, text: str) -> str | None:
    return _checked(name, checked_web_url, text) if text else None


def schedule(found: Mapping[str, str | None]) -> Schedule | None:
    """Return when to sync, or None where nothing is said of it; raises `ArgumentError` for what makes no sense."""
    interval, cron, time_zone = ((found[name] or "").strip() for name in ("interval", "cron", "time_zone"))
    if interval and cron:
        raise ArgumentError("An organization has an interval or a cron line, not both.", code="BAD_SCHEDULE")
    if time_zone and not cron:
        raise ArgumentError("A time zone needs a cron line, for which it is.", code="BAD_SCHEDULE")
    if interval:
        return Schedule(_checked("interval", _seconds, interval, code="BAD_SCHEDULE"))
    if cron:
        from cadence_sync.daemon.cron import cron_trigger

        _checked("cron", lambda line: cron_trigger(line, time_zone or None), cron, code="BAD_SCHEDULE")
        return Schedule(cron=cron, time_zone=time_zone or None)
    return None


def _seconds(text: str) -> float:
    seconds = seconds_of(text)
    if not 1 <= seconds <= LONGEST_INTERVAL:
        raise ValueError("expected at least a second and at most a year")
    return seconds


def _checked(name: str, check: Callable[[str], Any], text: str, *, code: str | None = None) -> Any:
    try:
        return check(text)
    except ValueError as error:
        reason = str(error).rstrip(".")
        hint = "Such as 15m, or '*/15 6-20 * * 1-5' with Europe/Paris." if code else ""
        raise ArgumentError(f"{name} {text!r} cannot work: {reason}.", hint=hint, code=code) from error
