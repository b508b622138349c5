"""Alert settings: the table `[alerts]` of the file, and addresses from the environment."""

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from cadence_sync.config.secrecy import Secret
from cadence_sync.config.urls import checked_web_url
from cadence_sync.core.fields import FIELDS, UNENROLL

T = TypeVar("T")
DIGESTS: Final = {"off": 0, "1h": 3600, "1d": 86400}
SHORTEST_SECRET: Final = 16
Topic: TypeAlias = Literal["changes", "held", "failing", "stale"]
"""Events that a rule selects, each with the one that ends it."""
CHANGE_FILTERS: Final = ("kinds", "fields", "modules", "name", "persons")
WEBHOOK_PREFIX: Final = "whsec_"
URL_CHANNEL: Final = "url-"
"""Channels with addresses from the environment are called `url-1`, `url-2` …"""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_BETWEEN_SECRETS: Final = re.compile(r"[,\n]")
_NEXT: Final = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)")


def _check_fields(patterns: list[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in (*FIELDS, UNENROLL)):
            raise ValueError(f"no field is called {pattern!r}")
    return patterns


def _check_pattern(pattern: str | None) -> str | None:
    if pattern is not None and not pattern.strip():
        raise ValueError("an empty pattern matches no name")
    return pattern


def _split_secrets(text: str) -> list[SecretStr]:
    """Returns the secrets of a text, which separates them by commas or lines; one of several that is empty is short."""
    if not text.strip():
        raise ValueError("it must not be empty")
    return [SecretStr(secret.strip()) for secret in _BETWEEN_SECRETS.split(text)]


def strip(value: object) -> object:
    """White space around a value never counts, wherever it comes from."""
    return value.strip() if isinstance(value, str) else value


class SettingsTable(BaseModel):
    """A table of the settings file; errors about it never show a value."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: object) -> object:
        return strip(value)


class ChannelSettings(SettingsTable):
    """A receiver of messages: an address of Apprise, or a webhook whose messages are signed."""

    url: Secret = None
    url_file: Path | None = None
    url_env: str | None = None
    webhook: Secret = None
    secret: Annotated[
        list[SecretStr] | None,
        BeforeValidator(lambda given: _split_secrets(given) if isinstance(given, str) else given),
    ] = None
    """The first signs first. Several at a time let a receiver go from one to the next without losing a message."""
    secret_file: Path | None = None
    secret_env: str | None = None
    digest: Literal["off", "1h", "1d"] = "off"
    names: bool = True
    """Whether messages name people."""

    @property
    def files(self) -> list[Path]:
        """The files that hold its secrets."""
        return [file for file in (self.url_file, self.secret_file) if file is not None]

    @model_validator(mode="after")
    def _read(self) -> "ChannelSettings":
        self.url = _only("url", self.url, self.url_file, self.url_env, SecretStr)
        self.secret = _only("secret", self.secret, self.secret_file, self.secret_env, _split_secrets)
        if (self.url is None) == (self.webhook is None):
            raise ValueError("a channel has either url or webhook")
        if self.webhook is not None:
            self.webhook = SecretStr(checked_web_url(self.webhook.get_secret_value()))
            keys = [webhook_key(secret.get_secret_value()) for secret in self.secret or ()]
            if not keys or min(map(len, keys)) < SHORTEST_SECRET:
                raise ValueError(f"a webhook needs a secret of at least {SHORTEST_SECRET} characters, or several")
        elif self.secret is not None:
            raise ValueError("only a webhook has a secret")
        elif self.url is not None and "://" not in self.url.get_secret_value():
            raise ValueError("expected an address of Apprise, such as slack://…")
        return self


class RuleSettings(SettingsTable):
    """Which channels receive which events; a filter that is left out lets everything through."""

    channels: Annotated[list[str], Field(min_length=1)]
    events: list[Topic] | None = None
    orgs: list[str] = Field(default_factory=list)
    kinds: list[Literal["created", "updated", "deleted", "restored"]] = Field(default_factory=list)
    fields: Annotated[list[str], AfterValidator(_check_fields)] = Field(default_factory=list)
    modules: list[str] = Field(default_factory=list)
    name: Annotated[str | None, AfterValidator(_check_pattern)] = None
    persons: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_filters(self) -> "RuleSettings":
        if self.events is not None and "changes" not in self.events and self.filters_changes:
            raise ValueError(f"{', '.join(CHANGE_FILTERS)} filter changes, and events leaves them out")
        return self

    @property
    def filters_changes(self) -> bool:
        return any(getattr(self, name) for name in CHANGE_FILTERS)

    @property
    def topics(self) -> Sequence[Topic]:
        """Those of `events`; without `events` all, or changes alone where a filter of changes is set."""
        if self.events is not None:
            return self.events
        return ["changes"] if self.filters_changes else get_args(Topic)


def _check_names(channels: dict[str, ChannelSettings]) -> dict[str, ChannelSettings]:
    for name in channels:
        if not _NAME.fullmatch(name) or name.startswith(URL_CHANNEL):
            raise ValueError(f"a channel cannot be called {name!r}")
    return channels


class AlertSettings(SettingsTable):
    channels: Annotated[dict[str, ChannelSettings], AfterValidator(_check_names)] = Field(default_factory=dict)
    rules: list[RuleSettings] = Field(default_factory=list)
    failing_after: Annotated[int, Field(ge=1, le=1000)] = 3
    stale_after: str = "1d"

    @model_validator(mode="after")
    def _check_rules(self) -> "AlertSettings":
        for number, rule in enumerate(self.rules, 1):
            unknown = [name for name in rule.channels if name not in self.channels]
            if unknown:
                raise ValueError(f"rule {number} names the channel {unknown[0]!r}, which is not there")
        return self


def addresses_in(urls: SecretStr | None) -> dict[str, ChannelSettings]:
    """Returns a channel for each address of a list; a comma inside an address is part of it."""
    text = "" if urls is None else urls.get_secret_value().strip().strip(",")
    found = [url for url in _NEXT.split(text) if url]
    return {f"{URL_CHANNEL}{number}": ChannelSettings(url=SecretStr(url)) for number, url in enumerate(found, 1)}


def webhook_key(secret: str) -> bytes:
    """Returns the key of a webhook's secret: the base64 after `whsec_`, as Standard Webhooks have it, else the secret.

    Raises `ValueError` where what follows `whsec_` is not base64.
    """
    if not secret.startswith(WEBHOOK_PREFIX):
        return secret.encode()
    encoded = secret.removeprefix(WEBHOOK_PREFIX)
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the secret after {WEBHOOK_PREFIX} is not base64") from error


def _only(name: str, value: T | None, file: Path | None, variable: str | None, parse: Callable[[str], T]) -> T | None:
    """Returns what one of three places holds; raises `ValueError`."""
    if sum(place is not None for place in (value, file, variable)) > 1:
        raise ValueError(f"{name}, {name}_file and {name}_env exclude each other")
    if file is not None:
        try:
            return parse(_given(f"{name}_file names an empty file", file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{name}_file names a file that cannot be read ({type(error).__name__})") from error
    if variable is not None:
        text = os.environ.get(variable, "")
        return parse(_given(f"{name}_env names the variable {variable}, which is not set", text))
    return value


def _given(problem: str, text: str) -> str:
    if not text.strip():
        raise ValueError(problem)
    return text.strip()
