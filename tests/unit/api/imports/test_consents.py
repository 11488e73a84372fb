from pathlib import Path

import pytest

from api.errors import FieldError
from api.imports.consents import CONSENT_FIELDS, STATUSES, read_consent
from api.imports.fields import TimeLimits
from api.imports.readers import read_commas
from engine.interactions import DAY_MS
from engine.vocabulary import Channel
from guardrails.consent.events import Parent, Status
from guardrails.consent.settings import ConsentSettings

CASES = Path(__file__).parents[3] / "cases" / "imports"
LIMITS = TimeLimits.around(1_750_000_000_000, 300)
GIVEN = {
    "customer_id": "anna",
    "purpose": "personalize.content.profiling",
    "status": "given",
    "at": "2024-01-01T10:00:00Z",
}


def event_of(record, subject_key=b"a" * 16):
    return read_consent(record, subject_key, LIMITS, ConsentSettings())


def test_a_parent_who_consents_is_imported_with_relation_and_verification():
    parent = {"parent_relation": "mother", "parent_verification": "card", "parent_verified_at_ms": 5}
    event = event_of({**GIVEN, "actor": "parent", **parent})
    assert event.parent == Parent("mother", "card", 5)
    with pytest.raises(FieldError, match="parent_verification"):
        event_of({**GIVEN, "actor": "parent", "parent_relation": "mother"})
    with pytest.raises(FieldError, match="a parent who consents is named"):
        event_of({**GIVEN, "actor": "parent"})


def test_what_a_sale_permits_is_imported_with_the_goods_that_were_sold():
    sold = {
        "customer_id": "anna",
        "purpose": "marketing.communications.email",
        "status": "SoftOptIn",
        "at_ms": 1_700_000_000_000,
        "method": "sale",
        "actor": "controller",
        "item_categories": "Food, Drink > Tea",
        "notice_id": "orders",
        "notice_version": "1",
    }
    assert event_of(sold).item_categories == {"Food", "Drink > Tea"}


def test_good_rows_become_events_and_bad_rows_are_named_by_field():
    events, refused = {}, {}
    for batch in read_commas(CASES / "consents.csv", CONSENT_FIELDS):
        for line, record in batch.records():
            try:
                events[line] = event_of(record)
            except FieldError as error:
                refused[line] = error.field
    assert [events[line].status for line in (2, 3, 4, 5)] == [
        Status.CONSENT_GIVEN,
        Status.CONSENT_GIVEN,
        Status.CONSENT_GIVEN,
        Status.OBJECTION_RAISED,
    ]
    assert events[3].channels == {Channel.EMAIL}
    assert events[3].record_id == "r-1"
    assert (events[2].method, events[2].actor) == ("import", "import:file")
    assert refused == {6: "", 7: "purpose", 8: "status", 9: "at", 10: "at", 11: "channels"}


def test_a_grant_without_an_end_gets_the_usual_one():
    event = event_of(GIVEN)
    assert event.valid_until_ms == event.at_ms + 365 * DAY_MS


def test_an_event_without_an_id_is_known_by_what_it_says_and_whose_it_is():
    assert event_of(GIVEN).record_id == event_of({**GIVEN, "method": "import"}).record_id
    others = [
        event_of({**GIVEN, "at": "2024-01-01T10:00:00.001Z"}),
        event_of({**GIVEN, "notice_version": "2"}),
        event_of({**GIVEN, "explicit": "yes"}),
        event_of(GIVEN, b"b" * 16),
    ]
    assert len({event.record_id for event in (event_of(GIVEN), *others)}) == 5


def test_channels_may_be_a_list_and_an_empty_list_is_not_taken_for_no_limit():
    assert event_of({**GIVEN, "channels": ["web", "app"]}).channels == {Channel.WEB, Channel.APP}
    assert event_of({**GIVEN, "channels": "web, app"}).channels == {Channel.WEB, Channel.APP}
    assert event_of(GIVEN).channels is None
    with pytest.raises(FieldError, match="names at least one"):
        event_of({**GIVEN, "channels": []})


def test_every_status_has_its_own_name_and_a_plain_one():
    assert set(STATUSES.values()) == set(Status)
    assert STATUSES["withdrawn"] is STATUSES["ConsentWithdrawn"] is Status.CONSENT_WITHDRAWN


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "anna@example.org"},
        {"actor": "import:"},
        {"method": "anna@example.org"},
        {"purpose": "anna@example.org"},
        {"status": "anna@example.org"},
        {"channels": "anna@example.org"},
        {"at": "anna@example.org"},
        {"explicit": "anna@example.org"},
        {"valid_until": "2023-01-01T00:00:00Z"},
    ],
)
def test_a_reason_never_repeats_what_stood_in_a_field(change):
    with pytest.raises(FieldError) as caught:
        event_of({**GIVEN, **change})
    assert "anna" not in str(caught.value)
