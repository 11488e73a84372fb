"""Customers: the one table that knows the shop's own customer ids, and what customers asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from api.storage.prepared import Prepared, Rows, Wanted
from api.storage.statements import chunks, insert_into, insert_new, insert_or_replace
from api.storage.subjects import Subjects
from api.storage.tables import customers, mutes
from guardrails.consent.ages import AgeBand
from guardrails.request import AgeAssurance, Mute, MuteScope

_FOREVER = 2**63 - 1

_PREFERENCES_OF_CUSTOMERS = Prepared(
    select(
        customers.c.subject_key,
        customers.c.customer_no,
        customers.c.age_assurance,
        customers.c.non_profiled,
        customers.c.shared_device,
        customers.c.age_band,
        customers.c.jurisdiction,
        customers.c.limit_sensitive,
        customers.c.history_from_ms,
    ).where(customers.c.subject_key.in_(bindparam("subject_keys", expanding=True)))
)
_MUTES_OF_SUBJECTS = Prepared(
    select(mutes.c.subject_key, mutes.c.scope, mutes.c.value, mutes.c.until_ms)
    .where(mutes.c.subject_key.in_(bindparam("subject_keys", expanding=True)))
    .order_by(mutes.c.scope, mutes.c.value)
)


class Preferences(NamedTuple):
    """What the own row of a customer says to every decision; as in ``CustomerRow``."""

    subject_key: bytes
    customer_no: int
    age_assurance: str
    non_profiled: bool
    shared_device: bool
    age_band: str | None
    jurisdiction: str | None
    limit_sensitive: bool
    history_from_ms: int


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer as stored.

    Attributes:
        customer_no: storage key.
        customer_id: the shop's key.
        subject_key: pseudonym.
        age_assurance: what is known of the customer's age.
        non_profiled: the customer switched profiling off for good.
        shared_device: the account is marked as shared.
        age_band: how old a minor is, if that is known.
        jurisdiction: code of the place where the customer lives, if that is known.
        limit_sensitive: sensitive information serves the order and nothing else.
        history_from_ms: what was collected for a profile before was withdrawn.
        created_at_ms: when first heard of, milliseconds since the epoch.
    """

    customer_no: int
    customer_id: str
    subject_key: bytes
    age_assurance: AgeAssurance
    non_profiled: bool
    shared_device: bool
    created_at_ms: int
    age_band: AgeBand | None
    jurisdiction: str | None
    limit_sensitive: bool
    history_from_ms: int


def customer_numbers(
    conn: Connection, customer_ids: Iterable[str], subjects: Subjects, now_ms: int
) -> dict[str, int]:
    """Return the storage key of each customer, creating those never heard of."""
    wanted = sorted(set(customer_ids))
    numbers = _numbers(conn, wanted)
    missing = [customer_id for customer_id in wanted if customer_id not in numbers]
    if not missing:
        return numbers
    rows = [
        {"customer_id": each, "subject_key": subjects.account(each), "created_at_ms": now_ms}
        for each in missing
    ]
    conn.execute(insert_new(conn, customers), rows)
    return {**numbers, **_numbers(conn, missing)}


def find_customer(conn: Connection, subject_key: bytes) -> CustomerRow | None:
    """Return a customer, or ``None`` when there is none."""
    row = conn.execute(select(customers).where(customers.c.subject_key == subject_key)).mappings().first()
    if row is None:
        return None
    band = row["age_band"]
    return CustomerRow(
        **dict(row)
        | {
            "age_assurance": AgeAssurance(row["age_assurance"]),
            "age_band": None if band is None else AgeBand(band),
        }
    )


def all_customer_ids(conn: Connection) -> list[str]:
    """Return the shop's key of every customer, in the order of their storage keys."""
    return list(conn.scalars(select(customers.c.customer_id).order_by(customers.c.customer_no)))


def set_preferences(
    conn: Connection,
    customer_no: int,
    *,
    age_assurance: AgeAssurance | None = None,
    non_profiled: bool | None = None,
    shared_device: bool | None = None,
    limit_sensitive: bool | None = None,
) -> None:
    """Change what a customer's row says; what is ``None`` stays as it is."""
    given = {
        "age_assurance": None if age_assurance is None else age_assurance.value,
        "non_profiled": non_profiled,
        "shared_device": shared_device,
        "limit_sensitive": limit_sensitive,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if changes:
        conn.execute(update(customers).where(customers.c.customer_no == customer_no).values(changes))


def begin_history(conn: Connection, customer_no: int, from_ms: int) -> None:
    """Put out of use what was collected for a profile before a time, from this transaction on."""
    conn.execute(
        update(customers).where(customers.c.customer_no == customer_no).values(history_from_ms=from_ms)
    )


def end_histories(conn: Connection, ended: Mapping[bytes, int]) -> None:
    """Put out of use what was collected for profiles up to a time, by subject key; none is brought back."""
    if not ended:
        return
    of_subject = (customers.c.subject_key == bindparam("of_subject")) & (
        customers.c.history_from_ms < bindparam("from_ms")
    )
    conn.execute(
        update(customers).where(of_subject).values(history_from_ms=bindparam("from_ms")),
        [{"of_subject": key, "from_ms": at_ms + 1} for key, at_ms in ended.items()],
    )


def set_facts(conn: Connection, customer_no: int, age_band: AgeBand | None, jurisdiction: str | None) -> None:
    """Say how old a minor is and where a customer lives; ``None`` where that is not known."""
    facts = {"age_band": age_band and age_band.value, "jurisdiction": jurisdiction}
    conn.execute(update(customers).where(customers.c.customer_no == customer_no).values(facts))


def add_mute(conn: Connection, subject_key: bytes, mute: Mute, now_ms: int) -> None:
    """Store a mute; one of the same thing is replaced, so that its end moves."""
    row = _mute_row(subject_key, mute, now_ms)
    conn.execute(insert_or_replace(conn, mutes, "subject_key", "scope", "value"), row)


def lift_mute(conn: Connection, subject_key: bytes, scope: MuteScope, value: str) -> None:
    """Take a mute away; one that is not there is none."""
    conn.execute(
        delete(mutes).where(
            mutes.c.subject_key == subject_key, mutes.c.scope == scope.value, mutes.c.value == value
        )
    )


def say_mute(conn: Connection, subject_key: bytes, mute: Mute, said_ms: int) -> None:
    """Store what was said of a mute at a time, unless something was said of it later.

    A mute that was lifted is one that has ended. Of two words at the same time the one that mutes
    for longer stays.
    """
    insert = insert_into(conn, mutes)
    told = insert.excluded
    later = or_(
        told.created_at_ms > mutes.c.created_at_ms,
        (told.created_at_ms == mutes.c.created_at_ms) & (_end(told.until_ms) > _end(mutes.c.until_ms)),
    )
    conn.execute(
        insert.on_conflict_do_update(
            index_elements=["subject_key", "scope", "value"],
            set_={"until_ms": told.until_ms, "created_at_ms": told.created_at_ms},
            where=later,
        ),
        _mute_row(subject_key, mute, said_ms),
    )


def set_mutes(conn: Connection, subject_key: bytes, wanted: Sequence[Mute], now_ms: int) -> None:
    """Put these mutes in the place of all that the subject had."""
    conn.execute(delete(mutes).where(mutes.c.subject_key == subject_key))
    for mute in wanted:
        add_mute(conn, subject_key, mute, now_ms)


def read_mutes(conn: Connection, subject_key: bytes) -> tuple[Mute, ...]:
    """Return a subject's mutes, ended ones too, by scope and value."""
    return mutes_of([subject_key]).read(conn)[subject_key]


def mutes_of(subject_keys: Iterable[bytes]) -> Wanted[dict[bytes, tuple[Mute, ...]]]:
    """Return what to ask for what ``read_mutes`` returns for each subject; one statement for up to 500."""
    keys = sorted(set(subject_keys))

    def found(rows: Sequence[Rows]) -> dict[bytes, tuple[Mute, ...]]:
        mutes_: dict[bytes, list[Mute]] = {key: [] for key in keys}
        for key, scope, value, until_ms in rows[0]:
            mutes_[key].append(Mute(MuteScope(scope), value, until_ms))
        return {key: tuple(of_subject) for key, of_subject in mutes_.items()}

    return Wanted([_MUTES_OF_SUBJECTS.asking(subject_keys=keys)], found)


def preferences_of(subject_keys: Iterable[bytes]) -> Wanted[dict[bytes, Preferences]]:
    """Return what to ask for the own rows of customers; those who have none are not among them."""
    asked = _PREFERENCES_OF_CUSTOMERS.asking(subject_keys=sorted(set(subject_keys)))
    return Wanted([asked], lambda rows: {row[0]: Preferences._make(row) for row in rows[0]})


def _mute_row(subject_key: bytes, mute: Mute, said_ms: int) -> dict[str, Any]:
    return {
        "subject_key": subject_key,
        "scope": mute.scope.value,
        "value": mute.value,
        "until_ms": mute.until_ms,
        "created_at_ms": said_ms,
    }


def _end(until_ms: ColumnElement[int]) -> ColumnElement[int]:
    """Return what the end of a mute counts as; until it is lifted comes last."""
    return func.coalesce(until_ms, literal(_FOREVER, BigInteger))


def _numbers(conn: Connection, customer_ids: Sequence[str]) -> dict[str, int]:
    return {
        customer_id: customer_no
        for some in chunks(customer_ids)
        for customer_id, customer_no in conn.execute(
            select(customers.c.customer_id, customers.c.customer_no).where(customers.c.customer_id.in_(some))
        )
    }
