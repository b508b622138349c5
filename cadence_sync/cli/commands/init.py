"""`init`: from nothing to a settings file that works, question by question; each answer is tried at once."""

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated, Final

import typer
from pydantic import SecretStr

from cadence_sync.cli.commands.sync import sync_orgs
from cadence_sync.cli.console import show_error, show_warning
from cadence_sync.cli.init_questions import ask_for_access, ask_for_database
from cadence_sync.cli.new_org import known_data_center
from cadence_sync.cli.options import examples, new_app
from cadence_sync.cli.prompts import ask_until_valid, check_word, confirm, has_terminal, tell
from cadence_sync.cli.runtime import current_actor, run, with_database
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import DEFAULT_ORG, Settings, load_settings
from cadence_sync.config.sources import FILE_NAME
from cadence_sync.errors import ArgumentError, CadenceSyncError, docs_hint
from cadence_sync.logs import configure_logs
from cadence_sync.orgs.onboarding import NewOrg, add_org

_HEAD: Final = "# Written by `cadence-sync init`. It holds secrets: only its owner may read it.\n"
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync init",
        "cadence-sync init --data-center eu --output /etc/cadence-sync/cadence-sync.toml",
    )
)
def init(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to write; default: ./cadence-sync.toml.")
    ] = None,
    data_center: Annotated[str | None, typer.Option(help="us, eu, in, au, jp, cn, ca, sa or uk.")] = None,
) -> None:
    raise typer.Exit(_init(output or context.obj.config or Path(FILE_NAME), data_center))


def _init(target: Path, data_center: str | None) -> int:
    if not has_terminal():
        raise ArgumentError(
            "`init` asks questions, and there is no terminal to ask them on.",
            hint="Set CADENCE_SYNC_DATABASE_URL and CADENCE_SYNC_ZOHO_… instead, or store credentials with"
            " `cadence-sync org add --grant-code-file`. " + docs_hint("Settings"),
        )
    if data_center is not None:
        data_center = known_data_center(data_center)
    check_target(target)
    keep_old = False
    if target.exists():
        if not confirm(f"{target} is there already, and its contents would go. Replace it?", default=False):
            tell("Nothing was changed.")
            return 0
        keep_old = confirm(f"Keep the old one as {_backup_of(target).name}?", default=False)
    settings = load_settings(from_file=False)
    configure_logs("ERROR")  # errors are shown between the questions
    values: dict[str, str] = {}
    settings = ask_for_database(settings, values)
    org = ask_for_access(settings, data_center)
    if not _stored(settings, org):
        values |= _org_values(org, settings)
    write(target, render_toml(values), keep_old=keep_old)
    tell(f"\n{target} is written, for your eyes only (mode 0600).")
    return _first_sync(target, values)


def _stored(settings: Settings, org: OrgConfig) -> bool:
    """Offers to store the credentials encrypted, where there are keys for that; returns whether they are."""
    if not settings.encryption_key_list:
        return False
    question = (
        "CADENCE_SYNC_ENCRYPTION_KEYS is set. Keep the credentials in the database, encrypted, and not in the file?"
    )
    if not confirm(question, default=False):
        return False
    while True:
        org_id = ask_until_valid("Id of the organization, of your choice", check_word, default=DEFAULT_ORG)
        try:
            new_org = NewOrg(replace(org, org_id=org_id))
            with_database(settings, partial(add_org, settings, new_org=new_org, by=current_actor(), prove=False))
        except CadenceSyncError as error:
            show_error(error)
            if error.exit_code != ArgumentError.exit_code:
                return False
            continue
        return True


def _org_values(org: OrgConfig, settings: Settings) -> dict[str, str]:
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
    configure_logs(settings.log_level, tracebacks=False)
    code = run(sync_orgs(lambda: settings))
    if settings.web_token is None:
        tell("Every user of this machine may open the web UI of serve. To ask for a token: CADENCE_SYNC_WEB_TOKEN.")
    tell(f"Next: {how} list, {how} history ID, and {how} serve to keep at it.")
    return code


def render_toml(values: Mapping[str, str]) -> str:
    quoted = {name: json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") for name, value in values.items()}
    text = _HEAD + "".join(f"{name} = {value}\n" for name, value in quoted.items())
    if tomllib.loads(text) != values:
        raise AssertionError("what is written is not what is read")
    return text


def check_target(target: Path) -> None:
    """Raises `ArgumentError` where no file can be written, before the first question."""
    if target.is_symlink():
        raise ArgumentError(
            f"{target} is a symbolic link: secrets are not written through it.", hint="Name another file: --output."
        )
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise ArgumentError(f"{target} is no file.", hint="Name another one: --output.")
    folder = target.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ArgumentError(f"No file can be made in {folder}.", hint="Name one in another folder: --output.")


def _backup_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.bak")


def write(target: Path, text: str, *, keep_old: bool = False) -> None:
    """Replaces a file atomically; raises `ArgumentError` where that fails, and then nothing has changed."""
    check_target(target)
    try:
        handle, name = mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)  # mode 0600, no link followed
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if keep_old:
                _keep(target)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"{target} cannot be written: {error.strerror}.", hint="Name another file: --output."
        ) from error


def _keep(target: Path) -> None:
    """Gives the old file a second name, readable by its owner alone: it may hold secrets too."""
    backup = _backup_of(target)
    backup.unlink(missing_ok=True)
    backup.hardlink_to(target)
    backup.chmod(0o600)
