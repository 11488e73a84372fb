"""What decisions can be found by besides what they have in common: rules that withheld, reasons given."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, select

from api.storage.statements import chunks, fetch, insert_new, insert_rows, places
from api.storage.tables import decision_terms, log_terms

_NUMBERS = "SELECT term, term_no FROM log_terms WHERE term IN"


def store_terms(conn: Connection, placed: Sequence[tuple[int, Collection[str]]]) -> None:
    """Remember by what decisions can be found.

    Args:
        conn: a writing connection that holds the log's lock.
        placed: index in the log and terms of each decision.
    """
    numbers = term_numbers(conn, {term for _, terms in placed for term in terms}, make=True)
    rows = [(number, at) for at, terms in placed for number in {numbers[term] for term in terms}]
    insert_rows(conn, decision_terms, ("term_no", "log_index"), sorted(rows))


def term_numbers(conn: Connection, terms: Collection[str], *, make: bool = False) -> dict[str, int]:
    """Return the numbers of terms.

    Args:
        conn: a connection; a writing one to make numbers.
        terms: words such as ``rule:G17`` or ``reason:PRICE_JUMP``.
        make: give a number to those that never occurred before; otherwise they are left out.
    """
    found: dict[str, int] = {}
    for some in chunks(sorted(terms)):
        found |= dict(fetch(conn, f"{_NUMBERS} {places(some)}", some))
    missing = sorted(set(terms) - found.keys())
    if not missing or not make:
        return found
    conn.execute(insert_new(conn, log_terms), [{"term": term} for term in missing])
    return found | term_numbers(conn, missing)


def erase_terms(conn: Connection, places: Sequence[int]) -> None:
    """Forget by what decisions can be found; the rows are looked up by every term there is."""
    numbers = list(conn.scalars(select(log_terms.c.term_no)))
    for some in chunks(places):
        conn.execute(
            delete(decision_terms).where(
                decision_terms.c.term_no.in_(numbers), decision_terms.c.log_index.in_(some)
            )
        )
