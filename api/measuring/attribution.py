"""What came of suggestions: what pages say of them, and purchases that are owed to them.

It is counted only of who agreed to be measured (P7) when it was shown and agrees at the time. A purchase that
arrives as an event is owed to the suggestion of the item that was seen last before it (last touch): what was
suggested and never seen has sold nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from api.consents.erased import without_interest_in_the_erased
from api.consents.people import Person
from api.imports.new_interactions import NewInteraction
from api.storage.consents import lock_subject, read_choices
from api.storage.feedback import FeedbackKind
from api.storage.measured import (
    OUTCOMES,
    Measure,
    Touch,
    last_touch,
    measured_channel,
    measures_anything,
    note_outcomes,
)
from api.storage.notices import consent_in_force
from api.storage.subjects import Subjects
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.settings import ConsentSettings
from guardrails.measuring import may_be_measured

HOUR_MS = 3_600_000

_MEASURE_OF_FEEDBACK = {
    kind: Measure(kind.value) for kind in FeedbackKind if kind.value in {each.value for each in OUTCOMES}
}
_MEASURE_OF_EVENT = {Kind.PURCHASE: Measure.PURCHASED, Kind.CART: Measure.ADDED_TO_CART}


def count_feedback(
    conn: Connection,
    subjects: Subjects,
    consent: ConsentSettings,
    subject_key: bytes | None,
    decision_id: str,
    said: Sequence[tuple[int, FeedbackKind]],
    now_ms: int,
    *,
    gpc: bool = False,
) -> int:
    """Count what pages say of the suggestions of a decision; return how many of it were counted now.

    Args:
        conn: a writing connection.
        subjects: the shop's pseudonyms.
        consent: how consent is checked.
        subject_key: whom the decision was for; ``None`` for nobody.
        decision_id: the decision.
        said: storage key of each item, and what is said of it.
        now_ms: the clock, milliseconds since the epoch.
        gpc: the request carries ``Sec-GPC: 1``.
    """
    channel = measured_channel(conn, decision_id)
    if subject_key is None or channel is None:
        return 0
    lock_subject(conn, subject_key)  # whoever takes it back meanwhile comes before or after
    people = _People(conn, subjects, consent)
    if not people.may_be_measured(subject_key, (), now_ms, channel, gpc=gpc):
        return 0
    counted = {
        (Touch(decision_id, item_no), _MEASURE_OF_FEEDBACK[kind])
        for item_no, kind in said
        if kind in _MEASURE_OF_FEEDBACK
    }
    return note_outcomes(conn, counted)


def count_events(
    conn: Connection,
    subjects: Subjects,
    consent: ConsentSettings,
    events: Sequence[NewInteraction],
    item_numbers: Mapping[str, int],
    window_ms: int,
    now_ms: int,
    *,
    gpc: bool = False,
) -> int:
    """Count purchases and additions to the cart that are owed to a suggestion; return how many were new.

    Args:
        conn: a writing connection.
        subjects: the shop's pseudonyms.
        consent: how consent is checked.
        events: what happened.
        item_numbers: storage key of every item id.
        window_ms: how long after a suggestion something is owed to it.
        now_ms: the clock, milliseconds since the epoch.
        gpc: the request carries ``Sec-GPC: 1``.
    """
    owed = [each for each in events if each.kind in _MEASURE_OF_EVENT and each.provenance is Provenance.OWN]
    if not owed or not measures_anything(conn):
        return 0
    people, touched = _People(conn, subjects, consent), set[tuple[Touch, Measure]]()
    for event in owed:
        person = Person.of(
            subjects, customer_id=event.customer_id, device_id=event.device_id, session_id=event.session_id
        )
        keys = (person.key or b"", *person.beside)
        at_ms = min(event.at_ms, now_ms)
        item_no = item_numbers.get(event.item_id)
        touch = None if item_no is None else last_touch(conn, keys, item_no, at_ms - window_ms, at_ms)
        if touch is not None and people.may_be_measured(keys[0], keys[1:], at_ms, event.channel, gpc=gpc):
            touched.add((touch, _MEASURE_OF_EVENT[event.kind]))
    return note_outcomes(conn, touched)


class _People:
    """Asks whether customers agreed to be measured."""

    def __init__(self, conn: Connection, subjects: Subjects, consent: ConsentSettings) -> None:
        self._conn = conn
        self._subjects = subjects
        self._settings = consent_in_force(conn, consent)

    def may_be_measured(
        self, key: bytes, beside: Sequence[bytes], at_ms: int, channel: Channel, *, gpc: bool
    ) -> bool:
        """Tell whether somebody may be measured; what was refused beside them holds as well."""
        choices, _ = read_choices(self._conn, key, beside)
        choices = without_interest_in_the_erased(self._conn, self._subjects, key, choices, self._settings)
        return may_be_measured(choices, self._settings, at_ms, channel, gpc=gpc)
