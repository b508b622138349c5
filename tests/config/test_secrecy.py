"""A secret that was given is never empty, and never short; and what counts as a random key."""

import secrets
from base64 import b64encode
from pathlib import Path

import pytest

from cadence_sync.config.secrecy import is_random, weak_keys
from cadence_sync.config.settings import OrgSettings, Settings, load_settings
from cadence_sync.errors import SettingsError

SECRET_NAMES = [
    "database_url", "database_direct_url", "zoho_client_secret", "zoho_refresh_token", "encryption_keys", "web_token",
    "alert_urls", "web_proxy_secret", "metrics_token",
]  # fmt: skip
BLANKS = ["", "   ", "\t\r\n"]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DATABASE_URL", "CADENCE_SYNC_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def refusal() -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("blank", BLANKS)
def test_an_empty_file_of_a_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, blank: str
) -> None:
    (tmp_path / "secret").write_text(blank)
    monkeypatch.setenv(f"CADENCE_SYNC_{name.upper()}_FILE", str(tmp_path / "secret"))
    assert f"CADENCE_SYNC_{name.upper()}_FILE" in refusal().message


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("blank", BLANKS)
def test_an_empty_secret_in_the_settings_file_is_refused(tmp_path: Path, name: str, blank: str) -> None:
    (tmp_path / "cadence-sync.toml").write_text(f'{name} = """{blank}"""')
    assert name in refusal().message


@pytest.mark.parametrize("name", ["zoho_client_secret", "zoho_refresh_token"])
def test_an_empty_secret_of_an_organization_is_refused(tmp_path: Path, name: str) -> None:
    assert name in OrgSettings.model_fields
    (tmp_path / "cadence-sync.toml").write_text(f'[orgs.acme]\n{name} = " "')
    assert f"orgs.acme.{name}" in refusal().message


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_variable_of_blanks_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"CADENCE_SYNC_{name.upper()}", "   ")
    assert f"CADENCE_SYNC_{name.upper()}" in refusal().message


@pytest.mark.parametrize(
    "variable",
    [
        "CADENCE_SYNC_WEB_TOKEN",
        "CADENCE_SYNC_WEB_TOKEN_FILE",
        "cadence_sync_web_token",
        "CADENCE_SYNC_METRICS_TOKEN",
        "CADENCE_SYNC_WEB_PROXY_SECRET_FILE",
    ],
)
@pytest.mark.parametrize("blank", ["", "   "])
def test_an_empty_token_never_means_none(monkeypatch: pytest.MonkeyPatch, variable: str, blank: str) -> None:
    monkeypatch.setenv(variable, blank)
    assert variable.upper() in refusal().message


@pytest.mark.parametrize("name", sorted({*SECRET_NAMES} - {"web_token", "web_proxy_secret", "metrics_token"}))
def test_any_other_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"CADENCE_SYNC_{name.upper()}", "")
    assert getattr(load_settings(), name) is None


def test_every_secret_setting_is_tested_here() -> None:
    assert {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)} == {
        *SECRET_NAMES
    }


@pytest.mark.parametrize(("name", "value"), [("WEB_TOKEN", "fifteen-letters"), ("ENCRYPTION_KEYS", "fifteen-letters")])
def test_a_short_secret_is_refused_and_never_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CADENCE_SYNC_{name}", f"  {value}  ")
    error = refusal()
    assert name in error.message
    assert value not in f"{error.message} {error.hint}"


def test_white_space_around_a_value_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CADENCE_SYNC_WEB_TOKEN", " a-token-of-some-length\n")
    monkeypatch.setenv("CADENCE_SYNC_ZOHO_API_VERSION", " v8 ")
    (tmp_path / "cadence-sync.toml").write_text('[orgs.acme]\nzoho_client_secret = " theirs "')
    settings = load_settings()
    assert settings.web_token is not None
    assert settings.orgs["acme"].zoho_client_secret is not None
    assert settings.web_token.get_secret_value() == "a-token-of-some-length"
    assert settings.orgs["acme"].zoho_client_secret.get_secret_value() == "theirs"
    assert settings.zoho_api_version == "v8"


@pytest.mark.parametrize("number", range(20))
def test_random_bytes_are_a_random_key(number: int) -> None:
    raw = secrets.token_bytes(32 + number % 3)
    keys = [raw.hex(), raw.hex().upper(), b64encode(raw).decode(), secrets.token_urlsafe(32)]
    assert weak_keys(keys) == []


@pytest.mark.parametrize(
    "key",
    [
        "correct horse battery staple and a lot more words",
        "correcthorsebatterystaplecorrecthorsebattery",
        "k" * 64,
        "0123" * 16,
        "2b4e53490542083435885dcd47b99159",
        "Sommer2026!Sommer2026!Sommer2026!Sommer2026!",
        "",
    ],
)
def test_words_and_short_or_repeated_texts_are_no_random_key(key: str) -> None:
    assert not is_random(key)
