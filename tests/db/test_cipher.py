"""What is stored opens under every configured key, and a passphrase cannot be guessed at the speed of a hash."""

from base64 import urlsafe_b64encode
from typing import Final

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import text

from cadence_sync.db.cipher import Cipher, ClientSecretCipher
from cadence_sync.db.credentials import rotate_keys
from cadence_sync.ports import Actor
from tests.support.lab import Lab

PASSPHRASE: Final = "correct horse battery staple"
RANDOM: Final = "fJ7mPz0yq3v1hQ9sVb2kX8dLw6TnR4cYgA5uEoHiK-M"


def plainly_derived(key: str) -> Fernet:
    return Fernet(urlsafe_b64encode(HKDF(SHA256(), length=32, salt=None, info=b"cadence-sync").derive(key.encode())))


def opens(fernet: Fernet, encrypted: bytes) -> bool:
    try:
        return bool(fernet.decrypt(encrypted))
    except Exception:  # noqa: BLE001 - whatever it raises, it does not open
        return False


def test_a_passphrase_is_stretched_and_a_random_key_is_not() -> None:
    assert not opens(plainly_derived(PASSPHRASE), Cipher([PASSPHRASE]).encrypt(b"x"))
    assert opens(plainly_derived(RANDOM), Cipher([RANDOM]).encrypt(b"x"))
    assert opens(plainly_derived("1000.secret"), ClientSecretCipher("1000.secret").encrypt(b"x"))


@pytest.mark.parametrize("key", [PASSPHRASE, RANDOM])
def test_what_was_encrypted_under_a_key_opens_whatever_derived_it(key: str) -> None:
    old, cipher = plainly_derived(key).encrypt(b"x"), Cipher(["another key that is first", key])
    assert (cipher.decrypt(old), cipher.is_current(old)) == (b"x", False)
    assert cipher.decrypt(Cipher([key]).encrypt(b"x")) == b"x"
    assert Cipher(["some other key of yours"]).decrypt(old) is None


def test_what_is_encrypted_today_is_current() -> None:
    for keys in ([PASSPHRASE, RANDOM], [RANDOM, PASSPHRASE]):
        cipher = Cipher(keys)
        assert cipher.is_current(cipher.encrypt(b"x"))
        assert not cipher.is_current(Cipher(keys[1:]).encrypt(b"x"))


async def test_a_rotation_under_the_same_passphrase_stretches_it_and_ends(lab: Lab) -> None:
    old = plainly_derived(PASSPHRASE).encrypt(b"{}")
    async with lab.engine.begin() as connection:
        await connection.execute(text("INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('acme', 'us')"))
        insert = "INSERT INTO cadence_sync.org_credentials (org_id, encrypted_credentials) VALUES ('acme', :old)"
        await connection.execute(text(insert), {"old": old})
    first, second = (
        await rotate_keys(lab.engine, [PASSPHRASE], Actor("test")),
        await rotate_keys(lab.engine, [PASSPHRASE], Actor("test")),
    )
    assert (first.credentials, first.current, first.lost) == (1, 0, [])
    assert (second.credentials, second.current, second.lost) == (0, 1, [])
    async with lab.engine.connect() as connection:
        stored = await connection.scalar(text("SELECT encrypted_credentials FROM cadence_sync.org_credentials"))
    assert not opens(plainly_derived(PASSPHRASE), stored)
    assert Cipher([PASSPHRASE]).decrypt(stored) == b"{}"
