"""`init`: from nothing to a settings file that works, question by question; each answer is tried at once."""

from pathlib import Path

from pydantic import SecretStr

from cadence_sync import wiring
from cadence_sync.cli.init_asking import tell, valid, word
from cadence_sync.cli.init_database import ask_for_database
from cadence_sync.cli.init_file import as_toml, backup_of, check_target, write
from cadence_sync.cli.init_zoho import ask_for_access, known_data_center
from cadence_sync.cli.output import show_error, show_warning
from cadence_sync.cli.prompts import confirm, has_terminal
from cadence_sync.cli.run import run
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import DEFAULT_ORG, Settings, load_settings
from cadence_sync.config.sources import FILE_NAME
from cadence_sync.errors import ArgumentError, CadenceSyncError, docs_hint
from cadence_sync.logs import configure_logs
from cadence_sync.orgs.onboarding import NewOrg, add_org


def init_command(output: Path | None, data_center: str | None) -> int:
    """Ask, try, write; returns the exit code of the first sync if one is wanted."""
    if not has_terminal():
        raise ArgumentError(
            "`init` asks questions, and there is no terminal to ask them on.",
            hint="Set CADENCE_SYNC_DATABASE_URL and CADENCE_SYNC_ZOHO_… instead, or store credentials with"
            " `cadence-sync org add --grant-code-file`. " + docs_hint("Settings"),
        )
    if data_center is not None:
        known_data_center(data_center)
    target = output or Path(FILE_NAME)
    check_target(target)
    keep_old = False
    if target.exists():
        if not confirm(f"{target} is there already, and its contents would go. Replace it?", default=False):
            tell("Nothing was changed.")
            return 0
        keep_old = confirm(f"Keep the old one as {backup_of(target).name}?", default=False)
    settings = load_settings(from_file=False)
    configure_logs("ERROR")  # between questions the errors themselves are told
    values: dict[str, str] = {}
    settings = ask_for_database(settings, values)
    org = ask_for_access(settings, data_center)
    if not _stored(settings, org):
        values |= _named(org, settings)
    write(target, as_toml(values), keep_old=keep_old)
    tell(f"\n{target} is written, for your eyes only (mode 0600).")
    return _first_sync(target, values)


def _stored(settings: Settings, org: OrgConfig) -> bool:
    """Store the credentials encrypted, where there are keys for that and somebody wants it."""
    if not settings.encryption_key_list:
        return False
    question = (
        "CADENCE_SYNC_ENCRYPTION_KEYS is set. Keep the credentials in the database, encrypted, and not in the file?"
    )
    if not confirm(question, default=False):
        return False
    while True:
        org_id = valid("Id of the organization, of your choice", word, default=DEFAULT_ORG)
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
        await add_org(settings, engine, NewOrg(org), prove=False)


def _renamed(org: OrgConfig, org_id: str) -> OrgConfig:
    from dataclasses import replace

    return replace(org, org_id=org_id)


def _named(org: OrgConfig, settings: Settings) -> dict[str, str]:
    """Return what the file says of the organization; other addresses of Zoho too, without which it would not work."""
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
    if not confirm("Make the first sync now?", default=True):
        tell(f"Later: {how} sync, and {how} serve to keep at it. {how} doctor tells what is missing.")
        return 0
    from cadence_sync.cli.sync import SyncArgs, sync_command

    configure_logs(settings.log_level, tracebacks=False)
    code = run(sync_command(lambda: settings, SyncArgs([], dry_run=False, as_json=False)))
    tell(f"Next: {how} list, {how} history ID, and {how} serve to keep at it.")
    return code
