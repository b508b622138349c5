"""TLS of the web UI: a certificate from files, which is read again after it was renewed."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

from cadence_sync.errors import SettingsError
from cadence_sync.logs import log

_CHECK: Final = 60.0
"""Seconds between two looks at the files."""
_NO_PASSPHRASE: Final = ""
"""Makes a key that has one an error: OpenSSL would ask for it on the terminal, and the daemon would stand still."""


class Certificate:
    def __init__(self, certificate: Path, key: Path | None) -> None:
        """Raises `SettingsError` where the files cannot be read or do not belong together."""
        self._files = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._changed_at = self.load()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise SettingsError(
                f"The TLS certificate {certificate} of the web UI cannot be used: {_reason(error)}.",
                hint="CADENCE_SYNC_WEB_TLS_CERTIFICATE and _WEB_TLS_KEY name the PEM files of a pair, no passphrase.",
            ) from error

    async def follow(self) -> None:
        """Reads the files again whenever they change; one that cannot be read leaves the former in use."""
        while True:
            await asyncio.sleep(_CHECK)
            try:
                if self._times() != self._changed_at:
                    self._changed_at = self.load()
                    log.info("certificate_loaded")
            except (OSError, ValueError) as error:
                log.warning("certificate_unreadable", error=_reason(error))

    def load(self) -> list[float]:
        """Returns when the files were changed; raises `OSError` or `ValueError`, and leaves the former in use."""
        certificate, key = self._files
        times = self._times()
        # OpenSSL replaces the certificate before it compares the key: a pair that does not fit would leave none in use.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            context.load_cert_chain(certificate, key, password=_NO_PASSPHRASE)
        return times

    def _times(self) -> list[float]:
        return [file.stat().st_mtime for file in self._files if file is not None]


def _reason(error: Exception) -> str:
    return (getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__).lower()
