"""Who has an account, and what is done about it: the same from the console and from the command line."""

from __future__ import annotations

from sqlalchemy import Engine

from api.console.passwords import hash_password, weakness
from api.console.throttling import forgive
from api.errors import AccountRefusedError
from api.storage.accounts import (
    Account,
    change_role,
    create_account,
    disable_account,
    end_sessions,
    folded,
    is_last_admin,
    is_taken,
    note_ended_sessions,
    note_new_password,
    set_password_hash,
)
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.subjects import Subjects
from guardrails.messages import Phrase

MOST_NAME_CHARACTERS = 64


def open_account(
    engine: Engine, name: str, role: Role, password: str, now_ms: int, by: str | None = None
) -> Account:
    """Make an account with a password.

    Args:
        engine: the database.
        name: what they are to sign in as.
        role: what they may do, of ``STAFF``.
        password: theirs.
        now_ms: the clock, milliseconds since the epoch.
        by: id of the account whose doing it is; ``None`` for the command line.

    Raises:
        AccountRefusedError: the name cannot be had, or the password is weak.
    """
    _require_name(name)
    hashed = _hashed(name, password)
    with writing(engine) as conn:
        if is_taken(conn, name):
            raise AccountRefusedError(Phrase("there is or was an account of this name"), "name")
        return create_account(conn, name, role, now_ms, password_hash=hashed, by=by)


def give_password(
    engine: Engine, subjects: Subjects, account: Account, password: str, now_ms: int, by: str | None = None
) -> None:
    """Give somebody another password: they are signed out, and failed attempts at their name forgotten.

    Raises:
        AccountRefusedError: the password is weak.
    """
    hashed = _hashed(account.name, password)
    with writing(engine) as conn:
        note_new_password(conn, account.account_id, now_ms, by)
        set_password_hash(conn, account.account_id, hashed)
        forgive(conn, subjects, account.name)


def give_role(engine: Engine, account: Account, role: Role, now_ms: int, by: str | None = None) -> None:
    """Give somebody another role; what they may do changes with their next click.

    Raises:
        AccountRefusedError: nobody would be left who may do this.
    """
    with writing(engine) as conn:
        if role is not Role.ADMIN:
            _require_another_admin(is_last=is_last_admin(conn, account.account_id))
        change_role(conn, account.account_id, role, now_ms, by)


def put_out_of_use(engine: Engine, account: Account, now_ms: int, by: str | None = None) -> None:
    """Put an account out of use for good; they are signed out.

    Raises:
        AccountRefusedError: nobody would be left who may do this.
    """
    with writing(engine) as conn:
        _require_another_admin(is_last=is_last_admin(conn, account.account_id))
        disable_account(conn, account.account_id, now_ms, by)


def sign_out_everywhere(engine: Engine, account: Account, now_ms: int, by: str | None = None) -> None:
    """End every session of somebody."""
    with writing(engine) as conn:
        note_ended_sessions(conn, account.account_id, now_ms, by)
        end_sessions(conn, account.account_id)


def _require_name(name: str) -> None:
    if not folded(name) or not name.isprintable():
        raise AccountRefusedError(Phrase("it is no name"), "name")
    if len(name) > MOST_NAME_CHARACTERS:
        raise AccountRefusedError(Phrase("it has more than {n} characters", n=MOST_NAME_CHARACTERS), "name")


def _hashed(name: str, password: str) -> str:
    """Return the hash of a password; made before anything is locked, since it takes its time."""
    weak = weakness(name, password)
    if weak is not None:
        raise AccountRefusedError(weak, "password")
    return hash_password(password)


def _require_another_admin(*, is_last: bool) -> None:
    if is_last:
        raise AccountRefusedError(Phrase("this is the only admin: give somebody else that role first"))
