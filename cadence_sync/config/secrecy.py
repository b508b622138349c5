"""Secrets in the settings: never empty, long enough, and keys that are random rather than thought up."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

SHORTEST: Final = 16
"""Characters of a web token or an encryption key, at least."""
RANDOM_BYTES: Final = 32
KEY_COMMAND: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
_FEWEST_DISTINCT: Final = 8
"""Distinct characters in the text of a random key; 32 random bytes have fewer once in 10^9 keys."""


def refuse_blank(secret: SecretStr | None) -> SecretStr | None:
    """Raises `ValueError` for a secret that was given and is empty: a script that failed, never a wish."""
    if secret is not None and not secret.get_secret_value().strip():
        raise ValueError("it must not be empty")
    return secret


def check_token(token: SecretStr | None) -> SecretStr | None:
    text = "" if token is None else token.get_secret_value()
    if token is not None and (len(text) < SHORTEST or not (text.isascii() and text.isprintable())):
        raise ValueError(f"expected at least {SHORTEST} characters that are printable ASCII")
    return token


def check_keys(keys: SecretStr | None) -> SecretStr | None:
    if keys is not None and not (found := keys_in(keys)):
        raise ValueError("it must not be empty")
    if keys is not None and any(len(key) < SHORTEST for key in found):
        raise ValueError(f"expected keys of at least {SHORTEST} characters, separated by commas")
    return keys


def keys_in(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]


def is_random(key: str) -> bool:
    """Whether a key is 32 bytes or more in hexadecimal or base64, and looks drawn rather than typed."""
    if len(set(key)) < _FEWEST_DISTINCT:
        return False
    if re.fullmatch(r"[0-9a-fA-F]+", key):
        return len(key) >= 2 * RANDOM_BYTES
    if not (re.search("[a-z]", key) and re.search("[A-Z]", key)):
        return False  # words of one case are base64 too
    try:
        decoded = b64decode(key.rstrip("=") + "=" * (-len(key.rstrip("=")) % 4), altchars=_altchars(key), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(decoded) >= RANDOM_BYTES


def weak_keys(keys: Iterable[str]) -> list[int]:
    """Returns the positions, from 1, of keys that are not random."""
    return [number for number, key in enumerate(keys, 1) if not is_random(key)]


def _altchars(key: str) -> bytes:
    return b"-_" if re.search("[-_]", key) else b"+/"


Secret = Annotated[SecretStr | None, AfterValidator(refuse_blank)]
