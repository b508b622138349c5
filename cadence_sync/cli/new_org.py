"""What people say of an organization that is to be added: options, prompts, secret files, or a file of many."""

import csv
import io
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cadence_sync.cli.console import echo
from cadence_sync.cli.prompts import has_terminal, prompt
from cadence_sync.config.orgs import OrgConfig, Schedule
from cadence_sync.config.settings import LONGEST_INTERVAL, Settings, seconds_of
from cadence_sync.config.sources import PREFIX
from cadence_sync.config.urls import checked_web_url
from cadence_sync.daemon.schedule import cron_trigger
from cadence_sync.errors import ArgumentError, docs_hint
from cadence_sync.orgs.onboarding import NewOrg
from cadence_sync.zoho.data_centers import DATA_CENTERS
from cadence_sync.zoho.errors import SCOPE

FIELDS: Final = (
    "org_id", "data_center", "client_id", "client_secret", "refresh_token", "grant_code",
    "interval", "cron", "time_zone", "api_url", "accounts_url",
)  # fmt: skip
LONGEST_ID: Final = 100
_SELF_CLIENT: Final = f"Zoho's API console hands them out. {docs_hint('Add many organizations')}"
_PREFIX: Final = "zoho_"
"""The prefix of the settings' tables; names are accepted with and without it."""
_WHERE: Final = f"""\
In Zoho's API console, of the data center where the organization lives (https://api-console.zoho.com, .eu, .in …),
make a self client. Its page "Client Secret" has the client's id and secret; "Generate Code", with the scope
{SCOPE}, hands out a grant code that is good for minutes."""
Fields = dict[str, str | None]
"""One of `FIELDS` → what was given for it."""


def parse_new_org(settings: Settings, given: Mapping[str, str | None]) -> NewOrg:
    """Returns the organization; missing client, data center and addresses come from the settings.

    Raises `ArgumentError` for the first value that is invalid.
    """
    found = {name: (given.get(name) or "").strip() for name in FIELDS}
    client_id, client_secret = _client(settings, found)
    if bool(found["refresh_token"]) == bool(found["grant_code"]):
        which = "both a refresh token and a grant code" if found["grant_code"] else "no refresh token and no grant code"
        raise ArgumentError(f"There is {which}.", hint=f"Exactly one is needed. {_SELF_CLIENT}")
    org = OrgConfig(
        _org_id(found["org_id"]),
        known_data_center(found["data_center"] or settings.zoho_data_center),
        client_id,
        client_secret,
        found["refresh_token"],
        _url("api_url", found["api_url"]),
        _url("accounts_url", found["accounts_url"]),
    )
    return NewOrg(org, found["grant_code"] or None, parse_schedule(found))


def _client(settings: Settings, found: Mapping[str, str]) -> tuple[str, str]:
    """Returns id and secret; the settings' client serves organizations without one, but no other client's secret."""
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


def known_data_center(text: str) -> str:
    """Returns a data center as the settings spell it; raises `ArgumentError`."""
    if text.lower() not in DATA_CENTERS:
        raise ArgumentError(f"There is no data center {text!r}.", hint=f"Known: {', '.join(DATA_CENTERS)}.")
    return text.lower()


def parse_data_centers(text: str) -> list[str]:
    """Returns data centers that are separated by commas or blanks; raises `ArgumentError`."""
    return [known_data_center(name) for name in text.replace(",", " ").split()]


def _url(name: str, text: str) -> str | None:
    return _checked(name, checked_web_url, text) if text else None


def parse_schedule(found: Mapping[str, str | None]) -> Schedule | None:
    """Returns the schedule, or None where nothing is given; raises `ArgumentError`."""
    interval, cron, time_zone = ((found[name] or "").strip() for name in ("interval", "cron", "time_zone"))
    if interval and cron:
        raise ArgumentError("An organization has an interval or a cron line, not both.", code="BAD_SCHEDULE")
    if time_zone and not cron:
        raise ArgumentError("A time zone needs a cron line, for which it is.", code="BAD_SCHEDULE")
    if interval:
        return Schedule(_checked("interval", _seconds, interval, code="BAD_SCHEDULE"))
    if cron:
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


def complete_fields(settings: Settings, fields: Mapping[str, str | None], files: Mapping[str, Path | None]) -> Fields:
    """Returns the fields with secrets from files, variables and prompts; raises `ArgumentError` for a bad file."""
    known = dict(fields) | {name: _secret(name, file) for name, file in files.items()}
    if has_terminal():
        _ask_for_missing(settings, known)
    return known


def _secret(name: str, file: Path | None) -> str | None:
    variable = f"{PREFIX}ORG_{name.upper()}"
    if file is None:
        return os.environ.get(variable) or None
    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ArgumentError(f"{file} cannot be read: {reason}.", hint=f"Or set {variable}.") from error
    if not text.strip():
        raise ArgumentError(f"{file} is empty.", hint=f"It should hold the {name.replace('_', ' ')}.")
    return text.strip()


def _ask_for_missing(settings: Settings, known: Fields) -> None:
    """Asks for what is neither given nor set; the grant code comes last, since it soon expires."""
    has_client = settings.zoho_client_id is not None and settings.zoho_client_secret is not None
    needs_token = not known["refresh_token"] and not known["grant_code"]
    if needs_token or not (known["client_id"] or has_client):
        echo(_WHERE, sys.stderr)
    if not known["org_id"]:
        known["org_id"] = prompt("Id of the organization, of your choice")
    if needs_token and not known["data_center"]:
        known["data_center"] = prompt("Data center", default=settings.zoho_data_center)
    if not known["client_id"] and not has_client:
        known["client_id"] = prompt("Client id")
    if not known["client_secret"] and known["client_id"] not in {None, settings.zoho_client_id}:
        known["client_secret"] = prompt("Client secret", hidden=True)
    if needs_token:
        known["grant_code"] = prompt("Grant code (empty if you have a refresh token)", hidden=True, default="")
        if not known["grant_code"]:
            known["refresh_token"] = prompt("Refresh token", hidden=True)


def read_orgs(file: Path) -> list[Fields]:
    """Returns one row an organization; raises `ArgumentError` where the file as a whole is invalid."""
    readers = {".toml": _toml, ".csv": _csv}
    if file.suffix.lower() not in readers:
        raise _bad(file, "its name ends neither in .toml nor in .csv")
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = list(readers[file.suffix.lower()](text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error, ValueError) as error:
        raise _bad(file, error.strerror or "" if isinstance(error, OSError) else str(error)) from error
    if not rows:
        raise _bad(file, "it names no organization")
    return rows


def _toml(text: str) -> Iterable[Fields]:
    orgs = tomllib.loads(text).get("orgs", {})
    if not isinstance(orgs, dict) or not all(isinstance(table, dict) for table in orgs.values()):
        raise ValueError("expected tables [orgs.<id>]")
    for org_id, table in orgs.items():
        yield _row({"org_id": org_id} | {name.removeprefix(_PREFIX): value for name, value in table.items()})


def _csv(text: str) -> Iterable[Fields]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more fields than the first")
        yield _row({name.strip().removeprefix(_PREFIX): value for name, value in row.items()})


def _row(values: dict[str, Any]) -> Fields:
    """Returns a row; raises `ValueError` for an unknown field, which may be a misspelled one."""
    strange = sorted(set(values) - set(FIELDS))
    if strange:
        raise ValueError(f"there is no field {strange[0]!r}")
    if "org_id" not in values:
        raise ValueError("it has no field 'org_id'")
    wrong = [name for name, value in values.items() if not isinstance(value, str | None)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no text")
    return dict.fromkeys(FIELDS) | values


def _bad(file: Path, reason: str) -> ArgumentError:
    return ArgumentError(
        f"{file} cannot be imported: {reason}.",
        hint=docs_hint("Add many organizations"),
        code="IMPORT_FILE",
    )
