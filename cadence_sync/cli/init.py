"""`init`: from nothing to a settings file that works, question by question; each answer is tried at once."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar, get_args
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from cadence_sync import wiring
from cadence_sync.cli.application import application
from cadence_sync.cli.asking import confirmed, has_terminal, prompted
from cadence_sync.cli.checks import Check, State
from cadence_sync.cli.init_file import as_toml, backup_of, check_target, write
from cadence_sync.cli.lines import say
from cadence_sync.cli.output import one_line, show_error, show_warning
from cadence_sync.cli.run import run
from cadence_sync.enrolment import SPENT, Application, HeldToken, enrol, proved
from cadence_sync.errors import ArgumentError, CadenceSyncError, RetryLater, see
from cadence_sync.logs import configure_logs
from cadence_sync.orgs import OrgConfig
from cadence_sync.settings import DEFAULT_ORG, FILE_NAME, DataCenter, Settings, load_settings, variable_of
from cadence_sync.urls import checked_database_url
from cadence_sync.zoho.answers import SCOPE
from cadence_sync.zoho.data_centers import DATA_CENTERS, sites

T = TypeVar("T")
_CENTRES: Final = get_args(DataCenter)
_CLIENT: Final = """\
Open {console}
  1. Make a Self Client. Its page "Client Secret" shows the client's id and its secret.
  2. On the page "Generate Code" enter this scope, ten minutes, and any description:

       {scope}

     The user who does so needs the permission "Manage Cadences" in Zoho CRM.
  3. The code is good for one try, and only as many minutes as you chose: have it ready last.
"""
_NONE: Final = "-"
"""What is typed for no address, where an empty answer takes the former one."""
_AGAIN: Final = {
    "WRONG_DATA_CENTER": ("data_center", "grant_code"),
    "INVALID_CLIENT": ("client_id", "client_secret"),
    "INVALID_CLIENT_SECRET": ("client_secret",),
}
"""What is asked for anew after a refusal; after any other it is the code."""


def init_command(output: Path | None, data_center: str | None) -> int:
    """Ask, try, write; returns the exit code of the first sync if one is wanted."""
    if not has_terminal():
        raise ArgumentError(
            "`init` asks questions, and there is no terminal to ask them on.",
            hint="Set CADENCE_SYNC_DATABASE_URL and CADENCE_SYNC_ZOHO_… instead, or store credentials with"
            " `cadence-sync org add --grant-code-file`. " + see("Settings"),
        )
    if data_center is not None:
        _data_center(data_center)
    target = output or Path(FILE_NAME)
    check_target(target)
    keep_old = False
    if target.exists():
        if not confirmed(f"{target} is there already, and its contents would go. Replace it?", default=False):
            _say("Nothing was changed.")
            return 0
        keep_old = confirmed(f"Keep the old one as {backup_of(target).name}?", default=False)
    settings = load_settings(from_file=False)
    configure_logs("ERROR")  # between questions the errors themselves are told
    values: dict[str, str] = {}
    settings = _database(settings, values)
    org = _zoho(settings, data_center)
    if not _stored(settings, org):
        values |= _named(org, settings)
    write(target, as_toml(values), keep_old=keep_old)
    _say(f"\n{target} is written, for your eyes only (mode 0600).")
    return _first_sync(target, values)


def _database(settings: Settings, values: dict[str, str]) -> Settings:
    """Return the settings with a database that works and has the tables; its address goes into the file."""
    _say("\n1. The database: a Postgres 15 to 18, or the embedded server that needs no set-up.")
    if settings.database_url is not None:
        variable = variable_of("database_url")
        _say(f"   {variable} names it, and goes on doing so: it is not written into the file.")
        if not _usable(settings):
            raise ArgumentError(
                f"The database of {variable} cannot be used.", hint="Correct it or unset it, and try again."
            )
        return settings
    question, former = "Address, as postgresql://user@host/database; empty for the embedded server", ""
    while True:
        url = _valid(question, _url, default=former)
        question, former = f"Address; {_NONE} for the embedded server", _without_password(url)
        tried = settings.model_copy(update={"database_url": SecretStr(url) if url else None})
        if _usable(tried):
            if url:
                values["database_url"] = url
            return tried


def _url(text: str) -> str:
    """Return the address with a password, which is asked for apart so that nobody reads it from the screen."""
    if text in {"", _NONE}:
        return ""
    url = checked_database_url(text)
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at or ":" in user or not host:
        return url
    password = prompted("Password (empty for none)", hidden=True, default="")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")) if password else url


def _without_password(url: str) -> str:
    """Return an address as it may be shown, or what stands for the embedded server."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(each for each in parts.query.split("&") if "password" not in each.partition("=")[0].lower())
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query)) or _NONE


def _usable(settings: Settings) -> bool:
    """Try the database and show what is found."""
    try:
        checks = run(_look(settings))
        for check in checks:
            if check.state is not State.UNKNOWN and check.code != "NOT_MIGRATED":
                _say(f"   {check.name}: {check.message} {check.hint}".rstrip())
        codes = {check.code for check in checks if check.state is State.FAILED}
        if codes == {"NOT_MIGRATED"}:
            _offer_tables(settings)
    except CadenceSyncError as error:
        show_error(error)
        return False
    return codes <= {"NOT_MIGRATED"}


def _offer_tables(settings: Settings) -> None:
    """Make the tables, if somebody wants that."""
    if confirmed("It lacks the tables of this cadence-sync. Make them now?", default=True):
        run(_migrated(settings))
        _say("   The tables are there.")
    else:
        _say("   `cadence-sync migrate` does so later; nothing can be synced before.")


async def _look(settings: Settings) -> list[Check]:
    from cadence_sync.cli.checks_database import database_checks

    async with wiring.database(settings) as engine:
        checks, _ = await database_checks(settings, engine, debug=False)
    return [check for check in checks if check.name in {"database", "version", "rights", "migrations", "queue tables"}]


async def _migrated(settings: Settings) -> None:
    async with wiring.database(settings) as engine:
        await wiring.migrate(engine)


def _zoho(settings: Settings, data_center: str | None) -> OrgConfig:
    """Return an organisation whose cadences could be read a moment ago."""
    known: dict[str, str | None] = {"org_id": DEFAULT_ORG, "data_center": data_center}
    former: dict[str, str | None] = {"data_center": settings.zoho_data_center}
    quick = settings.model_copy(update={"zoho_attempts": 1})  # whoever sits there decides whether to try again
    _say("\n2. Zoho: where does the organisation live? See the address of your CRM in the browser.")
    for name in DATA_CENTERS:
        _say(f"     {name:3} {sites(name)[0]}")
    told = None
    while True:
        if not known.get("data_center"):
            known["data_center"] = _valid("Data centre", _data_center, default=former["data_center"])
        if told != known["data_center"]:
            told = known["data_center"]
            _say("\n3. Access. " + _CLIENT.format(console=sites(told or "us")[1], scope=SCOPE))
        _ask_for_access(known, former)
        former, held = dict(known), HeldToken()
        try:
            org = run(proved(quick, application(settings, known), held))
        except CadenceSyncError as error:
            _forget_what_is_wrong(error, known, held)
            if error.code == "WRONG_DATA_CENTER":
                former["data_center"] = None
            continue
        _say("   Zoho lets cadence-sync read the cadences.")
        return org


def _forget_what_is_wrong(error: CadenceSyncError, known: dict[str, str | None], held: HeldToken) -> None:
    """Say what went wrong; what it was not is kept, and after a failure of the network that is everything."""
    again = _AGAIN.get(error.code, ("grant_code", "refresh_token"))
    if isinstance(error, RetryLater):
        if held.refresh_token is not None:
            known["grant_code"], known["refresh_token"] = None, held.refresh_token
        show_error(RetryLater(error.message, hint=error.hint.replace(SPENT, "").strip(), code=error.code))
        again = () if confirmed("Try again?", default=True) else ("data_center", "client_id", "client_secret", *again)
    else:
        show_error(error)
    for name in again:
        known[name] = None


def _ask_for_access(known: dict[str, str | None], former: Mapping[str, str | None]) -> None:
    if not known.get("client_id"):
        known["client_id"] = _valid("Client id", _word, default=former.get("client_id"))
    if not known.get("client_secret"):
        known["client_secret"] = _valid("Client secret", _word, hidden=True)
    if not known.get("grant_code") and not known.get("refresh_token"):
        question = "Grant code (empty if you have a refresh token)"
        known["grant_code"] = _valid(question, _word_or_nothing, hidden=True, default="")
        if not known["grant_code"]:
            known["refresh_token"] = _valid("Refresh token", _word, hidden=True)


def _stored(settings: Settings, org: OrgConfig) -> bool:
    """Store the credentials encrypted, where there are keys for that and somebody wants it."""
    if not settings.secret_key_list:
        return False
    question = "CADENCE_SYNC_SECRET_KEYS is set. Keep the credentials in the database, encrypted, and not in the file?"
    if not confirmed(question, default=False):
        return False
    while True:
        org_id = _valid("Id of the organisation, of your choice", _word, default=DEFAULT_ORG)
        try:
            run(_enrolled(settings, _renamed(org, org_id)))
        except CadenceSyncError as error:
            show_error(error)
            if error.exit_code != ArgumentError.exit_code:
                return False
            continue
        return True


async def _enrolled(settings: Settings, org: OrgConfig) -> None:
    async with wiring.database(settings) as engine:
        await enrol(settings, engine, Application(org), prove=False)


def _renamed(org: OrgConfig, org_id: str) -> OrgConfig:
    from dataclasses import replace

    return replace(org, org_id=org_id)


def _named(org: OrgConfig, settings: Settings) -> dict[str, str]:
    """Return what the file says of the organisation; other addresses of Zoho too, without which it would not work."""
    urls = {"zoho_api_url": settings.zoho_api_url, "zoho_accounts_url": settings.zoho_accounts_url}
    return {name: url for name, url in urls.items() if url} | {
        "zoho_data_center": org.data_center,
        "zoho_client_id": org.client_id,
        "zoho_client_secret": org.client_secret,
        "zoho_refresh_token": org.refresh_token,
    }


def _first_sync(target: Path, values: dict[str, str]) -> int:
    settings = load_settings(target)
    for name, value in values.items():
        found = getattr(settings, name)
        if value != (found.get_secret_value() if isinstance(found, SecretStr) else found):
            show_warning(
                f"The environment sets CADENCE_SYNC_{name.upper()} to something else, and beats the file.",
                "Unset it to use what the file says.",
            )
    how = "cadence-sync" if target.absolute() == Path(FILE_NAME).absolute() else f"cadence-sync --config {target}"
    if not confirmed("Make the first sync now?", default=True):
        _say(f"Later: {how} sync, and {how} serve to keep at it. {how} doctor tells what is missing.")
        return 0
    from cadence_sync.cli.sync import Asked, sync_command

    configure_logs(settings.log_level, tracebacks=False)
    code = run(sync_command(lambda: settings, Asked([], dry_run=False, as_json=False)))
    _say(f"Next: {how} list, {how} history ID, and {how} serve to keep at it.")
    return code


def _valid(question: str, check: Callable[[str], T], *, hidden: bool = False, default: str | None = None) -> T:
    """Ask until an answer can work; each that cannot is told why."""
    while True:
        try:
            return check(prompted(question, hidden=hidden, default=default))
        except (ValueError, CadenceSyncError) as error:
            reason = error.message if isinstance(error, CadenceSyncError) else f"That cannot work: {error}."
            _say(f"   {reason}")


def _data_center(text: str) -> str:
    if text.lower() not in _CENTRES:
        raise ArgumentError(f"There is no data centre {text!r}.", hint=f"Known: {', '.join(_CENTRES)}.")
    return text.lower()


def _word(text: str) -> str:
    if not text:
        raise ValueError("there is nothing")
    return _word_or_nothing(text)


def _word_or_nothing(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it holds blanks, or characters that Zoho hands out to nobody")
    return text


def _say(text: str) -> None:
    """Speak on stderr, where the questions are too."""
    say("\n".join(one_line(line) for line in text.split("\n")), sys.stderr)
