"""Settings files of others are not read, and a file that just lay there names no receiver of a secret."""

import os
from pathlib import Path

import pytest

from cadence_sync.config.settings import load_settings
from cadence_sync.errors import SettingsError

SECRETS = {"CADENCE_SYNC_ZOHO_CLIENT_SECRET": "the-secret", "CADENCE_SYNC_ZOHO_REFRESH_TOKEN": "the-token"}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (own := tmp_path / "own").mkdir(mode=0o755)
    monkeypatch.chdir(own)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DATABASE_URL", "CADENCE_SYNC_DATABASE_URL", "SUDO_UID", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return own


def write(folder: Path, text: str = 'zoho_data_center = "eu"', mode: int = 0o644) -> Path:
    file = folder / "cadence-sync.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def refused(config: Path | None = None) -> bool:
    try:
        load_settings(config)
    except SettingsError as error:
        return (error.code, error.exit_code) == ("UNTRUSTED_SETTINGS", 2)
    return False


def give_away(monkeypatch: pytest.MonkeyPatch, path: Path) -> int:
    """Make a file or folder another user's than the one who runs this, and return that user."""
    if os.getuid() == 0:
        os.chown(path, 4711, 4711)
        return 4711
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # only root gives files away
    return os.getuid()


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize(
    ("mode", "wrong"), [(0o644, False), (0o600, False), (0o646, True), (0o666, True), (0o777, True)]
)
def test_a_file_that_others_may_write_is_refused(folder: Path, mode: int, wrong: bool, explicit: bool) -> None:
    file = write(folder, mode=mode)
    assert refused(file if explicit else None) == wrong


@pytest.mark.parametrize(("mode", "wrong"), [(0o755, False), (0o757, True), (0o1777, False)])
def test_so_is_a_file_in_a_folder_that_others_may_write_unless_names_are_safe_there(
    folder: Path, mode: int, wrong: bool
) -> None:
    write(folder)
    folder.chmod(mode)
    assert refused() == wrong


@pytest.mark.parametrize("place", ["file", "folder", "folder of the target"])
@pytest.mark.parametrize("explicit", [False, True])
def test_what_belongs_to_another_user_is_refused(
    folder: Path, tmp_path: Path, place: str, explicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(folder)
    (there := tmp_path / "there").mkdir()
    if place == "folder of the target":
        file.replace(there / "real.toml")
        file.symlink_to(there / "real.toml")
    config = file if explicit else None
    assert not refused(config)
    give_away(monkeypatch, {"file": file, "folder": folder, "folder of the target": there}[place])
    assert refused(config)


def test_root_s_files_are_fine_for_everybody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a mounted ConfigMap: root's, in a sticky folder that all may write.
    write(folder)
    folder.chmod(0o1777)
    if os.getuid() == 0:
        monkeypatch.setattr(os, "geteuid", lambda: 10001)
    assert load_settings().zoho_data_center == "eu"


def test_under_sudo_files_of_the_caller_count_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = give_away(monkeypatch, write(folder))
    assert refused()
    monkeypatch.setenv("SUDO_UID", str(owner))
    assert not refused()


ADDRESSES = [
    'zoho_accounts_url = "https://accounts.evil.test"',
    'zoho_api_url = "https://api.evil.test"',
    '[orgs.acme]\nzoho_refresh_token = "theirs"\nzoho_accounts_url = "https://accounts.evil.test"',
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_comes_from_where_the_secret_comes_from(
    folder: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(folder, text)
    assert not refused()
    monkeypatch.setenv("CADENCE_SYNC_ZOHO_CLIENT_SECRET", "the-secret")
    assert refused()
    assert not refused(file), "a person named it"
    (own := tmp_path / "config/cadence-sync").mkdir(parents=True)
    file.replace(own / file.name)
    assert not refused(), "it is in the user's own folder"
    assert load_settings().file == own / file.name


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        (ADDRESSES[0], "CADENCE_SYNC_ZOHO_REFRESH_TOKEN"),
        (ADDRESSES[0], "CADENCE_SYNC_ENCRYPTION_KEYS_FILE"),
        (ADDRESSES[1], "CADENCE_SYNC_ZOHO_CLIENT_SECRET_FILE"),
        ('database_url = "postgresql://evil.test/x"', "PGPASSWORD"),
        ('database_direct_url = "postgresql://evil.test/x"', "PGPASSWORD"),
        ('otlp_endpoint = "https://evil.test"', "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_so_does_every_receiver_of_a_secret(
    folder: Path, text: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, text)
    (secret := folder / "secret").write_text("a-secret-of-some-length")
    monkeypatch.setenv(variable, str(secret))
    assert refused()


@pytest.mark.parametrize(
    "text",
    [
        'zoho_data_center = "eu"',
        'database_url = "postgresql://u:its-own@db.test/x"',
        '[orgs.acme]\nzoho_client_secret = "s"\nzoho_refresh_token = "t"\nzoho_accounts_url = "https://accounts.test"',
    ],
)
def test_what_sends_no_secret_of_the_environment_elsewhere_is_fine(
    folder: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, text)
    for name, value in (SECRETS | {"PGPASSWORD": "p"}).items():
        monkeypatch.setenv(name, value)
    assert not refused()


def test_an_address_of_the_environment_beats_the_file_s(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, ADDRESSES[0])
    for name, value in (SECRETS | {"CADENCE_SYNC_ZOHO_ACCOUNTS_URL": "https://accounts.zoho.eu"}).items():
        monkeypatch.setenv(name, value)
    assert load_settings().zoho_accounts_url == "https://accounts.zoho.eu"


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, True), (0o604, True)])
def test_secrets_in_files_of_their_own_are_looked_at_too(
    folder: Path, mode: int, exposed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (token := folder / "token").write_text("a-token-of-some-length")
    (hook := folder / "hook").write_text("a-secret-of-some-length")
    (public := folder / "id").write_text("1000.ID")
    for file in (token, hook, public):
        file.chmod(mode)
    monkeypatch.setenv("CADENCE_SYNC_WEB_TOKEN_FILE", str(token))
    monkeypatch.setenv("CADENCE_SYNC_ZOHO_CLIENT_ID_FILE", str(public))
    write(folder, f'[alerts.channels.b]\nwebhook = "https://h.test/x"\nsecret_file = "{hook}"', 0o600)
    assert load_settings().exposed_files == ((token, hook) if exposed else ())
