"""Channels of Apprise: chat, e-mail and a hundred other services. The only module that imports it."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, OverflowMode

from cadence_sync.alerts.channels import not_sent, run_in_daemon_thread
from cadence_sync.alerts.events import AlertEvent
from cadence_sync.alerts.render import Message, render_message
from cadence_sync.config.urls import is_loopback
from cadence_sync.errors import SettingsError, docs_hint

SECONDS: Final = 60
"""Timeout of a service's answer: after Apprise's own 4 seconds slow services would receive the message again."""
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    kind: str
    web_url: str | None
    plugin: Any = field(repr=False)

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Hands a message to the service; the time of each call is limited, their number is not."""
        del message_id  # most services have no place for it
        most = self.plugin.body_maxlen
        filled = max(200, int(most * 0.6))  # escaping makes text longer
        text = render_message(alerts, self.web_url, min(most, filled))
        await run_in_daemon_thread(f"alerts-{self.kind}", partial(self._notify, text))

    def _notify(self, text: Message) -> None:
        """Sends in this thread; raises `TransientError`, which repeats of Apprise's log only the HTTP status."""
        entries: list[str] = []
        apprise = Apprise(asset=self.plugin.asset)
        apprise.add(self.plugin)
        # As plain text: Apprise escapes it for each service's own markup.
        taken = apprise.notify(
            body=text.body,
            title=text.title,
            body_format=NotifyFormat.TEXT,
            log_callback=lambda entry, _plugin: entries.append(entry.message),
        )
        if taken:
            return
        statuses = [int(status) for entry in entries for status in _STATUS.findall(entry)]
        known = [f"{status} {HTTPStatus(status).phrase}" for status in statuses if status in set(HTTPStatus)]
        if known:
            raise not_sent(f"{self.kind} answers {known[-1]}.")
        unreachable = any("onnection error" in entry for entry in entries)
        raise not_sent(f"{self.kind} {'cannot be reached' if unreachable else 'did not take the message'}.")


def open_service(name: str, url: str, web_url: str | None) -> AppriseChannel:
    """Returns the channel of an address; raises `SettingsError`, without the address, which holds secrets."""
    _silence_logs()
    # Without Apprise's own time limit, after which it would leave the sending to an unwatched thread.
    asset = AppriseAsset(app_id="cadence-sync", storage_mode="memory", service_timeout=0, async_mode=False)
    asset.app_desc, asset.app_url, asset.http_redirects = "cadence-sync", "", False
    asset.image_url_mask = asset.image_url_logo = ""  # pictures on Apprise's server
    plugin = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    schema = url.partition("://")[0].lower()
    if plugin is None:
        raise SettingsError(
            f"Apprise cannot use the address of the channel {name!r}, which begins with {schema}://.",
            hint=f"{docs_hint('Get alerts')} github.com/caronc/apprise/wiki lists every service.",
        )
    host = getattr(plugin, "smtp_host", None) or plugin.host
    if schema in _schemas(plugin.protocol) and not plugin.secure and host and not is_loopback(host):
        encrypted = [f"{known}://" for known in _schemas(plugin.secure_protocol)]
        raise SettingsError(
            f"The channel {name!r} would send in the clear, by {schema}://.",
            hint=f"Use {encrypted[0] if encrypted else 'a service with encryption'}; plain text goes to loopback only.",
        )
    targets = _targets(plugin)
    if targets > 1:
        raise SettingsError(
            f"The address of the channel {name!r} names {targets} targets: a retry would duplicate messages.",
            hint=f"Write one {schema}:// address for each target, each a channel of its own; a mailing list is one.",
        )
    plugin.overflow_mode = OverflowMode.TRUNCATE
    plugin.retry, plugin.optional = 0, False  # an address may ask for retries, and for failures to be hidden
    plugin.socket_read_timeout = max(plugin.socket_read_timeout, SECONDS)
    if hasattr(plugin, "smtp_host"):  # this limits each answer of a mail server
        plugin.socket_connect_timeout = max(plugin.socket_connect_timeout, SECONDS)
    return AppriseChannel(schema, web_url, plugin)


def _targets(plugin: Any) -> int:
    """Returns the number of recipients: Apprise multiplies them by its tries, and leaves copies out."""
    copies = [*(getattr(plugin, "cc", None) or ()), *(getattr(plugin, "bcc", None) or ())]
    return len(plugin) // int(plugin.retry + 1) + len(copies)


def _silence_logs() -> None:
    """Keeps the logs of libraries, which hold parts of addresses, out of ours."""
    logger = logging.getLogger("apprise")  # `log_callback` receives its entries nevertheless
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def _schemas(protocol: str | Sequence[str] | None) -> list[str]:
    names = [protocol] if isinstance(protocol, str) else protocol
    return list(names or ())
