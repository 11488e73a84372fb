"""The TC string: what a shop may read out of it, and what it must refuse to read."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.signals import (
    ENRICHMENT,
    GIVEN,
    LIMITED,
    NOT_OBJECTED,
    OFFERS,
    PERFORMANCE,
    PROFILED,
    PROFILING,
    REFUSED,
    STORAGE,
    Tc,
    expected_of,
    grants,
    letters,
    publisher,
    said,
)

from guardrails.consent.signals.reading import SignalSettings
from guardrails.consent.signals.tcf import read_tcf
from guardrails.errors import SignalError

CASES = Path(__file__).parents[3] / "cases" / "signals"
VECTORS = yaml.safe_load((CASES / "tcf_vectors.yaml").read_text(encoding="utf-8"))
SETTINGS = SignalSettings()
EVERY_PURPOSE = range(1, 25)


def official() -> list[dict[str, str]]:
    with (CASES / "tcf_official.csv").open(encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def numbers(text: str) -> set[int]:
    return set(map(int, text.split()))


@pytest.mark.parametrize("case", VECTORS, ids=[case["note"] for case in VECTORS])
def test_a_known_string_means_what_the_table_says(case):
    if "malformed" in case:
        with pytest.raises(SignalError, match=case["malformed"]):
            read_tcf(case["string"], SETTINGS)
        return
    reading = read_tcf(case["string"], SETTINGS)
    assert grants(reading) == set(case["granted"])
    assert reading.version == case["version"]


def test_500_strings_of_the_official_encoder_are_read_as_they_were_written():
    rows = [row for row in official() if row["policy"] in "45" and row["service_specific"] == "1"]
    assert len(rows) == 500
    for row in rows:
        reading = read_tcf(row["string"], SETTINGS)
        assert said(reading) == expected_of(numbers(row["consent"]), numbers(row["interest"]))
        assert reading.at_ms == int(row["updated_ms"])
        assert reading.version == ("2.3" if row["disclosed"] == "1" else "2.2")


def test_strings_of_the_official_encoder_that_are_not_in_force_are_refused():
    rows = [row for row in official() if row["policy"] not in "45" or row["service_specific"] == "0"]
    assert len(rows) == 60
    for row in rows:
        with pytest.raises(SignalError, match=r"not in force|not specific"):
            read_tcf(row["string"], SETTINGS)


def test_targeted_offers_need_both_of_their_purposes():
    for consent, granted in (({3}, False), ({4}, False), ({3, 4}, True)):
        reading = read_tcf(Tc(publisher=publisher(consent)).write(), SETTINGS)
        assert (OFFERS in grants(reading)) is granted


def test_legitimate_interest_is_no_objection_where_it_may_be_used_and_nothing_elsewhere():
    reading = read_tcf(Tc(publisher=publisher((), EVERY_PURPOSE)).write(), SETTINGS)
    assert said(reading) == {
        STORAGE: REFUSED,
        LIMITED: NOT_OBJECTED,
        PROFILING: REFUSED,
        PROFILED: REFUSED,
        OFFERS: REFUSED,
        PERFORMANCE: NOT_OBJECTED,
    }
    assert "legitimate interest cannot carry purposes 3 to 6" in reading.notes


def test_limited_content_is_closed_without_any_basis():
    """Neither bit may be an objection or a purpose never told of: off, and not said to be objected to."""
    assert said(read_tcf(Tc(publisher=publisher({1})).write(), SETTINGS))[LIMITED] is REFUSED


def test_every_bit_set_grants_nothing_beyond_the_mapped_purposes():
    reading = read_tcf(Tc(publisher=publisher(EVERY_PURPOSE, EVERY_PURPOSE, 63)).write(), SETTINGS)
    assert grants(reading) == {STORAGE, LIMITED, PROFILING, PROFILED, OFFERS, PERFORMANCE}
    assert ENRICHMENT not in said(reading)
    assert "purposes of the shop's own invention are not read" in reading.notes
    assert "purposes 2, 7, 9 and 10 are agreed to and have no counterpart here" in reading.notes


def test_profiling_without_storage_is_noted():
    reading = read_tcf(Tc(publisher=publisher({6})).write(), SETTINGS)
    assert said(reading)[PROFILED] is GIVEN
    assert reading.notes == ("without purpose 1 a profile cannot be kept under an id of the device",)


def test_a_string_without_the_publishers_segment_says_nothing_to_the_shop():
    reading = read_tcf(Tc(core_consent=frozenset(range(1, 12))).write(), SETTINGS)
    assert reading.answers == ()
    assert "the string does not speak of the shop's own purposes" in reading.notes


def test_disclosed_vendors_can_be_demanded():
    strict = SignalSettings(accept_tcf_2_2_without_disclosed_vendors=False)
    string = Tc(publisher=publisher({1}))
    assert read_tcf(string.write(), strict).version == "2.3"
    with pytest.raises(SignalError, match="disclosed vendors are missing"):
        read_tcf(replace(string, disclosed=None).write(), strict)


def test_segments_may_come_in_any_order_and_with_the_old_one():
    allowed = letters((2, 3), (8, 16), (0, 1), (255, 8))
    string = Tc(disclosed=None, publisher=publisher({5}), more=(allowed, Tc().disclosed))
    assert grants(read_tcf(string.write(), SETTINGS)) == {PROFILING}


def test_vendors_in_ranges_are_passed_over():
    one_and_a_range = ((30, 16), (1, 1), (2, 12), (0, 1), (3, 16), (1, 1), (5, 16), (30, 16))
    restricted = ((1, 12), (2, 6), (2, 2), (1, 12), (0, 1), (700, 16))
    string = Tc(vendors=one_and_a_range, restrictions=restricted, publisher=publisher({8}))
    assert grants(read_tcf(string.write(), SETTINGS)) == {PERFORMANCE}


def test_zeros_behind_a_segment_are_padding():
    assert grants(read_tcf(Tc(publisher=publisher({1})).write() + "AAAA", SETTINGS)) == {STORAGE}


def test_only_a_digest_of_the_string_is_kept():
    string = Tc(publisher=publisher({1})).write()
    reading = read_tcf(string, SETTINGS)
    assert string not in repr(reading)
    assert reading.sha256 == read_tcf(string, SETTINGS).sha256
    assert reading.sha256 != read_tcf(string + "A", SETTINGS).sha256


GOOD = Tc(publisher=publisher({1, 5, 6}))
MALFORMED = {
    "no text": (None, "not a text"),
    "bytes": (GOOD.write().encode(), "not a text"),
    "empty": ("", "empty"),
    "too long": ("C" * 8193, "longer"),
    "padding": (GOOD.write() + "=", "alphabet"),
    "another alphabet": (GOOD.write().replace(".", "+.", 1), "alphabet"),
    "beyond ASCII": (GOOD.write() + "\u00e9", "characters"),
    "a line break": (GOOD.write() + "\n", "characters"),
    "an empty segment": (GOOD.write() + ".", "alphabet"),
    "version 1": (replace(GOOD, version=1).write(), "version"),
    "a policy to come": (replace(GOOD, policy=6).write(), "policy"),
    "a language that is none": (replace(GOOD, language=(4, 26)).write(), "letters"),
    "cut short": (GOOD.write()[:-3], "too early"),
    "core cut short": (letters((2, 6), (0, 36)), "too early"),
    "something behind the end": (GOOD.write() + "B", "after its end"),
    "the publisher twice": (GOOD.write() + "." + publisher({1}), "twice"),
    "a segment of no known type": (GOOD.write() + "." + letters((4, 3), (0, 17)), "type"),
    "a range that runs backwards": (
        replace(GOOD, vendors=((30, 16), (1, 1), (1, 12), (1, 1), (5, 16), (4, 16))).write(),
        "range",
    ),
    "a range beyond the last vendor": (
        replace(GOOD, interests=((30, 16), (1, 1), (1, 12), (0, 1), (31, 16))).write(),
        "range",
    ),
    "a range from nought": (
        replace(GOOD, vendors=((30, 16), (1, 1), (1, 12), (0, 1), (0, 16))).write(),
        "range",
    ),
    "a restriction of no purpose": (
        replace(GOOD, restrictions=((1, 12), (0, 6), (1, 2), (0, 12))).write(),
        "restriction",
    ),
    "a restriction of no kind": (
        replace(GOOD, restrictions=((1, 12), (2, 6), (3, 2), (0, 12))).write(),
        "restriction",
    ),
}


@pytest.mark.parametrize(("value", "message"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_string_is_refused(value, message):
    with pytest.raises(SignalError, match=message):
        read_tcf(value, SETTINGS)


def test_a_refusal_never_quotes_the_string():
    for value, _ in MALFORMED.values():
        with pytest.raises(SignalError) as caught:
            read_tcf(value, SETTINGS)
        assert not (isinstance(value, str) and value and value in str(caught.value))
