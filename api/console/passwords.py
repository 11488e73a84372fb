"""Passwords: argon2id (RFC 9106), so that a stolen database is no list of passwords."""

from __future__ import annotations

import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.storage.accounts import Account, find_by_name, folded, set_password_hash
from api.storage.connection import reading, writing
from api.wiring import wiring
from guardrails.messages import Phrase

LEAST_CHARACTERS = 12
"""Shorter passwords are guessed (NIST SP 800-63B)."""

MOST_CHARACTERS = 256

_LEAST_DIFFERENT = 5
_LEAST_BESIDE_NAME = 6
_N_GROUPS, _OF_A_GROUP = 4, 5
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of what is made up: nothing that is taken for something else when it is copied by hand."""

_COMMON = frozenset(
    """
    0123456789012 111222333444 1234567890123 1234567890987654321 1q2w3e4r5t6y 1q2w3e4r5t6y7u8i 1qaz2wsx3edc
    1qaz2wsx3edc4rfv abcd12345678 abcdefghijkl abcdefghijklm administrator adminadminadmin
    asdfghjkl123 asdfghjklasdfghjkl changemeplease changemenow1 correcthorsebatterystaple football1234
    iloveyou1234 iloveyouforever letmein12345 letmeinplease letmeinletmein liverpool123 manchesterunited
    mypassword123 p@ssw0rd1234 pass1234567890 passw0rd1234 password1234 password12345 password123456
    password1234! passwordpassword princess1234 qazwsxedcrfv qazwsxedcrfvtgb qwerty123456 qwerty1234567
    qwertyqwerty qwertyuiop123 qwertyuiop1234 qwertyuiopasdf qwertyuiop[] qwertyuiopasdfghjkl
    rememberme123 sunshine1234 superman1234 thequickbrownfox trustno1trustno1 unbelievable welcome12345
    welcome123456 whatever1234 zaq12wsxcde3 zxcvbnm12345 zxcvbnmasdfghjkl
    """.split()  # noqa: SIM905  a list of words is easier to read and to go on with
)
"""What is tried first of all that is long enough."""

_HASHER = PasswordHasher()
_NOBODYS = _HASHER.hash("whoever is not there has a password too")
"""Checked where there is no such account, so that it takes as long."""


def hash_password(password: str) -> str:
    """Return the hash of a password, with its salt and parameters, as it is kept."""
    return _HASHER.hash(_typed(password))


def new_password() -> str:
    """Return a password that nobody has had: 20 characters of 31, 99 bits, in groups that can be read out."""
    letters = [secrets.choice(_LETTERS) for _ in range(_N_GROUPS * _OF_A_GROUP)]
    return "-".join("".join(letters[at::_N_GROUPS]) for at in range(_N_GROUPS))


def weakness(name: str, password: str) -> Phrase | None:
    """Return why a password cannot be taken, ready to be said; ``None`` when it can.

    Args:
        name: what its owner signs in as.
        password: what they have chosen.
    """
    if not password.isprintable():
        return Phrase("control characters are not allowed")
    if len(password) < LEAST_CHARACTERS:
        return Phrase("it has fewer than {n} characters", n=LEAST_CHARACTERS)
    if len(password) > MOST_CHARACTERS:
        return Phrase("it has more than {n} characters", n=MOST_CHARACTERS)
    plain = folded(password)
    if folded(name) and len(plain.replace(folded(name), "")) < _LEAST_BESIDE_NAME:
        return Phrase("it is little more than the name")
    if plain in _COMMON or len(set(plain)) < _LEAST_DIFFERENT:
        return Phrase("it is one of those that are tried first")
    return None


def check_password(name: str, password: str) -> Account | None:
    """Return the account that a name and a password belong to; ``None`` where they do not belong together."""
    found = wiring()
    with reading(found.engine) as conn:
        known = find_by_name(conn, name)
    account, kept = known if known is not None else (None, None)
    if not _matches(kept or _NOBODYS, password) or account is None or kept is None:
        return None
    if _HASHER.check_needs_rehash(kept):
        with writing(found.engine) as conn:
            set_password_hash(conn, account.account_id, hash_password(password))
    return account


def _matches(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, _typed(password))
    except (VerificationError, InvalidHashError):
        return False


def _typed(password: str) -> str:
    """Return a password in the one form that every keyboard can type it in (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
