"""The GPP string: the header, the American sections, and the European one inside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.signals import (
    GIVEN,
    NOT_OBJECTED,
    OBJECTED,
    OFFERS,
    REFUSED,
    SHARING,
    STORAGE,
    Tc,
    fibonacci,
    gpp_header,
    grants,
    letters,
    publisher,
    said,
)

from guardrails.consent.signals.gpp import CALIFORNIA_SENSITIVE, NATIONAL_SENSITIVE, read_gpp
from guardrails.consent.signals.reading import SignalSettings
from guardrails.errors import SignalError

CASES = Path(__file__).parents[3] / "cases" / "signals"
SETTINGS = SignalSettings()


def national(*, sale=0, sharing=0, targeted=0, sensitive=(), children=(0, 0, 0), version=2, gpc=None) -> str:
    """A US National section; ``sensitive`` names the places without consent."""
    n_sensitive = 16 if version == 2 else 12
    core = letters(
        (version, 6),
        (0, 12),
        (sale, 2),
        (sharing, 2),
        (targeted, 2),
        *[(int(place in sensitive), 2) for place in range(1, n_sensitive + 1)],
        *[(choice, 2) for choice in children],
        (0, 2),
        (1, 2),
        (0, 4),
    )
    return core if gpc is None else f"{core}.{letters((1, 2), (gpc, 1))}"


def californian(*, sale=0, sharing=0, sensitive=(), children=(0, 0), version=1) -> str:
    return letters(
        (version, 6),
        (0, 6),
        (sale, 2),
        (sharing, 2),
        *[(int(place in sensitive), 2) for place in range(1, 10)],
        *[(choice, 2) for choice in children],
        (0, 2),
        (1, 2),
        (0, 4),
    )


def gpp(**sections: str) -> str:
    """A string with sections by id, as in ``gpp(_7=...)``."""
    by_id = sorted((int(name.removeprefix("_")), text) for name, text in sections.items())
    return "~".join([gpp_header(*(section_id for section_id, _ in by_id)), *(text for _, text in by_id)])


def sensitive_refused(reading) -> set[str]:
    return {key.removeprefix("sensitive.") for key in said(reading) if key.startswith("sensitive.")}


def test_the_examples_of_the_specification_have_the_headers_it_prints():
    assert gpp_header(2) == "DBABM"
    assert gpp_header(2, 6) == "DBACNY"
    group = letters((3, 6), (1, 6), (1, 12), (1, 1), fibonacci(5), fibonacci(1))
    assert group == "DBABjw"
    assert read_gpp(f"{group}~anything~1YNN", SETTINGS).notes == ("section 5 is present and not read",)


def test_an_opt_out_closes_and_the_lack_of_one_grants_nothing():
    reading = read_gpp(gpp(_7=national(sale=1, sharing=2, targeted=2)), SETTINGS)
    assert said(reading) == {SHARING: OBJECTED, OFFERS: NOT_OBJECTED}
    reading = read_gpp(gpp(_7=national(sale=2, sharing=2, targeted=2)), SETTINGS)
    assert said(reading) == {SHARING: NOT_OBJECTED, OFFERS: NOT_OBJECTED}
    assert grants(reading) == set()


def test_opting_out_of_targeted_advertising_ends_sharing_too():
    reading = read_gpp(gpp(_7=national(sharing=2, targeted=1)), SETTINGS)
    assert said(reading) == {SHARING: OBJECTED, OFFERS: OBJECTED}


def test_what_does_not_apply_says_nothing():
    reading = read_gpp(gpp(_7=national(), _8=californian()), SETTINGS)
    assert reading.answers == ()
    assert reading.known_child is None
    assert not reading.limit_sensitive
    assert not reading.gpc


def test_the_two_lists_of_sensitive_kinds_are_not_mixed_up():
    place_four = read_gpp(gpp(_7=national(sensitive={4})), SETTINGS)
    assert sensitive_refused(place_four) == {"sexual_health", "sex_life", "orientation"}
    assert set(said(place_four).values()) == {REFUSED}
    place_four = read_gpp(gpp(_8=californian(sensitive={4})), SETTINGS)
    assert sensitive_refused(place_four) == {"ethnicity", "religion", "politics"}
    assert set(said(place_four).values()) == {OBJECTED}
    assert sensitive_refused(read_gpp(gpp(_7=national(sensitive={8})), SETTINGS)) == set()
    assert "health" in sensitive_refused(read_gpp(gpp(_8=californian(sensitive={8})), SETTINGS))
    assert "pregnancy_fertility" in sensitive_refused(read_gpp(gpp(_7=national(sensitive={3})), SETTINGS))


@pytest.mark.parametrize("section", [{"_7": national(sensitive={9})}, {"_8": californian(sensitive={3})}])
def test_limiting_any_sensitive_kind_limits_sensitive_data(section):
    assert read_gpp(gpp(**section), SETTINGS).limit_sensitive


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("choice", [1, 2])
def test_any_answer_on_a_known_child_says_that_there_is_one(place, choice):
    children = tuple(choice if each == place else 0 for each in range(3))
    assert read_gpp(gpp(_7=national(children=children)), SETTINGS).known_child is True
    if place < 2:
        assert read_gpp(gpp(_8=californian(children=children[:2])), SETTINGS).known_child is True


def test_both_versions_of_the_national_section_are_read():
    old = national(version=1, sale=1, children=(0, 2), sensitive={12})
    reading = read_gpp(gpp(_7=old), SETTINGS)
    assert said(reading) == {SHARING: OBJECTED}
    assert reading.known_child is True
    assert reading.limit_sensitive


def test_global_privacy_control_is_passed_on_and_answers_nothing():
    assert read_gpp(gpp(_7=national(gpc=1)), SETTINGS).gpc
    assert read_gpp(gpp(_7=national(gpc=1)), SETTINGS).answers == ()
    assert not read_gpp(gpp(_7=national(gpc=0)), SETTINGS).gpc


@pytest.mark.parametrize(
    ("text", "status"), [("1YYN", OBJECTED), ("1yyy", OBJECTED), ("1YNN", NOT_OBJECTED), ("1---", None)]
)
def test_the_us_privacy_text_speaks_of_sale(text, status):
    assert said(read_gpp(gpp(_6=text), SETTINGS)).get(SHARING) is status


def test_the_european_section_is_a_tc_string():
    string = Tc(publisher=publisher({1, 3, 4}))
    reading = read_gpp(gpp(_2=string.write()), SETTINGS)
    assert grants(reading) == {STORAGE, OFFERS}
    assert reading.at_ms == string.updated_ds * 100


def test_beside_an_american_section_the_time_belongs_to_the_european_answers_alone():
    string = Tc(publisher=publisher({1, 3, 4}))
    reading = read_gpp(gpp(_2=string.write(), _7=national(sale=1, targeted=1)), SETTINGS)
    assert said(reading)[STORAGE] is GIVEN
    assert said(reading)[OFFERS] is OBJECTED
    assert reading.at_ms is None
    times = {answer.purpose: answer.at_ms for answer in reading.answers}
    assert times[STORAGE] == string.updated_ds * 100
    assert times[OFFERS] is times[SHARING] is None


def test_other_sections_are_named_and_not_read():
    reading = read_gpp(gpp(_9="anything", _23="else"), SETTINGS)
    assert reading.answers == ()
    assert reading.notes == ("section 9 is present and not read", "section 23 is present and not read")


def test_a_header_without_sections_says_nothing():
    assert read_gpp(gpp_header(), SETTINGS).answers == ()


def test_120_strings_of_the_official_encoder_are_read_as_they_were_written():
    lines = (CASES / "gpp_official.csv").read_text(encoding="ascii").splitlines()[1:]
    assert len(lines) == 120
    for line in lines:
        string, _, written = line.partition(";")
        check_official(read_gpp(string, SETTINGS), json.loads(written))


def check_official(reading, written):
    sections = [written[name] for name in ("usnat", "usca") if name in written]
    choices = {
        name: [section[name] for section in sections if name in section]
        for name in ("SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut")
    }
    targeted = choices["TargetedAdvertisingOptOut"]
    out_of = choices["SaleOptOut"] + choices["SharingOptOut"] + [choice for choice in targeted if choice == 1]
    assert said(reading).get(SHARING) is opt_out(out_of)
    assert said(reading).get(OFFERS) is opt_out(targeted)
    assert grants(reading) == set()
    closed = set()
    for name, table in (("usnat", NATIONAL_SENSITIVE), ("usca", CALIFORNIA_SENSITIVE)):
        kinds = written.get(name, {}).get("SensitiveDataProcessing", [])
        closed |= {each for at, kind in enumerate(kinds, 1) if kind == 1 for each in table.get(at, ())}
    assert sensitive_refused(reading) == closed
    assert reading.limit_sensitive is any(1 in section["SensitiveDataProcessing"] for section in sections)
    known_child = any(any(section["KnownChildSensitiveDataConsents"]) for section in sections)
    assert reading.known_child is (True if known_child else None)
    assert reading.gpc is any(section.get("Gpc", False) for section in sections)
    assert len(reading.notes) == len(written.get("others", ()))


def opt_out(choices):
    if 1 in choices:
        return OBJECTED
    return NOT_OBJECTED if 2 in choices else None


MALFORMED = {
    "no text": 7,
    "no header": "~1YNN",
    "a header of another type": letters((2, 6), (1, 6), (0, 12)),
    "a header of another version": letters((3, 6), (2, 6), (0, 12)),
    "more sections than named": gpp_header(6) + "~1YNN~1YNN",
    "fewer sections than named": gpp_header(6, 7) + "~1YNN",
    "a group without end": letters((3, 6), (1, 6), (1, 12), (1, 1), fibonacci(6), fibonacci(10**9)) + "~1YNN",
    "an id without end": letters((3, 6), (1, 6), (1, 12), (0, 1), (0, 17)) + "~1YNN",
    "something behind the header": gpp_header(6) + "B~1YNN",
    "a US Privacy text that is too short": gpp(_6="1YN"),
    "a US Privacy text of another version": gpp(_6="2YNN"),
    "a US Privacy text with another letter": gpp(_6="1YXN"),
    "a choice that is none": gpp(_7=national(sale=3)),
    "a national section to come": gpp(_7=national(version=3, children=(0, 0))),
    "a Californian section to come": gpp(_8=californian(version=2)),
    "a section cut short": gpp(_7=national()[:-4]),
    "a section that goes on": gpp(_8=californian() + "AB"),
    "three subsections": gpp(_7=national(gpc=1) + ".YA"),
    "a subsection of another type": gpp(_7=national() + ".gA"),
    "a subsection that goes on": gpp(_7=national() + ".YB"),
    "a TC string of an old policy": gpp(_2=Tc(policy=2).write()),
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_string_is_refused(value):
    with pytest.raises(SignalError):
        read_gpp(value, SETTINGS)
