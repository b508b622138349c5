"""Encryption of what is stored and must stay secret: Fernet, under keys derived from those of the settings."""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Vault:
    """Encrypts under the first key and decrypts under any."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([_fernet(key) for key in keys])

    def seal(self, plain: bytes) -> bytes:
        """Return the encrypted text."""
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes | None:
        """Return the plain text, or None where no key fits."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None


def _fernet(key: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"cadence-sync").derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
