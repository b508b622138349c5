"""Encryption of what is stored: Fernet, under keys derived from those of the settings."""

import base64
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cadence_sync.config.secrecy import KEY_COMMAND, is_random
from cadence_sync.errors import SettingsError

_CONTEXT: Final = b"cadence-sync"
"""The salt, too: the same key must open the same rows in every process, so none can be drawn."""


class Cipher:
    """Encrypts under the first key and decrypts under any; raises `SettingsError` without a key.

    A passphrase is stretched by scrypt, so that a dump of the database does not let it be guessed. What was encrypted
    under its plain derivation is still decrypted, and counts as outdated.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise SettingsError(
                "Without CADENCE_SYNC_ENCRYPTION_KEYS no credentials are stored or read.",
                hint=f"Make a key with `{KEY_COMMAND}`, set it wherever cadence-sync runs, and keep a copy.",
                code="NO_ENCRYPTION_KEYS",
            )
        self._use([*map(_derive, keys), *(_expand(key) for key in keys if not is_random(key))])

    def _use(self, fernets: Sequence[Fernet]) -> None:
        self._first, self._all = fernets[0], MultiFernet(fernets)

    def encrypt(self, plain: bytes) -> bytes:
        return self._first.encrypt(plain)

    def decrypt(self, encrypted: bytes) -> bytes | None:
        """Returns the plain text, or None where no key fits."""
        return _attempt(self._all.decrypt, encrypted)

    def is_current(self, encrypted: bytes) -> bool:
        """Whether this was encrypted as `encrypt` does today."""
        return _attempt(self._first.decrypt, encrypted) is not None


class ClientSecretCipher(Cipher):
    """Encrypts under a client secret: Zoho drew it, so it needs no stretching."""

    def __init__(self, client_secret: str) -> None:
        self._use([_expand(client_secret)])


def _attempt(decrypt: Callable[[bytes], bytes], encrypted: bytes) -> bytes | None:
    try:
        return decrypt(encrypted)
    except InvalidToken:
        return None


def _derive(key: str) -> Fernet:
    return _expand(key) if is_random(key) else _stretch(key)


def _expand(key: str) -> Fernet:
    return _fernet(HKDF(SHA256(), length=32, salt=None, info=_CONTEXT).derive(key.encode()))


@cache
def _stretch(key: str) -> Fernet:
    """Takes 32 MiB and a good part of a second, once per process and key."""
    return _fernet(Scrypt(salt=_CONTEXT, length=32, n=2**15, r=8, p=3).derive(key.encode()))


def _fernet(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(key))
