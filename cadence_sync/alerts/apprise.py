"""The services that Apprise knows: chat, e-mail and a hundred others. The only place that names it."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, OverflowMode

from cadence_sync.alerts.channel import not_sent, run_in_daemon_thread
from cadence_sync.alerts.events import AlertEvent
from cadence_sync.alerts.render import Message, render_message
from cadence_sync.config.urls import is_loopback
from cadence_sync.errors import SettingsError, docs_hint

SECONDS: Final = 60
"""So long a service may be silent: Apprise's own 4 are over before slow ones answer, and they would be told again."""
ESCAPED: Final = 0.6
"""Share of a service's longest message that is filled: what is escaped for it grows."""
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """Implements `Channel`."""

    kind: str
    web_url: str | None
    plugin: Any = field(repr=False)

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Hand a message to the service; most have no place for its id.

        It may take long, since each call to the service has a time limit, and their number has none.
        """
        del message_id
        most = self.plugin.body_maxlen
        text = render_message(alerts, self.web_url, min(most, max(200, int(most * ESCAPED))))
        why = await run_in_daemon_thread(f"alerts-{self.kind}", partial(self._notify, text))
        if why is not None:
            raise not_sent(why)

    def _notify(self, text: Message) -> str | None:
        """Return None, or why it was not taken: of what Apprise tells, the status of HTTP is all that is repeated."""
        alerts: list[str] = []
        apprise = Apprise(asset=self.plugin.asset)
        apprise.add(self.plugin)
        # As plain text: Apprise escapes it for each service's own markup.
        taken = apprise.notify(
            body=text.body,
            title=text.title,
            body_format=NotifyFormat.TEXT,
            log_callback=lambda entry, _plugin: alerts.append(entry.message),
        )
        if taken:
            return None
        statuses = [int(status) for entry in alerts for status in _STATUS.findall(entry)]
        known = [f"{status} {HTTPStatus(status).phrase}" for status in statuses if status in set(HTTPStatus)]
        if known:
            return f"{self.kind} answers {known[-1]}."
        unreachable = any("onnection error" in entry for entry in alerts)
        return f"{self.kind} {'cannot be reached' if unreachable else 'did not take the message'}."


def open_service(name: str, url: str, web_url: str | None) -> AppriseChannel:
    """Return the service of an address; raises `SettingsError`, without the address, which holds secrets."""
    _keep_quiet()
    # Without a time limit of Apprise's, after which it would leave the sending to a thread that nobody watches.
    asset = AppriseAsset(app_id="cadence-sync", storage_mode="memory", service_timeout=0, async_mode=False)
    asset.app_desc, asset.app_url, asset.http_redirects = "cadence-sync", "", False
    asset.image_url_mask = asset.image_url_logo = ""  # pictures of Apprise's, on another's server
    plugin = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    schema = url.partition("://")[0].lower()
    if plugin is None:
        raise SettingsError(
            f"Apprise cannot use the address of the channel {name!r}, which begins with {schema}://.",
            hint=f"{docs_hint('Get alerts')} github.com/caronc/apprise/wiki lists every service.",
        )
    host = getattr(plugin, "smtp_host", None) or plugin.host
    if _in_the_clear(plugin, schema) and host and not is_loopback(host):
        raise SettingsError(
            f"The channel {name!r} would send in the clear, by {schema}://.",
            hint=f"Use {_secure(plugin) or 'a service with encryption'}; plain text goes to loopback only.",
        )
    targets = _targets(plugin)
    if targets > 1:
        raise SettingsError(
            f"The address of the channel {name!r} names {targets} targets: a retry would duplicate messages.",
            hint=f"Write one {schema}:// address for each target, each a channel of its own; a mailing list is one.",
        )
    plugin.overflow_mode = OverflowMode.TRUNCATE
    plugin.retry, plugin.optional = 0, False  # an address may ask for tries in a row, and for failures to be hidden
    plugin.socket_read_timeout = max(plugin.socket_read_timeout, SECONDS)
    if hasattr(plugin, "smtp_host"):  # what is called so there is the limit of each answer
        plugin.socket_connect_timeout = max(plugin.socket_connect_timeout, SECONDS)
    return AppriseChannel(schema, web_url, plugin)


def _targets(plugin: Any) -> int:
    """Return how many may take or refuse a message: Apprise multiplies them by its tries, and leaves copies out."""
    copies = [*(getattr(plugin, "cc", None) or ()), *(getattr(plugin, "bcc", None) or ())]
    tried: int = len(plugin)
    return tried // int(plugin.retry + 1) + len(copies)


def _keep_quiet() -> None:
    """Let no log of others show parts of addresses; ours says what matters."""
    alerts = logging.getLogger("apprise")  # `log_callback` hears it nevertheless
    alerts.propagate = False
    if not alerts.handlers:
        alerts.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def _in_the_clear(plugin: Any, schema: str) -> bool:
    plain = plugin.protocol if isinstance(plugin.protocol, tuple | list) else (plugin.protocol,)
    return schema in plain and not plugin.secure


def _secure(plugin: Any) -> str | None:
    known = plugin.secure_protocol
    first = known[0] if isinstance(known, tuple | list) and known else known
    return f"{first}://" if first else None
