"""Where settings come from: variables of the environment, secrets in files, and `cadence-sync.toml`."""

import os
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path, user_data_path

from cadence_sync.errors import SettingsError

PREFIX: Final = "CADENCE_SYNC_"
FILE_NAME: Final = "cadence-sync.toml"
GENERAL_DATABASE_URL: Final = "DATABASE_URL"
"""What hosting platforms set; it beats a settings file as every variable does, and no variable of our own."""


def user_data_dir() -> Path:
    """Returns the user's data folder; for a user without a home, a path that says so once it is needed."""
    try:
        return user_data_path("cadence-sync", appauthor=False)
    except RuntimeError:
        return Path("~/.local/share/cadence-sync")


def find_file(config: Path | None) -> Path | None:
    """Returns the settings file to read: this one, else that of the working directory, else the user's.

    Raises `SettingsError` where `config` is missing.
    """
    if config is not None:
        if not config.is_file():
            raise SettingsError(f"There is no settings file {config}.", hint="Check the path after --config.")
        return config
    places = [Path.cwd() / FILE_NAME]
    with suppress(RuntimeError):  # a user without a home folder, as in some containers
        places.append(user_config_path("cadence-sync", appauthor=False) / FILE_NAME)
    return next((place for place in places if place.is_file()), None)


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.", hint="It must be TOML.") from error


def read_environment_files(names: Iterable[str]) -> dict[str, str]:
    """Reads `CADENCE_SYNC_<NAME>_FILE`, as container platforms hand secrets over; the plain variable wins.

    The general variable of the database's address is read as if it were such a file.
    """
    found: dict[str, str] = {}
    for name in names:
        variable = f"{PREFIX}{name.upper()}_FILE"
        file = os.environ.get(variable)
        if file and not os.environ.get(variable.removesuffix("_FILE")):
            try:
                found[name] = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{variable} names a file that cannot be read.", hint=str(error)) from error
    general = os.environ.get(GENERAL_DATABASE_URL)
    if general and not os.environ.get(f"{PREFIX}DATABASE_URL_FILE"):
        found["database_url"] = general
    return found


def variable_of(name: str) -> str | None:
    variable = f"{PREFIX}{name.upper()}"
    general = [GENERAL_DATABASE_URL] if name == "database_url" else []
    given = {each.upper(): each for each, value in os.environ.items() if value}
    return next((given[each] for each in (variable, f"{variable}_FILE", *general) if each in given), None)
