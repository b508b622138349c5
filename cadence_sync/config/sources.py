"""Where settings come from (environment, secrets in files, `cadence-sync.toml`), and errors that name the place."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path, user_data_path
from pydantic import ValidationError

from cadence_sync.errors import SettingsError, docs_hint

PREFIX: Final = "CADENCE_SYNC_"
FILE_NAME: Final = "cadence-sync.toml"
GENERAL_DATABASE_URL: Final = "DATABASE_URL"
"""What hosting platforms set; it beats a settings file as every variable does, and no variable of our own."""
_NEVER_EMPTY: Final = frozenset({"web_token", "web_proxy_secret", "metrics_token"})
"""Without it a door is open: here an empty variable is a script that failed. Others that are empty count as unset."""


def user_data_dir() -> Path:
    """Returns the user's data folder; for a user without a home, a path that says so once it is needed."""
    try:
        return user_data_path("cadence-sync", appauthor=False)
    except RuntimeError:
        return Path("~/.local/share/cadence-sync")


def find_file(config: Path | None) -> Path | None:
    """Returns `config`, else the file of the working directory, else the user's; raises `SettingsError`."""
    if config is not None:
        if not config.is_file():
            raise SettingsError(f"There is no settings file {config}.", hint="Check the path after --config.")
        return config
    return next((place for place in (Path.cwd() / FILE_NAME, *_user_file()) if place.is_file()), None)


def is_chosen(path: Path, config: Path | None) -> bool:
    """Whether a person chose this file, which otherwise just was in the working directory."""
    return config is not None or path in _user_file()


def _user_file() -> list[Path]:
    with suppress(RuntimeError):  # a user without a home folder, as in some containers
        return [user_config_path("cadence-sync", appauthor=False) / FILE_NAME]
    return []


def environment_files(names: Iterable[str]) -> dict[str, Path]:
    """Returns the files that `CADENCE_SYNC_<NAME>_FILE` name; the plain variable of our own wins.

    Raises `SettingsError` for an empty variable of a setting that guards something.
    """
    files: dict[str, Path] = {}
    given = {name.upper(): value for name, value in os.environ.items()}
    for name in names:
        plain, variable = f"{PREFIX}{name.upper()}", f"{PREFIX}{name.upper()}_FILE"
        for each in (plain, variable) if name in _NEVER_EMPTY else ():
            if not given.get(each, "set").strip():
                raise _empty(each, "cannot work: it must not be empty")
        if given.get(variable) and not given.get(plain):
            files[name] = Path(given[variable])
    return files


def read_environment_files(files: Mapping[str, Path]) -> dict[str, str]:
    """Reads the files of variables, and `DATABASE_URL`; raises `SettingsError` for an empty file."""
    found: dict[str, str] = {}
    for name, file in files.items():
        variable = f"{PREFIX}{name.upper()}_FILE"
        try:
            found[name] = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable} names a file that cannot be read.", hint=str(error)) from error
        if not found[name]:
            raise _empty(variable, "names an empty file")
    general = os.environ.get(GENERAL_DATABASE_URL)
    if general and "database_url" not in files:
        found["database_url"] = general
    return found


def _empty(variable: str, problem: str) -> SettingsError:
    return SettingsError(
        f"{variable} {problem}.",
        hint="Did the command that should have made it fail? Unset the variable if none is meant.",
    )


def variable_of(name: str) -> str | None:
    variable = f"{PREFIX}{name.upper()}"
    general = [GENERAL_DATABASE_URL] if name == "database_url" else []
    given = {each.upper(): each for each, value in os.environ.items() if value}
    return next((given[each] for each in (variable, f"{variable}_FILE", *general) if each in given), None)


_REASONS: Final = {
    "int": "expected a whole number",
    "float": "expected a number",
    "bool": "expected true or false",
    "string": "expected a text",
    "list": "expected a list",
    "dict": "expected a table",
    "model": "expected a table",
    "literal": "expected {expected}",
    "greater_than_equal": "expected {ge} or more",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected {le} or less",
    "too_short": "it must not be empty",
}
"""Beginnings of pydantic's error types, and the message for each; the longest that fits counts."""


def explain(error: ValidationError, path: Path | None) -> SettingsError:
    """Returns the first error with the setting and the reason; pydantic's own text would show its value."""
    first = error.errors(include_input=False, include_url=False)[0]
    top, *rest = first["loc"]
    top = str(top).lower().removeprefix(PREFIX.lower())
    name = ".".join([top, *(part for part in rest if isinstance(part, str))])
    number = next((part for part in rest if isinstance(part, int)), None)
    rule = "" if number is None else f" (rule {number + 1})"
    if first["type"] == "extra_forbidden":
        return SettingsError(f"There is no setting {name!r}{rule} ({path}).", hint="Look for a misspelled name.")
    return SettingsError(f"{_place(top, name, path)}{rule} cannot work: {_reason(first)}.", hint=docs_hint("Settings"))


def _reason(found: Mapping[str, Any]) -> str:
    known = [kind for kind in _REASONS if found["type"].startswith(kind)]
    if known:
        return _REASONS[max(known, key=len)].format(**found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ")


def _place(top: str, name: str, path: Path | None) -> str:
    """Returns what a person would correct: the variable that is set, else the line of the file."""
    used = variable_of(top)
    if used is None and path is not None:
        return f"{name} in {path}"
    used = used or f"{PREFIX}{top.upper()}"
    return used if name == top else f"{name} in {used}"
