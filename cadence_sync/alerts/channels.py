"""The channels of the settings, ready to send."""

from cadence_sync.alerts.channel import Channel
from cadence_sync.config.alerts import ChannelSettings
from cadence_sync.config.settings import Settings
from cadence_sync.ports import Clock


def open_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Return a sender for each channel; raises `SettingsError` for the first whose address cannot work.

    Loads Apprise, which takes a second: do it in a thread.
    """
    return {name: _open(settings, clock, name, channel) for name, channel in settings.alert_channels.items()}


def _open(settings: Settings, clock: Clock, name: str, channel: ChannelSettings) -> Channel:
    if channel.webhook is not None and channel.secret is not None:
        from cadence_sync.alerts.webhook import WebhookChannel

        url, secret = channel.webhook.get_secret_value(), channel.secret.get_secret_value()
        return WebhookChannel(name, url, secret, settings.web_url, clock)
    from cadence_sync.alerts.apprise import open_service

    url = "" if channel.url is None else channel.url.get_secret_value()
    return open_service(name, url, settings.web_url)
