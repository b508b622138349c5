"""Who may be served: others than this machine only behind a guard."""

from cadence_sync.config.settings import Settings
from cadence_sync.config.urls import is_loopback
from cadence_sync.errors import SettingsError


def check_host(settings: Settings) -> None:
    """Refuse to serve the web UI to others without a guard."""
    by_proxy = settings.web_user_header is not None
    if settings.web_token is None and not by_proxy and not is_loopback(settings.web_host):
        raise SettingsError(
            f"Serving on {settings.web_host} needs CADENCE_SYNC_WEB_TOKEN.",
            hint="Set one, or keep the default host 127.0.0.1.",
        )
    if by_proxy and not (settings.web_trusted_proxies.strip() and settings.web_url):
        raise SettingsError(
            "CADENCE_SYNC_WEB_USER_HEADER needs CADENCE_SYNC_WEB_TRUSTED_PROXIES and CADENCE_SYNC_WEB_URL.",
            hint="Name the proxy that sets the header, and the address at which people reach the web UI through it.",
        )
