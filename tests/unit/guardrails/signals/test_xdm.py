"""Adobe's consents and preferences."""

from __future__ import annotations

import pytest
from support.signals import (
    CONTACT,
    EMAIL,
    GIVEN,
    NOT_OBJECTED,
    OFFERS,
    PROFILED,
    PROFILING,
    REFUSED,
    REQUESTED,
    SHARING,
    UNKNOWN,
    answer_to,
    grants,
    said,
)

from guardrails.consent.signals.reading import SignalSettings
from guardrails.consent.signals.xdm import read_xdm
from guardrails.errors import SignalError

PLAIN = SignalSettings()
DECLARED = SignalSettings(profiling_declaration="declaration-1")
OTHER_BASES = ("LI", "CT", "CP", "VI", "PI")


def xdm(**fields) -> dict[str, object]:
    return {"consents": fields}


def content(value) -> dict[str, object]:
    return {"content": {"val": value}}


def test_the_example_of_the_schema_is_read():
    reading = read_xdm(
        xdm(
            collect={"val": "VI"},
            adID={"val": "n", "idType": "IDFA"},
            share={"val": "n"},
            personalize=content("y"),
            marketing={
                "preferred": "email",
                "any": {"val": "y"},
                "email": {"val": "y"},
                "push": {"val": "n", "reason": "Too Frequent"},
            },
            metadata={"time": "2019-01-01T15:52:25+00:00"},
        ),
        PLAIN,
    )
    assert said(reading) == {EMAIL: GIVEN, "marketing.communications.push": REFUSED, SHARING: REFUSED}
    assert reading.at_ms == 1_546_357_945_000
    assert len(reading.notes) == 3


@pytest.mark.parametrize(
    ("value", "status"),
    [("y", GIVEN), ("n", REFUSED), ("p", REQUESTED), ("u", UNKNOWN), ("dy", NOT_OBJECTED), ("dn", UNKNOWN)],
)
def test_each_value_has_its_status(value, status):
    assert said(read_xdm(xdm(share={"val": value}), PLAIN)) == {SHARING: status}
    assert said(read_xdm(xdm(personalize=content(value)), DECLARED)) == {PROFILING: status, PROFILED: status}


@pytest.mark.parametrize("basis", OTHER_BASES)
def test_another_legal_basis_is_not_consent(basis):
    reading = read_xdm(xdm(share={"val": basis}, personalize=content(basis)), DECLARED)
    assert reading.answers == ()
    assert reading.notes == ("what rests on another basis than consent is not consent",)


def test_personalising_grants_no_profile_without_a_declared_text():
    reading = read_xdm(xdm(personalize=content("y"), collect={"val": "y"}), PLAIN)
    assert reading.answers == ()
    assert "personalising grants no profiling" in reading.notes[0]


@pytest.mark.parametrize("settings", [PLAIN, DECLARED])
def test_refused_personalising_closes_the_profile_declared_or_not(settings):
    assert said(read_xdm(xdm(personalize=content("n")), settings)) == {PROFILING: REFUSED, PROFILED: REFUSED}


@pytest.mark.parametrize("collect", ["n", "p", "u", "dy", "dn", *OTHER_BASES])
def test_profiling_is_not_granted_while_collecting_is_not_agreed_to(collect):
    reading = read_xdm(xdm(personalize=content("y"), collect={"val": collect}), DECLARED)
    assert grants(reading) == {PROFILED}
    assert said(reading).get(PROFILING) is (REFUSED if collect == "n" else None)


def test_collecting_alone_grants_nothing_and_closes_when_refused():
    assert read_xdm(xdm(collect={"val": "y"}), DECLARED).answers == ()
    assert said(read_xdm(xdm(collect={"val": "n"}), DECLARED)) == {PROFILING: REFUSED}
    both = read_xdm(xdm(personalize=content("y"), collect={"val": "y"}), DECLARED)
    assert grants(both) == {PROFILING, PROFILED}


def test_marketing_at_large_closes_every_channel_and_opens_none():
    assert read_xdm(xdm(marketing={"any": {"val": "y"}}), PLAIN).answers == ()
    refused = read_xdm(xdm(marketing={"any": {"val": "n"}, "email": {"val": "y"}}), PLAIN)
    assert said(refused) == dict.fromkeys([OFFERS, *CONTACT], REFUSED)


def test_each_channel_of_contact_answers_for_itself():
    names = ("email", "sms", "push", "postalMail", "call", "fax", "whatsApp")
    for name in names:
        answered = grants(read_xdm(xdm(marketing={name: {"val": "y"}}), PLAIN))
        assert len(answered) == (0 if name in ("fax", "whatsApp") else 1)
    everything = read_xdm(xdm(marketing={name: {"val": "y"} for name in names}), PLAIN)
    assert grants(everything) == set(CONTACT)


def test_a_refusal_of_commercial_mail_outweighs_a_yes_to_mail():
    marketing = {"email": {"val": "y"}, "commercialEmail": {"val": "n"}}
    assert said(read_xdm(xdm(marketing=marketing), PLAIN)) == {EMAIL: REFUSED}


def test_a_choice_with_a_time_of_its_own_keeps_it():
    reading = read_xdm(
        xdm(
            marketing={"email": {"val": "y", "time": "2020-09-30T01:02:33.5-01:00"}},
            share={"val": "y"},
            metadata={"time": "2024-01-01T00:00:00Z"},
        ),
        PLAIN,
    )
    assert answer_to(reading, EMAIL).at_ms == 1_601_431_353_500
    assert answer_to(reading, SHARING).at_ms == reading.at_ms == 1_704_067_200_000


def test_a_refusal_under_one_identifier_counts_and_a_grant_under_one_does_not():
    identifiers = {
        "email": {"a@example.com": {"marketing": {"email": {"val": "n"}, "sms": {"val": "y"}}}},
        "ECID": {"1": {"share": {"val": "y"}, "personalize": content("n")}, "2": {}},
    }
    own = {"email": {"val": "y"}}
    reading = read_xdm(xdm(marketing=own, idSpecific=identifiers), DECLARED)
    assert said(reading) == {EMAIL: REFUSED, PROFILING: REFUSED, PROFILED: REFUSED}


def test_nothing_is_said_by_nothing():
    reading = read_xdm(xdm(), PLAIN)
    assert reading.answers == ()
    assert reading.at_ms is None


def test_only_a_digest_is_kept():
    reading = read_xdm(xdm(idSpecific={"email": {"a@example.com": {}}}), PLAIN)
    assert "example" not in repr(reading)


CHAIN: dict[str, object] = {}
for _ in range(5000):
    CHAIN = {"deep": CHAIN}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "y",
        {"consents": None},
        {"consents": {}, "more": 1},
        xdm(unknown={"val": "y"}),
        xdm(share="y"),
        xdm(share={}),
        xdm(share={"val": "Y"}),
        xdm(share={"val": True}),
        xdm(share={"val": ["y"]}),
        xdm(share={"val": "y", "until": "2030"}),
        xdm(personalize={"val": "y"}),
        xdm(personalize={"content": "y"}),
        xdm(marketing={"carrier_pigeon": {"val": "y"}}),
        xdm(metadata={"time": "yesterday"}),
        xdm(metadata={"time": "2024-01-01T00:00:00"}),
        xdm(metadata={"time": "1969-12-31T23:59:59Z"}),
        xdm(metadata={"time": 1_700_000_000}),
        xdm(metadata={"at": "2024-01-01T00:00:00Z"}),
        xdm(metadata=None),
        xdm(idSpecific=None),
        xdm(idSpecific={"email": ["a"]}),
        xdm(idSpecific={"email": {"a": {"metadata": {}}}}),
        xdm(share={"val": "y", "reason": float("nan")}),
        xdm(share={"val": "y", "reason": {1, 2}}),
        xdm(share={"val": "y", "reason": "x" * 8192}),
        xdm(share={"val": "y", "subscriptions": CHAIN}),
    ],
    ids=range(28),
)
def test_what_is_not_known_is_refused(value):
    with pytest.raises(SignalError):
        read_xdm(value, DECLARED)
