"""Encryption of stored secrets: Fernet, under keys derived from those of the settings."""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cadence_sync.errors import SettingsError


class Cipher:
    """Encrypts under the first key and decrypts under any."""

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = [_fernet(key) for key in keys]
        self._first = fernets[0]
        self._fernet = MultiFernet(fernets)

    def encrypt(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def decrypt(self, encrypted: bytes) -> bytes | None:
        """Returns the plain text, or None where no key fits."""
        return _decrypt(self._fernet, encrypted)

    def is_current(self, encrypted: bytes) -> bool:
        """Whether it is encrypted under the first key."""
        return _decrypt(self._first, encrypted) is not None


def make_cipher(keys: Sequence[str]) -> Cipher:
    """Returns the cipher for credentials; raises `SettingsError` without a key."""
    if not keys:
        raise SettingsError(
            "Without CADENCE_SYNC_ENCRYPTION_KEYS no credentials are stored or read.",
            hint="Make a key with `openssl rand -base64 32`, set it wherever cadence-sync runs, and keep a copy.",
            code="NO_ENCRYPTION_KEYS",
        )
    return Cipher(keys)


def _decrypt(fernet: Fernet | MultiFernet, encrypted: bytes) -> bytes | None:
    try:
        return fernet.decrypt(encrypted)
    except InvalidToken:
        return None


def _fernet(key: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"cadence-sync").derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
