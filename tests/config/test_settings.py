"""Where settings come from, and which cannot work."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from cadence_sync.config.orgs import OrgConfig, configured_orgs
from cadence_sync.config.settings import Settings, load_settings, seconds_of
from cadence_sync.config.urls import checked_database_url, checked_web_url
from cadence_sync.errors import SettingsError

CREDENTIALS = {"ZOHO_CLIENT_ID": "id", "ZOHO_CLIENT_SECRET": "the-secret", "ZOHO_REFRESH_TOKEN": "the-token"}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DATABASE_URL", "CADENCE_SYNC_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def put(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"CADENCE_SYNC_{name}", value)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings()
    assert (settings.zoho_data_center, settings.zoho_api_version, settings.zoho_timeout) == ("us", "v7", 30)
    assert (settings.web_host, settings.web_port, settings.log_level) == ("127.0.0.1", 8642, "INFO")
    assert (settings.interval_seconds, settings.zoho_per_page, settings.database_url) == (900, 200, None)


def test_the_prefixed_database_address_beats_the_general_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://general/x")
    (tmp_path / "cadence-sync.toml").write_text('database_url = "postgresql://from-toml/x"')
    assert load_settings().database_url == SecretStr("postgresql://general/x")
    put(monkeypatch, DATABASE_URL="postgresql+asyncpg://own/x")
    assert load_settings().database_url == SecretStr("postgresql://own/x")


def test_a_settings_file_is_found_here_and_in_the_user_s_folder(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "cadence-sync"
    folder.mkdir(parents=True)
    (folder / "cadence-sync.toml").write_text('zoho_data_center = "eu"')
    assert load_settings().zoho_data_center == "eu"
    (tmp_path / "cadence-sync.toml").write_text('zoho_data_center = "in"')
    assert load_settings().zoho_data_center == "in"
    (tmp_path / "other.toml").write_text('zoho_data_center = "jp"')
    assert load_settings(tmp_path / "other.toml").zoho_data_center == "jp"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, ZOHO_DATA_CENTER="", DATABASE_URL="")
    assert (load_settings().zoho_data_center, load_settings().database_url) == ("us", None)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **CREDENTIALS, DATABASE_URL="postgresql://u:the-password@h/x", WEB_TOKEN="the-web-token-4720")
    settings = load_settings()
    shown = f"{settings!r} {settings} {configured_orgs(settings)!r}"
    assert not [word for word in ("the-secret", "the-token", "the-password", "the-web-token") if word in shown]


def test_an_organization_s_table_takes_what_it_leaves_out_from_above_but_never_the_refresh_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(monkeypatch, **CREDENTIALS)
    file = tmp_path / "cadence-sync.toml"
    file.write_text('[orgs.acme]\nzoho_refresh_token = "theirs"\nzoho_data_center = "EU"')
    default, acme = configured_orgs(load_settings()).values()
    assert isinstance(default, OrgConfig)
    assert isinstance(acme, OrgConfig)
    assert (default.org_id, default.refresh_token, default.data_center) == ("default", "the-token", "us")
    assert (acme.org_id, acme.client_id, acme.refresh_token, acme.data_center) == ("acme", "id", "theirs", "eu")
    file.write_text("[orgs.acme]")
    found = configured_orgs(load_settings())
    assert isinstance(found["default"], OrgConfig)
    assert isinstance(fault := found["acme"], SettingsError)
    assert "'acme'" in fault.message
    assert "REFRESH_TOKEN" in fault.message
    with pytest.raises(SettingsError):
        configured_orgs(load_settings(), ["acme"])


def test_a_database_address_in_a_file_beats_the_general_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("postgresql://from-file/x\n")
    put(monkeypatch, DATABASE_URL_FILE=str(tmp_path / "url"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://general/x")
    assert load_settings().database_url == SecretStr("postgresql://from-file/x")
    put(monkeypatch, DATABASE_URL="postgresql://own/x")
    assert load_settings().database_url == SecretStr("postgresql://own/x")


@pytest.mark.parametrize("name", ["ORGS", "ALERTS", "WEB_GROUPS"])
@pytest.mark.parametrize("value", ["nonsense", "[1]", '{"acme": 1}'])
def test_a_table_in_the_environment_that_is_no_json_object_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    put(monkeypatch, **{name: value})
    with pytest.raises(SettingsError, match=rf"(?i){name}"):
        load_settings()


def test_without_any_credential_every_missing_one_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        configured_orgs(load_settings())
    assert all(f"CADENCE_SYNC_{name}" in caught.value.message for name in CREDENTIALS)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400), ("1d", 86400)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "15 min", "soon", "1w", "0x10"])
def test_nonsense_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        seconds_of(text)


GOOD = ["https://www.zohoapis.eu", "http://127.0.0.1:8787", "http://[::1]:80", "http://localhost/x", "http://127.9.9.9"]
BAD = [
    "http://zoho.com", "http://127.0.0.1.evil.com", "http://localhost.evil.com", "http://0.0.0.0", "http://10.0.0.1",
    "zohoapis.com", "ftp://127.0.0.1", "https://",
    "https://a..b", "https://zoho.com:abc", "https://zoho.com:99999", "https://zoho .com", "https://[::1",
    "https://user:pw@zoho.com", "http://user@127.0.0.1", "",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_https_anywhere_and_http_to_loopback_are_accepted(url: str) -> None:
    assert checked_web_url(url + "/") == url


@pytest.mark.parametrize("url", BAD)
def test_addresses_where_secrets_would_travel_in_the_clear_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|plain http|credentials"):
        checked_web_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://h/x",
        "sqlite:///x",
        "h/x",
        "",
        "postgresql:h",
        "postgresql://u:pw@h:abc/x",
        "postgresql://h:99999/x",
        "postgresql://h:5432,i:abc/x",
        "postgresql://[::1/x",
        "postgresql://h /x",
    ],
)
def test_only_postgres_is_a_database(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        checked_database_url(url)


GOOD_DATABASES = [
    "postgresql://u:p%40w@h:5432/x?sslmode=require",
    "postgresql://h1:5432,h2:5433/x",
    "postgresql://u@/x?host=/var/run/postgresql",
    "postgresql://[::1]:5432/x",
]


@pytest.mark.parametrize("url", GOOD_DATABASES)
def test_every_form_of_postgres_address_passes(url: str) -> None:
    assert checked_database_url(url) == url


@pytest.mark.parametrize("value", ["inf", "nan", "0", "-1", "1e9"])
def test_a_time_out_is_a_time(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    put(monkeypatch, ZOHO_TIMEOUT=value)
    with pytest.raises(SettingsError, match="CADENCE_SYNC_ZOHO_TIMEOUT"):
        load_settings()


def test_a_short_key_is_refused_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, ENCRYPTION_KEYS="long enough to be one,short-key")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "short-key" not in f"{caught.value}{caught.value.hint}"
    put(monkeypatch, ENCRYPTION_KEYS=" long enough to be one , another long enough key,")
    assert load_settings().encryption_key_list == ["long enough to be one", "another long enough key"]


@pytest.mark.parametrize(
    ("mode", "text", "warned"),
    [
        (0o644, 'zoho_client_secret = "s"', True),
        (0o640, 'web_token = "0123456789abcdef"', True),
        (0o604, '[orgs.acme]\nzoho_refresh_token = "t"', True),
        (0o600, 'zoho_client_secret = "s"', False),
        (0o644, 'zoho_data_center = "eu"\n[orgs.acme]\nzoho_client_id = "i"', False),
    ],
)
def test_a_settings_file_whose_secrets_others_may_read_is_noticed(
    tmp_path: Path, mode: int, text: str, warned: bool
) -> None:
    file = tmp_path / "cadence-sync.toml"
    file.write_text(text)
    file.chmod(mode)
    assert load_settings().exposed_files == ((file,) if warned else ())


@pytest.mark.parametrize("text", ["23h", "0", "soon", "36501d", "9" * 400, "-14d"])
def test_runs_stay_for_a_day_at_least(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert load_settings().retention.days == 14
    put(monkeypatch, RUN_RETENTION=text)
    with pytest.raises(SettingsError, match="RUN_RETENTION"):
        load_settings()


@pytest.mark.parametrize("name", ["sync_interval", "sync_misfire_grace"])
@pytest.mark.parametrize("text", ["0", "0.5s", "99999999999d", "often"])
def test_times_that_cannot_be_waited_for(name: str, text: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({name: text})


@pytest.mark.parametrize(
    ("settings", "file", "words"),
    [
        ({"WEB_PORT": "often"}, "", "CADENCE_SYNC_WEB_PORT cannot work: expected a whole number."),
        ({"ZOHO_TIMEOUT": "soon"}, "", "CADENCE_SYNC_ZOHO_TIMEOUT cannot work: expected a number."),
        ({}, "web_port = 70000", "web_port in {file} cannot work: expected 65535 or less."),
        ({}, 'database_url = "mysql://h/x"', "database_url in {file} cannot work: expected a postgresql:// address."),
        ({"WEB_PORT": "-1"}, "web_port = 1", "CADENCE_SYNC_WEB_PORT cannot work: expected 0 or more."),
        (
            {},
            "[orgs.acme]\nzoho_data_center = 'mars'",
            "orgs.acme.zoho_data_center in {file} cannot work: expected 'us'",
        ),
        ({}, "alerts = 1", "alerts in {file} cannot work: expected a table."),
    ],
)
def test_what_is_wrong_is_named_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], file: str, words: str
) -> None:
    put(monkeypatch, **settings)
    (path := tmp_path / "cadence-sync.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.message.startswith(words.format(file=path))


def test_the_general_variable_is_named_where_it_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://h/x")
    with pytest.raises(SettingsError, match=r"^DATABASE_URL cannot work"):
        load_settings()
