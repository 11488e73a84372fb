"""Promises of the signal decoders: read back what was written, and grant nothing out of noise."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.signals import (
    ALPHABET,
    Tc,
    bit_field,
    expected_of,
    fibonacci,
    gpp_header,
    grants,
    letters,
    number_at,
    publisher,
    purposes_said,
    said,
)

from guardrails.consent.events import Status
from guardrails.consent.purposes import Purpose, entry_of
from guardrails.consent.signals.bits import Bits
from guardrails.consent.signals.reading import PURPOSE_KEYS, Reading, SignalSettings
from guardrails.consent.signals.registry import SIGNALS, read_signal
from guardrails.errors import SignalError

PLAIN = SignalSettings()
GENEROUS = SignalSettings(
    profiling_declaration="declaration-1",
    known_requests={"q1": "personalize.content.profiling", "q2": "sensitive.health"},
    ketch_purposes={"mine": "personalize.content.profiled"},
)

purposes = st.frozensets(st.integers(1, 24))


@st.composite
def vendor_lists(draw) -> tuple[tuple[int, int], ...]:
    """A list of vendors, bit by bit or in ranges."""
    last = draw(st.integers(1, 60))
    if draw(st.booleans()):
        return ((last, 16), (0, 1), bit_field(draw(st.frozensets(st.integers(1, last))), last))
    pairs = draw(st.lists(st.tuples(st.integers(1, last), st.integers(1, last)).map(sorted), max_size=4))
    fields = [(last, 16), (1, 1), (len(pairs), 12)]
    for first, end in pairs:
        fields += [(0, 1), (first, 16)] if first == end else [(1, 1), (first, 16), (end, 16)]
    return tuple(fields)


@st.composite
def strings(draw) -> Tc:
    """A valid TC string with a publisher segment."""
    written = publisher(draw(purposes), draw(purposes), draw(st.integers(0, 63)))
    disclosed = draw(st.none() | vendor_lists().map(lambda fields: letters((1, 3), *fields)))
    return Tc(
        updated_ds=draw(st.integers(0, 2**36 - 1)),
        policy=draw(st.sampled_from((4, 5))),
        core_consent=draw(purposes),
        vendors=draw(vendor_lists()),
        interests=draw(vendor_lists()),
        disclosed=disclosed,
        publisher=written,
    )


def mutated(text: str, edits: list[tuple[int, str, int]]) -> str:
    """Replace, insert and remove letters at places counted round the text."""
    for place, letter, n_removed in edits:
        at = place % (len(text) + 1)
        text = text[:at] + letter + text[at + n_removed :]
    return text


edit = st.tuples(
    st.integers(0, 10_000),
    st.text(ALPHABET + ".~", max_size=1),
    st.integers(0, 2),
)
edits = st.lists(edit, min_size=1, max_size=4)


def read_or_refuse(kind: str, value: object, settings: SignalSettings = PLAIN) -> Reading | None:
    try:
        return read_signal(kind, value, settings=settings)
    except SignalError:
        return None


@given(strings())
def test_a_tc_string_is_read_as_it_was_written(string):
    reading = read_signal("tcf", string.write(), settings=PLAIN)
    consent, interest = purposes_said(string.write())
    assert said(reading) == expected_of(consent, interest)
    assert reading.at_ms == string.updated_ds * 100
    assert reading.version == ("2.2" if string.disclosed is None else "2.3")


@given(strings(), edits)
def test_a_changed_tc_string_is_refused_or_says_what_a_second_reader_reads(string, changes):
    text = mutated(string.write(), changes)
    reading = read_or_refuse("tcf", text)
    if reading is None:
        return
    spoken = purposes_said(text)
    assert said(reading) == ({} if spoken is None else expected_of(*spoken))
    core = text.split(".", maxsplit=1)[0]
    assert number_at(core, 132, 6) in (4, 5)
    assert number_at(core, 138, 1) == 1


@given(strings(), st.integers(0, 10_000))
def test_a_tc_string_cut_short_loses_nothing_but_padding_or_whole_segments(string, place):
    text = string.write()
    cut = text[: place % len(text)]
    reading = read_or_refuse("tcf", cut)
    if reading is None or grants(reading) == set():
        return
    segments = zip(cut.split("."), text.split("."), strict=False)
    assert all(set(whole[len(part) :]) <= {"A"} for part, whole in segments)


@given(strings(), st.sampled_from((0, 1, 3, 6, 63)), st.sampled_from((0, 1, 2, 3, 6, 63)))
def test_another_version_or_policy_is_never_read(string, version, policy):
    assert read_or_refuse("tcf", replace(string, version=version).write()) is None
    assert read_or_refuse("tcf", replace(string, policy=policy).write()) is None
    assert read_or_refuse("tcf", replace(string, specific=0).write()) is None


@given(st.integers(1, 10**12), st.integers(0, 5))
def test_fibonacci_numbers_are_read_as_they_were_written(number, n_padding):
    bits = Bits(letters(fibonacci(number), (0, 6 * n_padding + 1)))
    assert bits.fibonacci() == number
    bits.finish()


choices = st.integers(0, 2)


@given(st.lists(choices, min_size=28, max_size=28), st.none() | st.booleans(), edits)
def test_an_american_section_never_grants_however_it_is_changed(two_bits, gpc, changes):
    core = letters((2, 6), *[(choice, 2) for choice in two_bits], (1, 2), (0, 4))
    control = "" if gpc is None else "." + letters((1, 2), (int(gpc), 1))
    text = f"{gpp_header(7)}~{core}{control}"
    reading = read_signal("gpp", text, settings=PLAIN)
    assert grants(reading) == set()
    assert reading.gpc is bool(gpc)
    assert reading.limit_sensitive is (1 in two_bits[9:25])
    changed = read_or_refuse("gpp", mutated(text, changes))
    assert changed is None or grants(changed) == set()


words = st.sampled_from(
    [
        "granted",
        "denied",
        "yes",
        "no",
        "y",
        "n",
        "dy",
        "u",
        "p",
        "LI",
        "consent_optin",
        "consent_optout",
        "other",
        "mine",
        "email",
        "2024-01-01T00:00:00Z",
    ]
)
names = st.sampled_from(
    [
        *("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage", "functionality_storage"),
        *(
            "personalization_storage",
            "security_storage",
            "analytics",
            "marketing",
            "preferences",
            "saleOfData",
        ),
        *("consents", "collect", "share", "personalize", "content", "val", "time", "metadata", "idSpecific"),
        *(
            "any",
            "email",
            "push",
            "preferred",
            "purposes",
            "legalBasis",
            "collectedAt",
            "mine",
            "advertising",
        ),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**40) | st.floats() | words | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
header_words = st.sampled_from(
    ["consent=", "withdraw=", "object=", "q1", "q2", "*", '"', " ", ",", "direct-marketing"]
)
texts = (
    st.text(max_size=60)
    | st.text(ALPHABET + ".~", max_size=200)
    | st.lists(header_words, max_size=12).map("".join)
    | strings().map(Tc.write)
)


@given(st.sampled_from(sorted(SIGNALS)), json_values | texts, st.sampled_from((PLAIN, GENEROUS)))
def test_whatever_arrives_is_refused_or_keeps_every_promise(kind, value, settings):
    reading = read_or_refuse(kind, value, settings)
    if reading is None:
        return
    places = [PURPOSE_KEYS.index(answer.purpose) for answer in reading.answers]
    assert places == sorted(set(places))
    for answer in reading.answers:
        governing = entry_of(answer.purpose).purpose
        assert not (answer.grants and governing in (Purpose.SENSITIVE, Purpose.ESSENTIAL_SERVICE))
        assert answer.channels is None or (answer.grants and answer.channels)
        assert answer.status is not Status.RENEWED_CONSENT_GIVEN


@given(
    st.dictionaries(
        st.sampled_from(["ad_storage", "ad_user_data", "ad_personalization", "personalization_storage"]),
        st.sampled_from(["granted", "denied"]),
    )
)
def test_refusing_one_more_toggle_never_opens_anything(toggles):
    before = grants(read_signal("consent_mode", toggles, settings=GENEROUS))
    for name in toggles:
        after = read_signal("consent_mode", toggles | {name: "denied"}, settings=GENEROUS)
        assert grants(after) <= before
