from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import FieldError
from api.imports import fields
from api.imports.fields import EARLIEST_MS, TimeLimits
from engine.vocabulary import Kind

LIMITS = TimeLimits.around(1_750_000_000_000, 300)


@pytest.mark.parametrize("absent", [{}, {"x": None}, {"x": ""}])
def test_what_is_missing_null_or_empty_is_absent(absent):
    assert fields.read_id(absent, "x") is None
    assert fields.read_text(absent, "x") is None
    assert fields.read_whole(absent, "x", 0, 9) is None
    assert fields.read_flag(absent, "x") is None
    assert fields.read_word(absent, "x", Kind) is None
    assert fields.read_moment_ms(absent, "x") is None
    assert fields.read_money_minor(absent, "x", "EUR") is None


def test_an_id_is_kept_as_written_and_a_number_counts_as_its_digits():
    assert fields.read_id({"x": " a b "}, "x") == " a b "
    assert fields.read_id({"x": 42}, "x") == "42"


def test_two_spellings_of_the_same_character_are_one_id():
    assert fields.read_id({"x": "Caf\u0065\u0301"}, "x") == "Caf\u00e9"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "is not text"),
        (1.5, "is not text"),
        ([], "is not text"),
        (2**64, "is not text"),
        ("a\x00b", "holds a control character"),
        ("a\nb", "holds a control character"),
        ("\udcff", "is not valid UTF-8"),
        ("a" * 257, "is longer than 256 characters"),
    ],
)
def test_an_id_that_cannot_be_stored_is_refused_with_a_reason_that_does_not_repeat_it(value, reason):
    with pytest.raises(FieldError) as caught:
        fields.read_id({"x": value}, "x")
    assert (caught.value.field, caught.value.reason) == ("x", reason)


def test_text_has_its_white_space_evened_out():
    assert fields.read_text({"x": " two\n lines\t"}, "x") == "two lines"


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("3", 3), (3.0, 3), ("007", 7)])
def test_a_whole_number_may_be_written_in_several_ways(value, number):
    assert fields.read_whole({"x": value}, "x", 0, 9) == number


@pytest.mark.parametrize("value", [True, "3.5", 3.5, "three", float("nan"), float("inf"), {}, "٣", " 3"])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(FieldError, match="is not a whole number"):
        fields.read_whole({"x": value}, "x", 0, 9)


def test_a_number_out_of_its_range_is_refused():
    with pytest.raises(FieldError, match="is not between 1 and 9"):
        fields.read_whole({"x": -3}, "x", 1, 9)


@pytest.mark.parametrize(
    ("value", "flag"), [(True, True), ("YES", True), (1, True), ("no", False), (0, False), ("false", False)]
)
def test_yes_and_no_have_several_words(value, flag):
    assert fields.read_flag({"x": value}, "x") is flag


@pytest.mark.parametrize("value", ["maybe", 2, 1.0, []])
def test_what_is_neither_yes_nor_no_is_refused(value):
    with pytest.raises(FieldError, match="is neither true nor false"):
        fields.read_flag({"x": value}, "x")


@given(
    st.datetimes(
        min_value=datetime(1990, 1, 2),  # noqa: DTZ001  the offset is drawn beside it
        max_value=datetime(2024, 1, 1),  # noqa: DTZ001  the same
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=9))]
        ),
    )
)
def test_a_time_of_rfc_3339_is_read_to_the_millisecond(moment):
    at_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert fields.read_moment_ms({"at": moment.isoformat()}, "at", LIMITS) == at_ms
    assert fields.read_moment_ms({"at_ms": at_ms}, "at", LIMITS) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01",
        "2024-01-01T10:00:00",
        "2024-02-30T10:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:00:00+99:00",
        "20240101T100000Z",
        "2024-W01-1T10:00:00Z",
        "0000-01-01T00:00:00Z",
        1704103200,
        True,
        datetime(2024, 1, 1),  # noqa: DTZ001  a time without an offset is the point
    ],
)
def test_what_does_not_say_its_offset_or_is_no_time_is_refused(text):
    with pytest.raises(FieldError, match="is not a time of RFC 3339"):
        fields.read_moment_ms({"at": text}, "at", LIMITS)


def test_times_that_cannot_be_are_refused():
    with pytest.raises(FieldError, match="is too long ago"):
        fields.read_moment_ms({"at": "1989-12-31T23:59:59Z"}, "at", LIMITS)
    with pytest.raises(FieldError, match="lies in the future"):
        fields.read_moment_ms({"at_ms": LIMITS.latest_ms + 1}, "at", LIMITS)
    assert fields.read_moment_ms({"at_ms": LIMITS.latest_ms}, "at", LIMITS) == LIMITS.latest_ms
    assert fields.read_moment_ms({"at_ms": EARLIEST_MS}, "at", LIMITS) == EARLIEST_MS


def test_the_first_and_the_last_moments_of_the_calendar_are_only_out_of_range():
    for text in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        assert isinstance(fields.read_moment_ms({"at": text}, "at"), int)


def test_a_time_given_twice_is_refused():
    with pytest.raises(FieldError, match="repeats `at`"):
        fields.read_moment_ms({"at": "2024-01-01T10:00:00Z", "at_ms": 1_704_103_200_000}, "at", LIMITS)


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", None, 1250),
        ("12.500000", "EUR", 1250),
        ("4000", "JPY", 4000),
        ("1.234", "KWD", 1234),
        (12, "EUR", 1200),
        (9.99, "USD", 999),
        (0.1 + 0.2, "USD", 30),
        (Decimal("3.10"), "EUR", 310),
    ],
)
def test_money_becomes_minor_units_of_its_currency(value, currency, minor):
    assert fields.read_money_minor({"x": value}, "x", currency) == minor


@pytest.mark.parametrize(
    ("value", "currency", "reason"),
    [
        ("12.505", "EUR", "has more than 2 decimals"),
        ("1.5", "JPY", "has more than 0 decimals"),
        ("12,50", "EUR", "is not an amount"),
        ("1e3", "EUR", "is not an amount"),
        (float("nan"), "EUR", "is not an amount"),
        (True, "EUR", "is not an amount"),
        ("-1", "EUR", "is below zero"),
        (-0.01, "EUR", "is below zero"),
        (10**16, "EUR", "is below zero or too large"),
    ],
)
def test_what_is_no_money_of_the_currency_is_refused(value, currency, reason):
    with pytest.raises(FieldError, match=reason):
        fields.read_money_minor({"x": value}, "x", currency)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_whatever_a_field_holds_it_is_read_or_refused(value):
    record = {"x": value, "x_ms": value, "x_minor": value, "currency": value}
    for read in (
        lambda: fields.read_id(record, "x"),
        lambda: fields.read_text(record, "x"),
        lambda: fields.read_whole(record, "x", -5, 5),
        lambda: fields.read_flag(record, "x"),
        lambda: fields.read_word(record, "x", Kind),
        lambda: fields.read_moment_ms(record, "x", LIMITS),
        lambda: fields.read_moment_ms({"x": value}, "x"),
        lambda: fields.read_money_minor({"x": value}, "x", "EUR"),
        lambda: fields.read_currency(record),
    ):
        with suppress(FieldError):
            read()
