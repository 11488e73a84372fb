"""Holds: reasons to hold back, each kept as no more than since when and until when.

News of one case may come late, twice and in any order, so what is stored of a case is only the last
word on it. Two hosts that hear of a case at once end up with the same: the database compares, not we.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, case, func, literal, or_, select

from api.storage.prepared import Prepared, Rows, Wanted
from api.storage.statements import insert_into
from api.storage.tables import holds
from guardrails.holding import Hold, HoldKind

_FOREVER = 2**63 - 1

_HOLDS_OF_SUBJECTS = Prepared(
    select(holds.c.subject_key, holds.c.kind, holds.c.reference, holds.c.since_ms, holds.c.until_ms)
    .where(holds.c.subject_key.in_(bindparam("subject_keys", expanding=True)))
    .order_by(holds.c.kind, holds.c.reference, holds.c.since_ms)
)


def put_holds(conn: Connection, said: Iterable[tuple[bytes, Hold]]) -> None:
    """Store holds by subject key; where one of the same kind and reference is stored, the last word stays.

    The last word is the one with the later ``since_ms``. Of two at the same time that a case is over
    comes after that it is open, that somebody excluded themselves comes after that they lifted it,
    and the later end comes after the earlier one.
    """
    rows = [
        {
            "subject_key": subject_key,
            "kind": hold.kind.value,
            "reference": hold.reference,
            "since_ms": hold.since_ms,
            "until_ms": hold.until_ms,
        }
        for subject_key, hold in said
    ]
    if not rows:
        return
    insert = insert_into(conn, holds)
    told = insert.excluded
    later = or_(
        told.since_ms > holds.c.since_ms,
        (told.since_ms == holds.c.since_ms)
        & (_end(told.kind, told.until_ms) > _end(holds.c.kind, holds.c.until_ms)),
    )
    conn.execute(
        insert.on_conflict_do_update(
            index_elements=["subject_key", "kind", "reference"],
            set_={"since_ms": told.since_ms, "until_ms": told.until_ms},
            where=later,
        ),
        rows,
    )


def read_holds(conn: Connection, subject_keys: Collection[bytes]) -> tuple[Hold, ...]:
    """Return the holds of subjects, ended ones too, by kind and reference; one statement for all."""
    (found,) = holds_of_each([subject_keys]).read(conn)
    return found


def holds_of_each(groups: Sequence[Collection[bytes]]) -> Wanted[list[tuple[Hold, ...]]]:
    """Return what to ask for what ``read_holds`` returns for each group; one statement for all."""

    def found(rows: Sequence[Rows]) -> list[tuple[Hold, ...]]:
        if not rows[0]:
            return [()] * len(groups)
        of_subjects: dict[bytes, list[tuple[int, Hold]]] = defaultdict(list)
        for place, (key, kind, reference, since_ms, until_ms) in enumerate(rows[0]):
            of_subjects[key].append((place, Hold(HoldKind(kind), reference, since_ms, until_ms)))
        return [
            tuple(
                hold
                for _, hold in sorted((each for key in set(keys) for each in of_subjects[key]), key=_place)
            )
            for keys in groups
        ]

    keys = sorted({key for keys in groups for key in keys})
    return Wanted([_HOLDS_OF_SUBJECTS.asking(subject_keys=keys)], found)


def _place(of: tuple[int, Hold]) -> int:
    return of[0]


def exclude_from(
    conn: Connection, subject_key: bytes, classes: Collection[str], now_ms: int, lifted_ms: int
) -> None:
    """Exclude a subject from these sensitive classes, and lift their other exclusions.

    Args:
        conn: a writing connection.
        subject_key: whose word it is.
        classes: names of classes.
        now_ms: the clock, milliseconds since the epoch.
        lifted_ms: when what is lifted now ends; what was lifted before ends when that was said.
    """
    open_ended = {hold.reference for hold in _exclusions(conn, subject_key) if hold.until_ms is None}
    added = [Hold(HoldKind.EXCLUSION, name, now_ms, None) for name in sorted({*classes} - open_ended)]
    lifted = [Hold(HoldKind.EXCLUSION, name, now_ms, lifted_ms) for name in sorted(open_ended - {*classes})]
    put_holds(conn, [(subject_key, hold) for hold in (*added, *lifted)])


def exclusions_of(conn: Connection, subject_key: bytes, now_ms: int) -> list[str]:
    """Return the sensitive classes that a subject is excluded from at a time, sorted."""
    return sorted(hold.reference for hold in _exclusions(conn, subject_key) if hold.stands(now_ms))


def _exclusions(conn: Connection, subject_key: bytes) -> list[Hold]:
    return [hold for hold in read_holds(conn, [subject_key]) if hold.kind is HoldKind.EXCLUSION]


def _end(kind: ColumnElement[str], until_ms: ColumnElement[int]) -> ColumnElement[int]:
    """Return what an end counts as beside another; one that nobody knows comes first, or last of all."""
    open_end = case(
        (kind == HoldKind.EXCLUSION.value, literal(_FOREVER, BigInteger)), else_=literal(-1, BigInteger)
    )
    return func.coalesce(until_ms, open_end)
