"""The settings file, and which ones count: their owner, who may write to them, and which addresses may stand in them.

Whoever writes a settings file decides where secrets are sent. So a file must belong to this user or to root, as git and
ssh ask; and one that was merely found in the working directory names no address for secrets that come from elsewhere.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cadence_sync.config.sources import PREFIX
from cadence_sync.errors import SettingsError

_ZOHO: Final = tuple(f"{PREFIX}{name}" for name in ("ZOHO_CLIENT_SECRET", "ZOHO_REFRESH_TOKEN", "ORGS"))
_STORED: Final = f"{PREFIX}ENCRYPTION_KEYS"
"""Opens the credentials of stored organizations, which go to the addresses at the top level too."""
_RECEIVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "zoho_accounts_url": (*_ZOHO, _STORED),
    "zoho_api_url": (*_ZOHO, _STORED),
    "database_url": ("PGPASSWORD",),
    "database_direct_url": ("PGPASSWORD",),
    "otlp_endpoint": ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
}
"""Address → the variables whose secrets it would receive, or the credentials that they decrypt."""
_REASON: Final = "Whoever can write a settings file decides where secrets are sent."


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a settings file; raises `SettingsError` where it is no TOML, or others may change it."""
    try:
        with path.open("rb") as file:
            _check_owner(path, os.fstat(file.fileno()))  # of the file that is read, whatever its name leads to by now
            return tomllib.loads(file.read().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.", hint="It must be TOML.") from error


def _check_owner(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "geteuid"):  # Windows: access lists, which no mode shows
        return
    _check(path, "settings file", status)
    # A link and its target: whoever may rename either decides what is read.
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        _check(folder, "folder of the settings file", folder.stat())


def _check(path: Path, what: str, status: os.stat_result) -> None:
    if status.st_uid not in _trusted_users():
        raise SettingsError(
            f"The {what} {path} belongs to another user ({status.st_uid}).",
            hint=f"{_REASON} If you trust it: chown it to yourself or to root.",
            code="UNTRUSTED_SETTINGS",
        )
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX  # there only owners rename files
    by_others = status.st_mode & stat.S_IWOTH or (
        status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid)
    )
    if by_others and not is_sticky:
        raise SettingsError(
            f"Other users may write to the {what} {path}.",
            hint=f"{_REASON} Close it with: chmod go-w {path}",
            code="UNTRUSTED_SETTINGS",
        )


def _trusted_users() -> set[int]:
    user, invoker = os.geteuid(), os.environ.get("SUDO_UID", "")
    # As with git: under sudo, the user who called it.
    return {0, user, *([int(invoker)] if user == 0 and invoker.isdecimal() else [])}


def _is_private_group(gid: int) -> bool:
    """Whether a group is this user's own, with the same name and no other member, as Debian and Fedora make it."""
    import grp  # noqa: PLC0415 - Windows lacks both
    import pwd  # noqa: PLC0415

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def check_addresses(path: Path, values: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Raises `SettingsError` where a file of the working directory names the receiver of a secret that it lacks."""
    given = {name.upper().removesuffix("_FILE") for name, value in environ.items() if value}
    for name, variables in _RECEIVERS.items():
        if not _is_address(values, name) or f"{PREFIX}{name.upper()}" in given:
            continue
        _refuse(path, name, next((variable for variable in variables if variable in given), None))
    orgs = values.get("orgs")
    for org_id, table in (orgs if isinstance(orgs, dict) else {}).items():
        if isinstance(table, dict) and not {"zoho_accounts_url", "zoho_api_url"}.isdisjoint(table):
            lacking = [each for each in _ZOHO[:2] if each.removeprefix(PREFIX).lower() not in table]
            _refuse(path, f"an address in orgs.{org_id}", next((each for each in lacking if each in given), None))


def _is_address(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name)
    if not isinstance(value, str) or not name.startswith("database"):
        return bool(value)
    try:
        return urlsplit(value).password is None  # its own password goes where it says
    except ValueError:
        return False  # refused for that, later


def _refuse(path: Path, name: str, secret: str | None) -> None:
    if secret is not None:
        raise SettingsError(
            f"{path} sets {name}, and the secret that would be sent there comes from {secret}.",
            hint="A file that was only found in the working directory may not do that. Name it with --config, keep it"
            " in your user's configuration folder, or set the address in the environment too.",
            code="UNTRUSTED_SETTINGS",
        )


def is_exposed(path: Path) -> bool:
    """Whether other users of this machine may read a file with a secret.

    A group that may read the file of another user is how this one reads it, as with secrets of Kubernetes; a file that
    is mounted by itself is a container's secret, and its mode is the host's.
    """
    try:
        status = path.stat()
    except OSError:
        return False
    if not hasattr(os, "geteuid") or status.st_dev != path.resolve().parent.stat().st_dev:
        return False
    own = status.st_uid == os.geteuid()
    return bool(status.st_mode & (stat.S_IROTH | (stat.S_IRGRP if own else 0)))
