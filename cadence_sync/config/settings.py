"""Settings from the environment (`CADENCE_SYNC_…`, `…_FILE`) and from `cadence-sync.toml`; the environment wins."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnparsableError

from cadence_sync.config.alerts import AlertSettings, ChannelSettings, SettingsTable, addresses_in, strip
from cadence_sync.config.file_trust import check_addresses, is_exposed, read_toml
from cadence_sync.config.secrecy import Secret, check_keys, check_token, keys_in
from cadence_sync.config.sources import (
    PREFIX,
    environment_files,
    explain,
    find_file,
    is_chosen,
    read_environment_files,
    user_data_dir,
)
from cadence_sync.config.urls import checked_database_url, checked_networks, checked_web_url
from cadence_sync.core.identity import Role
from cadence_sync.errors import SettingsError

DEFAULT_ORG: Final = "default"
LONGEST: Final = 86400
"""Seconds that may be waited for anything: a day."""
LONGEST_INTERVAL: Final = 366 * 86400
SHORTEST_RETENTION: Final = 86400
LONGEST_RETENTION: Final = 36500 * 86400
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """Returns the seconds of `90`, `90s`, `15m`, `2h` or `1d`; raises `ValueError`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", text)
    if match is None:
        raise ValueError("expected seconds or a time such as 15m")
    return float(match[1]) * _UNITS[match[2] or "s"]


def retention_of(text: str) -> timedelta:
    """Returns how long runs stay, from a day to a hundred years; raises `ValueError`."""
    seconds = seconds_of(text)
    if not SHORTEST_RETENTION <= seconds <= LONGEST_RETENTION:
        raise ValueError("expected a time from 1d to 36500d")
    return timedelta(seconds=seconds)


def _unchanged(check: Callable[[str], object]) -> AfterValidator:
    def validate(text: str) -> str:
        check(text)
        return text

    return AfterValidator(validate)


def _check_url(url: str | None) -> str | None:
    return checked_web_url(url) if url else None


def _check_database_url(url: SecretStr | None) -> SecretStr | None:
    return None if url is None else SecretStr(checked_database_url(url.get_secret_value()))


def _check_interval(text: str) -> str:
    if not 1 <= seconds_of(text) <= LONGEST_INTERVAL:
        raise ValueError("expected a time from 1s to 366d")
    return text


def _check_alerts(alerts: AlertSettings) -> AlertSettings:
    if seconds_of(alerts.stale_after) < 1:
        raise ValueError("stale_after: expected at least one second")
    return alerts


def _check_alert_urls(urls: SecretStr | None) -> SecretStr | None:
    try:
        found = addresses_in(urls)
    except ValueError:
        found = {}
    if urls is not None and not found:
        raise ValueError("expected addresses of Apprise, such as slack://…, separated by commas")
    return urls


def _check_header(name: str | None) -> str | None:
    if name and not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise ValueError("expected the name of a header, such as X-Forwarded-User")
    return name or None


DataCenter = Literal["us", "eu", "in", "au", "jp", "cn", "ca", "sa", "uk"]
_ANY_CASE = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
Url = Annotated[str | None, AfterValidator(_check_url)]
DatabaseUrl = Annotated[Secret, AfterValidator(_check_database_url)]
Interval = Annotated[str, AfterValidator(_check_interval)]
Token = Annotated[Secret, AfterValidator(check_token)]
Port = Annotated[int, Field(ge=0, le=65535)]
Timeout = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]


class OrgSettings(SettingsTable):
    """How one organization is reached; what a table `[orgs.<org_id>]` leaves out comes from the top level."""

    zoho_client_id: str | None = None
    zoho_client_secret: Secret = None
    zoho_refresh_token: Secret = None
    zoho_data_center: Annotated[DataCenter | None, _ANY_CASE] = None
    zoho_api_url: Url = None
    zoho_accounts_url: Url = None


def _check_groups(groups: dict[str, "GroupSettings"]) -> dict[str, "GroupSettings"]:
    for name in groups:
        if not name.strip() or name != name.strip() or "," in name:
            raise ValueError("expected names of groups without commas and without white space around them")
    return groups


class GroupSettings(SettingsTable):
    """What the people of a group may do whom a proxy logs in: a role, and of which organizations; unset: of all."""

    role: Role
    orgs: list[str] | None = None


class Settings(BaseSettings):
    """Every setting, named as in the environment; the text below it is its entry in docs/reference/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", hide_input_in_errors=True
    )

    database_url: DatabaseUrl = None
    """`postgresql://…`; plain `DATABASE_URL` counts too, and yields to this one. What asyncpg understands works:
    `sslmode` (`verify-full` for a server elsewhere), sockets, several hosts. Unset: the embedded server."""
    data_dir: Path = Field(default_factory=user_data_dir)
    """Folder of the embedded server. Unset: the user's data folder, on Linux `~/.local/share/cadence-sync`."""
    zoho_client_id: str | None = None
    """OAuth client id, of the organization `default` and of those that name no other."""
    zoho_client_secret: Secret = None
    """Its secret; likewise."""
    zoho_refresh_token: Secret = None
    """Refresh token, of the organization `default` only."""
    zoho_data_center: Annotated[DataCenter, _ANY_CASE] = "us"
    """The data center where the organization lives."""
    zoho_api_url: Url = None
    """Address of the API; beats the `api_domain` of a token answer; plain `http` for loopback only. Unset: that of the
    data center."""
    zoho_accounts_url: Url = None
    """Address that hands out tokens; plain `http` for loopback only. Unset: that of the data center."""
    zoho_api_version: Literal["v7", "v8"] = "v7"
    """Version of the API that is asked."""
    zoho_timeout: Timeout = 30
    """Seconds to wait for one answer."""
    zoho_listing_timeout: Timeout = 900
    """Seconds for a whole listing, with all that is asked again."""
    zoho_per_page: Annotated[int, Field(ge=1)] = 200
    """Records to ask for in a page."""
    zoho_concurrency: Annotated[int, Field(ge=1, le=25)] = 10
    """Requests under way at once, at most."""
    zoho_max_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    """Tries of one request, the first included."""
    zoho_max_body_mb: Annotated[int, Field(ge=1, le=1024)] = 64
    """Largest answer, in MiB."""
    zoho_daily_call_limit: Annotated[int, Field(ge=1)] | None = None
    """API calls that all runs of an organization may make in 24 hours. Unset: no limit."""
    encryption_keys: Annotated[Secret, AfterValidator(check_keys)] = None
    """Keys, separated by commas, that encrypt what is stored; the first encrypts, all decrypt. Each is 32 random bytes
    in base64 or hexadecimal; another text of 16 characters or more works, and `doctor` warns. Unset: access tokens are
    encrypted under the client secret, and credentials of added organizations are not stored."""
    delete_threshold_count: Annotated[int, Field(ge=0)] = 5
    """So many cadences may be deleted in 24 hours without asking, …"""
    delete_threshold_percent: Annotated[float, Field(ge=0, le=100)] = 20
    """… or this share of the live ones, if that is more."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Logs go to stderr, as JSON unless that is a terminal."""
    sync_interval: Interval = "15m"
    """How often `serve` polls each organization: seconds, or `90s`, `15m`, `2h`, `1d`; at least a second."""
    sync_cron: str | None = None
    """A cron line of five fields instead, such as `*/15 6-20 * * 1-5`."""
    sync_time_zone: str = "UTC"
    """The zone of cron lines, such as `Europe/Berlin`."""
    sync_misfire_grace: Interval = "1d"
    """How late a start may be (after sleep, or while nobody led) and still take place, once."""
    database_direct_url: DatabaseUrl = None
    """A direct connection for `migrate`, and for `serve` and `worker`, which listen and need a session; both
    need it where `DATABASE_URL` leads to a pooler in transaction mode. Unset: `DATABASE_URL`."""
    worker_concurrency: Annotated[int, Field(ge=2, le=500)] = 32
    """Organizations that one process syncs at once; it opens at most so many connections to the database, and 4
    more; `serve` another 8 for the web UI."""
    worker_port: Port | None = None
    """Port on `WEB_HOST` where `worker` answers `/healthz`, `/readyz` and `/metrics`. Unset: nowhere."""
    data_center_concurrency: Annotated[int, Field(ge=0)] = 0
    """Organizations of one data center that all workers together sync at once; 0 for any number; the same for all
    workers."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)] = 25
    """Seconds that running syncs may take after SIGTERM; then they are handed back to the queue."""
    run_retention: Annotated[str, _unchanged(retention_of)] = "14d"
    """How long runs stay that changed nothing, and the queue's log: a time from `1d` to `36500d`."""
    otlp_endpoint: Url = None
    """`http(s)://host:port` of an OpenTelemetry collector (OTLP over HTTP); needs the extra `otel`; plain `http` to
    loopback only."""
    web_host: str = "127.0.0.1"
    """Where `serve` shows the web UI and answers `/healthz`; any other than loopback needs `WEB_TOKEN` or
    `WEB_USER_HEADER`."""
    web_port: Port = 8642
    """Its port; 0 takes any free one."""
    web_token: Token = None
    """Opens the web UI, in its login form or as `Authorization: Bearer …`; if it is set, it is asked for on loopback
    too. `/healthz`, `/readyz` and `/metrics` do not ask for it. At least 16 characters; an empty one is an error."""
    web_url: Url = None
    """Where people reach the web UI if that is another address, such as `https://cadences.example.com`; alerts link to
    it; plain `http` for loopback only."""
    web_trusted_proxies: Annotated[str, _unchanged(checked_networks)] = ""
    """Addresses and networks, separated by commas, of proxies whose `X-Forwarded-Proto`, `X-Forwarded-For` and user
    header are believed."""
    web_user_header: Annotated[str | None, AfterValidator(_check_header)] = None
    """The header in which a trusted proxy says who it is, such as `X-Forwarded-User`; needs the two above."""
    web_groups_header: Annotated[str | None, AfterValidator(_check_header)] = None
    """The header in which that proxy names the person's groups, separated by commas, such as `X-Forwarded-Groups`;
    needs `web_groups`. Unset: everybody whom the proxy lets in is a reviewer."""
    web_groups: Annotated[dict[str, GroupSettings], AfterValidator(_check_groups)] = Field(default_factory=dict)
    """What each group may do: tables of the TOML file such as `[web_groups.sales]` with `role = "viewer"` or
    `"reviewer"` and, to limit it, `orgs = ["acme"]`. The first group that a person is in decides; nobody else gets
    in."""
    web_proxy_secret: Token = None
    """What a trusted proxy must send as `X-Cadence-Sync-Proxy-Secret`, where other programs have its address too, as on
    loopback; 16 characters or more."""
    web_tls_certificate: Path | None = None
    """File of a certificate with its chain, in PEM format, to serve the web UI over TLS; read again when it changes.
    Unset: plain HTTP, for loopback or a proxy that ends TLS."""
    web_tls_key: Path | None = None
    """File of its private key. Unset: it is in the certificate's file."""
    metrics_token: Token = None
    """What `/metrics` asks for as `Authorization: Bearer …`; 16 characters or more. Unset: nothing."""
    alert_urls: Annotated[Secret, AfterValidator(_check_alert_urls)] = None
    """Apprise addresses that receive everything, separated by commas."""
    alerts: Annotated[AlertSettings, AfterValidator(_check_alerts)] = Field(default_factory=AlertSettings)
    """Alert routing; a table of the TOML file."""
    orgs: dict[str, OrgSettings] = Field(default_factory=dict)
    """More organizations, by id."""

    _file: Path | None = PrivateAttr(default=None)
    _exposed_files: tuple[Path, ...] = PrivateAttr(default=())

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: object) -> object:
        return strip(value)

    @property
    def encryption_key_list(self) -> list[str]:
        return [] if self.encryption_keys is None else keys_in(self.encryption_keys)

    @property
    def alert_channels(self) -> dict[str, ChannelSettings]:
        return self.alerts.channels | addresses_in(self.alert_urls)

    @property
    def file(self) -> Path | None:
        return self._file

    @property
    def exposed_files(self) -> tuple[Path, ...]:
        """Files with secrets that other users of this machine may read: the settings file, and those of `…_FILE`."""
        return self._exposed_files

    @property
    def interval_seconds(self) -> float:
        return seconds_of(self.sync_interval)

    @property
    def retention(self) -> timedelta:
        return retention_of(self.run_retention)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Lets the environment win over the files, whose contents arrive as initial values."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(each) for each in get_args(annotation))


_TABLES: Final = ("alerts", "web_groups", "orgs")
_SECRET_NAMES: Final = {
    name
    for model in (Settings, OrgSettings, ChannelSettings)
    for name, field in model.model_fields.items()
    if _is_secret(field.annotation)
}


def load_settings(config: Path | None = None, *, from_file: bool = True) -> Settings:
    """Reads all settings; raises `SettingsError` with one sentence that never repeats a value."""
    path = find_file(config) if from_file else None
    values: dict[str, Any] = {} if path is None else read_toml(path)
    if path is not None and not is_chosen(path, config):
        check_addresses(path, values, os.environ)
    files = environment_files(Settings.model_fields)
    try:
        settings = Settings(**(values | read_environment_files(files)))
    except ValidationError as error:
        raise explain(error, path) from None
    except UnparsableError as error:
        raise SettingsError(
            f"{PREFIX}{next(name for name in _TABLES if name in str(error)).upper()} is not a JSON object.",
            hint="Organizations, alerts and groups are easier to write in cadence-sync.toml.",
        ) from None
    secret = [file for name, file in files.items() if name in _SECRET_NAMES]
    secret += [file for channel in settings.alerts.channels.values() for file in channel.files]
    secret += [path] if path is not None and _holds_secret(values) else []
    settings._file, settings._exposed_files = path, tuple(filter(is_exposed, secret))  # noqa: SLF001 - no settings
    return settings


def _holds_secret(table: dict[str, Any]) -> bool:
    return any(
        _holds_secret(value) if isinstance(value, dict) else name in _SECRET_NAMES for name, value in table.items()
    )
