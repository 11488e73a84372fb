"""Accounts of the people who use the console, and who of them is signed in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from api.storage.api_keys import CONFIG, Role
from api.storage.log import append_entries, entry, lock_log
from api.storage.tables import accounts, sign_ins

STAFF = tuple(role for role in Role if role is not Role.SITE)
"""Roles that people have; a site is a machine."""

IDLE_MS = 2 * 3_600_000
"""So long somebody stays signed in who does nothing."""

LONGEST_MS = 12 * 3_600_000
"""So long somebody stays signed in at most."""

_MINUTE_MS = 60_000
_ID_BYTES = 9
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody of the shop.

    Attributes:
        account_id: names them wherever it is kept who did something.
        name: what they sign in as.
        role: what they may do.
        language: of their pages; ``None`` for that of the browser.
        created_at_ms: when the account was made, milliseconds since the epoch.
        disabled_at_ms: when it was put out of use; ``None`` while it is in use.
    """

    account_id: str
    name: str
    role: Role
    language: str | None
    created_at_ms: int
    disabled_at_ms: int | None


_TOLD = tuple(accounts.c[name] for name in Account.__dataclass_fields__)
_SIGNED_IN = (
    select(*_TOLD, sign_ins.c.seen_at_ms)
    .join_from(sign_ins, accounts)
    .where(
        sign_ins.c.token_sha256 == bindparam("digest"),
        sign_ins.c.created_at_ms > bindparam("begun_after_ms"),
        sign_ins.c.seen_at_ms > bindparam("seen_after_ms"),
        accounts.c.disabled_at_ms.is_(None),
    )
)


def folded(name: str) -> str:
    """Return a name as it is kept: whoever writes it in capitals is the same person."""
    return name.strip().casefold()


def create_account(
    conn: Connection,
    name: str,
    role: Role,
    now_ms: int,
    *,
    password_hash: str | None = None,
    identity: str | None = None,
    by: str | None = None,
) -> Account:
    """Make an account and say so in the log.

    Args:
        conn: a connection that writes.
        name: what they sign in as.
        role: what they may do, of ``STAFF``.
        now_ms: the clock, milliseconds since the epoch.
        password_hash: argon2id, encoded; ``None`` for who signs in elsewhere only.
        identity: issuer and subject at an OpenID provider.
        by: id of the account whose doing it is; ``None`` for the command line, and for nobody.

    Raises:
        StoreRefusedError: there is an account of this name, or of this identity.
    """
    account = Account(f"a-{secrets.token_hex(_ID_BYTES)}", folded(name), role, None, now_ms, None)
    row = {
        "account_id": account.account_id,
        "name": account.name,
        "role": role.value,
        "password_hash": password_hash,
        "identity": identity,
        "created_at_ms": now_ms,
    }
    conn.execute(insert(accounts), row)
    _note(conn, now_ms, "account_created", account.account_id, by, role=role.value)
    return account


def find_by_name(conn: Connection, name: str) -> tuple[Account, str | None] | None:
    """Return an account in use, and the hash of its password; ``None`` when there is none of this name."""
    wanted = select(*_TOLD, accounts.c.password_hash).where(
        accounts.c.name == folded(name), accounts.c.disabled_at_ms.is_(None)
    )
    row = conn.execute(wanted).mappings().first()
    return None if row is None else (_account(row), row["password_hash"])


def find_account(conn: Connection, account_id: str) -> Account | None:
    """Return an account, out of use or not; ``None`` when there is none."""
    row = conn.execute(select(*_TOLD).where(accounts.c.account_id == account_id)).mappings().first()
    return None if row is None else _account(row)


def find_by_identity(conn: Connection, identity: str) -> Account | None:
    """Return whose account an identity at an OpenID provider is, out of use or not."""
    row = conn.execute(select(*_TOLD).where(accounts.c.identity == identity)).mappings().first()
    return None if row is None else _account(row)


def is_taken(conn: Connection, name: str) -> bool:
    """Tell whether there is an account of this name, out of use or not: names are never given again."""
    query = select(accounts.c.account_id).where(accounts.c.name == folded(name))
    return conn.execute(query).first() is not None


def is_last_admin(conn: Connection, account_id: str) -> bool:
    """Tell whether an account is the only admin in use; nobody changes that until the transaction ends."""
    lock_log(conn)
    in_use = select(accounts.c.account_id).where(
        accounts.c.role == Role.ADMIN.value, accounts.c.disabled_at_ms.is_(None)
    )
    return conn.scalars(in_use).all() == [account_id]


def list_accounts(conn: Connection) -> list[Account]:
    """Return every account, those out of use too, by name."""
    return [_account(row) for row in conn.execute(select(*_TOLD).order_by(accounts.c.name)).mappings()]


def set_password_hash(conn: Connection, account_id: str, password_hash: str) -> None:
    """Give an account another password; whoever is signed in with it is signed out."""
    conn.execute(
        update(accounts).where(accounts.c.account_id == account_id).values(password_hash=password_hash)
    )
    end_sessions(conn, account_id)


def note_new_password(conn: Connection, account_id: str, now_ms: int, by: str | None = None) -> None:
    """Say in the log that somebody was given another password."""
    _note(conn, now_ms, "account_password_changed", account_id, by)


def change_role(conn: Connection, account_id: str, role: Role, now_ms: int, by: str | None = None) -> bool:
    """Give an account in use another role, say so in the log; tell whether it had another one."""
    changed = conn.execute(
        update(accounts)
        .where(
            accounts.c.account_id == account_id,
            accounts.c.disabled_at_ms.is_(None),
            accounts.c.role != role.value,
        )
        .values(role=role.value)
    )
    if changed.rowcount != 1:
        return False
    _note(conn, now_ms, "account_role_changed", account_id, by, role=role.value)
    return True


def set_language(conn: Connection, account_id: str, language: str) -> None:
    """Keep the language of somebody's pages."""
    conn.execute(update(accounts).where(accounts.c.account_id == account_id).values(language=language))


def disable_account(conn: Connection, account_id: str, now_ms: int, by: str | None = None) -> bool:
    """Put an account out of use for good, say so in the log; tell whether it was in use."""
    disabled = conn.execute(
        update(accounts)
        .where(accounts.c.account_id == account_id, accounts.c.disabled_at_ms.is_(None))
        .values(disabled_at_ms=now_ms)
    )
    if disabled.rowcount != 1:
        return False
    end_sessions(conn, account_id)
    _note(conn, now_ms, "account_disabled", account_id, by)
    return True


def begin_session(conn: Connection, account_id: str, now_ms: int) -> str:
    """Sign somebody in; return the token of the session, which is stored nowhere.

    Sessions that are over are removed on the way; where nobody signs in any more, the purge does that.
    """
    conn.execute(delete(sign_ins).where(are_over(now_ms)))
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = {
        "token_sha256": _digest(token),
        "account_id": account_id,
        "created_at_ms": now_ms,
        "seen_at_ms": now_ms,
    }
    conn.execute(insert(sign_ins), row)
    return token


def are_over(now_ms: int) -> ColumnElement[bool]:
    """Return the condition that sessions have ended by themselves."""
    return or_(sign_ins.c.created_at_ms <= now_ms - LONGEST_MS, sign_ins.c.seen_at_ms <= now_ms - IDLE_MS)


def session_account(conn: Connection, token: str, now_ms: int) -> tuple[Account, bool] | None:
    """Return who is signed in with a token, and whether it is a minute or more since they were seen.

    ``None`` where the session is over, was ended, or the account is out of use.
    """
    row = (
        conn.execute(
            _SIGNED_IN,
            {
                "digest": _digest(token),
                "begun_after_ms": now_ms - LONGEST_MS,
                "seen_after_ms": now_ms - IDLE_MS,
            },
        )
        .mappings()
        .first()
    )
    return None if row is None else (_account(row), now_ms - row["seen_at_ms"] >= _MINUTE_MS)


def see(conn: Connection, token: str, now_ms: int) -> None:
    """Note that somebody is still there."""
    conn.execute(update(sign_ins).where(sign_ins.c.token_sha256 == _digest(token)).values(seen_at_ms=now_ms))


def end_session(conn: Connection, token: str) -> None:
    """Sign out whoever is signed in with a token."""
    conn.execute(delete(sign_ins).where(sign_ins.c.token_sha256 == _digest(token)))


def end_sessions(conn: Connection, account_id: str) -> None:
    """Sign somebody out everywhere."""
    conn.execute(delete(sign_ins).where(sign_ins.c.account_id == account_id))


def note_ended_sessions(conn: Connection, account_id: str, now_ms: int, by: str | None = None) -> None:
    """Say in the log that somebody was signed out everywhere."""
    _note(conn, now_ms, "account_signed_out", account_id, by)


def count_sessions(conn: Connection, now_ms: int) -> dict[str, int]:
    """Return how many sessions each account has that has any."""
    query = (
        select(sign_ins.c.account_id, func.count())
        .where(sign_ins.c.created_at_ms > now_ms - LONGEST_MS, sign_ins.c.seen_at_ms > now_ms - IDLE_MS)
        .group_by(sign_ins.c.account_id)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def _note(conn: Connection, now_ms: int, what: str, account_id: str, by: str | None, **detail: str) -> None:
    who = {} if by is None else {"by": by}
    append_entries(conn, [entry(CONFIG, now_ms, what=what, account=account_id, **who, **detail)])


def _account(row: RowMapping) -> Account:
    told = {name: row[name] for name in Account.__dataclass_fields__}
    return Account(**{**told, "role": Role(row["role"])})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
