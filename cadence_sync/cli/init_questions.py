"""The questions of `init`: a database that works and has the tables, and access to Zoho."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from cadence_sync.cli.console import show_error
from cadence_sync.cli.new_org import known_data_center, parse_data_centers, parse_new_org
from cadence_sync.cli.prompts import ask_until_valid, check_optional_word, check_word, confirm, prompt, tell
from cadence_sync.cli.runtime import run, with_database
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import DEFAULT_ORG, Settings
from cadence_sync.config.sources import variable_of
from cadence_sync.config.urls import checked_database_url
from cadence_sync.daemon.migration import migrate
from cadence_sync.doctor.checks import CheckState
from cadence_sync.doctor.database import database_checks
from cadence_sync.errors import AccessError, ArgumentError, CadenceSyncError, TransientError
from cadence_sync.orgs.onboarding import SPENT, InMemoryTokenCache, NewOrg, verify_credentials
from cadence_sync.zoho.data_centers import DATA_CENTERS, sites
from cadence_sync.zoho.errors import SCOPE
from cadence_sync.zoho.oauth import WRONG_DC_CODES

_NONE: Final = "-"
"""Typed for no address, where an empty answer takes the former one."""
_NEEDED: Final = frozenset({"database", "version", "rights", "migrations", "queue tables"})
_CLIENT: Final = """\
Open {console}
  1. Make a Self Client. Its page "Client Secret" shows the client's id and its secret.
  2. On the page "Generate Code" enter this scope, ten minutes, and any description:

       {scope}

     The user who does so needs the permission "Manage Cadences" in Zoho CRM.
  3. The code is good for one try, and only as many minutes as you chose: have it ready last.
"""
_AGAIN: Final = {
    "WRONG_DATA_CENTER": ("data_center", "grant_code"),
    "INVALID_CLIENT": ("client_id", "client_secret"),
    "INVALID_CLIENT_SECRET": ("client_secret",),
}
"""Error code → the answers it refuses; any other refuses the grant code and refresh token."""


_ELSEWHERE: Final = WRONG_DC_CODES | {"INVALID_GRANT_CODE"}
"""Refusals that another data center might not give."""


def ask_for_database(settings: Settings, values: dict[str, str]) -> Settings:
    """Returns the settings with a database that works and has the tables; adds its address to `values`."""
    tell("\n1. The database: a Postgres 15 to 18, or the embedded server that needs no set-up.")
    if settings.database_url is not None:
        variable = variable_of("database_url")
        tell(f"   {variable} names it, and goes on doing so: it is not written into the file.")
        if not _usable(settings):
            raise ArgumentError(
                f"The database of {variable} cannot be used.", hint="Correct it or unset it, and try again."
            )
        return settings
    question, former = "Address, as postgresql://user@host/database; empty for the embedded server", ""
    while True:
        url = ask_until_valid(question, _url, default=former)
        question, former = f"Address; {_NONE} for the embedded server", _without_password(url)
        tried = settings.model_copy(update={"database_url": SecretStr(url) if url else None})
        if _usable(tried):
            if url:
                values["database_url"] = url
            return tried


def _url(text: str) -> str:
    """Returns the address with its password, which is asked for separately: an address is shown as it is typed."""
    if text in {"", _NONE}:
        return ""
    url = checked_database_url(text)
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at or ":" in user or not host:
        return url
    password = prompt("Password (empty for none)", hidden=True, default="")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")) if password else url


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(each for each in parts.query.split("&") if "password" not in each.partition("=")[0].lower())
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query)) or _NONE


def _usable(settings: Settings) -> bool:
    try:
        found, _ = with_database(settings, partial(database_checks, settings, debug=False))
        checks = [check for check in found if check.name in _NEEDED]
        for check in checks:
            if check.state is not CheckState.UNKNOWN and check.code != "NOT_MIGRATED":
                tell(f"   {check.name}: {check.message} {check.hint}".rstrip())
        codes = {check.code for check in checks if check.state is CheckState.FAILED}
        if codes == {"NOT_MIGRATED"}:
            _offer_tables(settings)
    except CadenceSyncError as error:
        show_error(error)
        return False
    return codes <= {"NOT_MIGRATED"}


def _offer_tables(settings: Settings) -> None:
    if confirm("It lacks the tables of this cadence-sync. Make them now?", default=True):
        with_database(settings, migrate, direct=True)
        tell("   The tables are there.")
    else:
        tell("   `cadence-sync migrate` does so later; nothing can be synced before.")


def ask_for_access(settings: Settings, data_center: str | None) -> OrgConfig:
    known: dict[str, str | None] = {"org_id": DEFAULT_ORG, "data_center": data_center}
    former: dict[str, str | None] = {"data_center": settings.zoho_data_center}
    quick = settings.model_copy(update={"zoho_max_attempts": 1})  # the person decides whether to try again
    tell("\n2. Zoho: where does the organization live? See the address of your CRM in the browser.")
    for name in DATA_CENTERS:
        tell(f"     {name:3} {sites(name)[0]}")
    shown = None
    while True:
        if not known.get("data_center"):
            known["data_center"] = ask_until_valid("Data center", known_data_center, default=former["data_center"])
        if shown != known["data_center"]:
            shown = known["data_center"]
            tell("\n3. Access. " + _CLIENT.format(console=sites(shown or "us")[1], scope=SCOPE))
        _ask_for_the_rest(known, former)
        former, held = dict(known), InMemoryTokenCache()
        try:
            org = _verify(quick, parse_new_org(settings, known), held)
        except CadenceSyncError as error:
            _forget_what_is_wrong(error, known, held)
            if error.code == "WRONG_DATA_CENTER":
                former["data_center"] = None
            continue
        tell("   Zoho lets cadence-sync read the cadences.")
        return org


def _verify(settings: Settings, new_org: NewOrg, held: InMemoryTokenCache) -> OrgConfig:
    """Proves the credentials; where they are refused, asks which other data centers may be tried."""
    try:
        return run(verify_credentials(settings, new_org, held))
    except AccessError as error:
        if error.code not in _ELSEWHERE or settings.zoho_accounts_url is not None:
            raise
        tell(f"   {new_org.org.data_center!r} refuses them. Others get the client secret only if you name them.")
        others = ask_until_valid("Data centers to try, like eu,in; empty for none", parse_data_centers, default="")
        if not others:
            raise
    return run(verify_credentials(settings, new_org, held, others))


def _forget_what_is_wrong(error: CadenceSyncError, known: dict[str, str | None], held: InMemoryTokenCache) -> None:
    """Prints the error and clears the answers it refuses; a network failure refuses none."""
    again = _AGAIN.get(error.code, ("grant_code", "refresh_token"))
    if isinstance(error, TransientError):
        if held.refresh_token is not None:
            known["grant_code"], known["refresh_token"] = None, held.refresh_token
        show_error(TransientError(error.message, hint=error.hint.replace(SPENT, "").strip(), code=error.code))
        again = () if confirm("Try again?", default=True) else ("data_center", "client_id", "client_secret", *again)
    else:
        show_error(error)
    for name in again:
        known[name] = None


def _ask_for_the_rest(known: dict[str, str | None], former: Mapping[str, str | None]) -> None:
    if not known.get("client_id"):
        known["client_id"] = ask_until_valid("Client id", check_word, default=former.get("client_id"))
    if not known.get("client_secret"):
        known["client_secret"] = ask_until_valid("Client secret", check_word, hidden=True)
    if not known.get("grant_code") and not known.get("refresh_token"):
        question = "Grant code (empty if you have a refresh token)"
        known["grant_code"] = ask_until_valid(question, check_optional_word, hidden=True, default="")
        if not known["grant_code"]:
            known["refresh_token"] = ask_until_valid("Refresh token", check_word, hidden=True)
