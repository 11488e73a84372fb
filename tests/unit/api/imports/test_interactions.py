"""Reading a run of interactions at once must mean what reading them one by one means."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from api.errors import FieldError
from api.imports.batches import ColumnBatch, RowBatch
from api.imports.fields import TimeLimits
from api.imports.interactions import (
    COLLECTION_PURPOSES,
    INTERACTION_FIELDS,
    Interaction,
    _read_plain,
    read_interaction,
    read_interactions,
)
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.purposes import Purpose

LIMITS = TimeLimits.around(1_750_000_000_000, 300)
GOOD = {
    "customer_id": "anna",
    "item_id": "i1",
    "kind": "purchase",
    "at": "2024-03-01T12:00:00Z",
    "purpose": "personalize.content.profiling",
}


def reasons(record):
    with pytest.raises(FieldError) as caught:
        read_interaction(record, LIMITS)
    return caught.value.field, caught.value.reason


def test_a_plain_record_is_a_purchase_on_the_web_of_one():
    assert read_interaction(GOOD, LIMITS) == Interaction(
        event_id=None,
        customer_id="anna",
        session_id=None,
        item_id="i1",
        kind=Kind.PURCHASE,
        at_ms=1_709_294_400_000,
        channel=Channel.WEB,
        purpose=Purpose.PROFILING,
        is_gift=False,
        quantity=1,
        value_minor=None,
        provenance=Provenance.OWN,
    )


def test_without_a_purpose_only_the_facts_of_an_order_are_kept():
    assert read_interaction({**GOOD, "purpose": ""}, LIMITS).purpose == Purpose.ESSENTIAL_SERVICE
    assert (
        read_interaction({**GOOD, "purpose": "", "kind": "return"}, LIMITS).purpose
        == Purpose.ESSENTIAL_SERVICE
    )
    field, reason = reasons({**GOOD, "purpose": None, "kind": "view"})
    assert (field, reason) == ("purpose", "is missing: without one only purchases and returns are kept")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer_id": ""}, "customer_id"),
        ({"item_id": None}, "item_id"),
        ({"kind": "buy"}, "kind"),
        ({"kind": "PURCHASE"}, "kind"),
        ({"kind": None}, "kind"),
        ({"at": None}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"at_ms": 5}, "at_ms"),
        ({"channel": "fax"}, "channel"),
        ({"purpose": "sensitive.alcohol"}, "purpose"),
        ({"is_gift": "perhaps"}, "is_gift"),
        ({"provenance": "cousin"}, "provenance"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": "many"}, "quantity"),
        ({"value": "-1"}, "value"),
        ({"value": "1", "value_minor": 100}, "value_minor"),
        ({"currency": "euro"}, "currency"),
    ],
)
def test_every_bad_field_is_named_and_its_value_is_not_repeated(change, field):
    named, reason = reasons({**GOOD, **change})
    assert named == field
    assert not [
        value for value in change.values() if isinstance(value, str) and len(value) > 3 and value in reason
    ]


ids = st.sampled_from([None, "", "a", "b\x00", "é", "e\u0301", "x" * 300, 7, "7"])
times = st.sampled_from(
    [
        None,
        "",
        "2024-03-01T12:00:00Z",
        "2024-03-01T12:00:00.123456+02:00",
        "2024-03-01t12:00:00.5z",
        "2024-03-01 12:00:00Z",
        "2024-02-30T12:00:00Z",
        "2024-03-01T12:00:00",
        "2090-03-01T12:00:00Z",
        "1900-03-01T12:00:00.0001Z",
        "soon",
    ]
)
texts = {
    "event_id": ids,
    "customer_id": ids,
    "session_id": ids,
    "item_id": ids,
    "kind": st.sampled_from([None, "", "view", "purchase", "return", "View", "remove_from_cart", "buy"]),
    "at": times,
    "at_ms": st.sampled_from([None, None, "", "1709294400000", "-5", "12", "9999999999999", "1.5"]),
    "channel": st.sampled_from([None, "", "web", "in_store", "fax"]),
    "purpose": st.sampled_from([None, "", *COLLECTION_PURPOSES, "sensitive.alcohol"]),
    "is_gift": st.sampled_from([None, "", "true", "NO", "1", "maybe"]),
    "quantity": st.sampled_from([None, "", "1", "007", "0", "1000001", "two"]),
    "value": st.sampled_from([None, "", "1.5", "0", "12.505", "999999999999.99", "1e3", "-1"]),
    "value_minor": st.sampled_from([None, None, "", "250", "-1", "x"]),
    "currency": st.sampled_from([None, None, "", "EUR", "JPY", "euro"]),
    "provenance": st.sampled_from([None, "", "own", "sister", "third_party", "cousin"]),
}
typed = {
    **texts,
    "at_ms": st.sampled_from([None, 1_709_294_400_000, -5, 2**60]),
    "is_gift": st.sampled_from([None, True, False]),
    "quantity": st.sampled_from([None, 1, 0, 3, 2**40]),
    "value": st.one_of(st.none(), st.floats(), st.floats(0, 1000)),
    "value_minor": st.sampled_from([None, 5, -1]),
}


def agree(batch):
    """The columns read at once must be what the records read one by one are."""
    columns, plain = _read_plain(batch, LIMITS)
    one_by_one = [read_interaction(batch.record(i), LIMITS) for i in range(len(batch)) if plain[i]]
    at_once = [
        Interaction(*values)
        for values in zip(*(getattr(columns, f) for f in Interaction._fields), strict=True)
    ]
    assert at_once == one_by_one
    assert columns.lines == [line for line, usable in zip(batch.lines, plain, strict=True) if usable]
    return plain


@tries(100)
@given(st.lists(st.fixed_dictionaries({}, optional=texts), min_size=1, max_size=8))
def test_text_records_mean_the_same_at_once_and_one_by_one(rows):
    agree(RowBatch(range(1, len(rows) + 1), (), 0, rows))


@tries(100)
@given(st.lists(st.fixed_dictionaries({}, optional=typed), min_size=1, max_size=8))
def test_typed_records_mean_the_same_at_once_and_one_by_one(rows):
    agree(RowBatch(range(1, len(rows) + 1), (), 0, rows))


@given(st.lists(st.fixed_dictionaries({}, optional=texts), max_size=8))
def test_every_record_is_either_understood_or_refused_with_its_own_line(rows):
    batch = RowBatch([10 * n for n in range(len(rows))], (), 0, rows)
    columns, rejects = read_interactions(batch, LIMITS)
    assert sorted([*columns.lines, *(reject.line for reject in rejects)]) == batch.lines


def test_plain_records_are_read_at_once_whatever_types_a_parquet_file_gives_them():
    moment = datetime(2024, 3, 1, 12, tzinfo=UTC)
    columns = {
        "customer_id": pa.array([1, 2, None]),
        "session_id": pa.array([None, None, "s"]),
        "item_id": pa.array(["i1", "i2", "i3"]),
        "kind": pa.array(["purchase", "view", "cart"]),
        "at": pa.array([moment] * 3, pa.timestamp("us", "UTC")),
        "purpose": pa.array(["personalize.content.profiling"] * 3),
        "is_gift": pa.array([True, None, False]),
        "quantity": pa.array([2, None, 1], pa.int16()),
        "value": pa.array([9.99, None, 1.0]),
        "currency": pa.array(["EUR", None, "USD"]),
    }
    assert agree(ColumnBatch(range(1, 4), (), 3, columns)).all()


def test_one_bad_record_among_plain_ones_leaves_the_others_plain():
    columns = {name: pa.array([value] * 5) for name, value in GOOD.items()}
    columns["at"] = pa.array(["2024-03-01T12:00:00Z"] * 4 + ["soon"])
    assert agree(ColumnBatch(range(1, 6), (), 5, columns)).tolist() == [True] * 4 + [False]


def test_a_time_without_an_offset_is_refused_in_a_parquet_file_too():
    columns = {name: pa.array([value]) for name, value in GOOD.items()}
    columns["at"] = pa.array([datetime(2024, 3, 1)], pa.timestamp("us"))  # noqa: DTZ001  that is the point
    _, rejects = read_interactions(ColumnBatch([1], (), 1, columns), LIMITS)
    assert [reject.field for reject in rejects] == ["at"]


def test_the_fields_of_a_file_are_those_that_are_read():
    assert set(texts) == INTERACTION_FIELDS.known
