"""The demo's spread of consents: the same everywhere, as documented, and what the ledger says of it."""

import pytest

from api.demo.households import (
    ASKABLE_CLASSES,
    SHARES,
    Story,
    classes_agreed_to,
    consent_records,
    profiling_span,
    story_of,
)
from api.imports.consents import read_consent
from api.imports.fields import TimeLimits
from engine.interactions import DAY_MS
from engine.vocabulary import Channel
from guardrails.consent.check import Question, check
from guardrails.consent.ledger import replay
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.consent.settings import ConsentSettings

NOW_MS = 20_000 * DAY_MS
SETTINGS = ConsentSettings()
PROFILING = KEY_OF[Purpose.PROFILING]
HOUSEHOLDS = range(1, 2501)
EXPECTED = {
    1: Story.NEVER_ASKED,
    2: Story.EXPIRED,
    3: Story.NEVER_ASKED,
    718: Story.ON_SITE_ONLY,
    2469: Story.WITHDRAWN,
}


def household_of(story):
    return next(each for each in HOUSEHOLDS if story_of(each) is story)


def events_of(household, classes=frozenset()):
    """The household's events as the import reads them."""
    limits = TimeLimits.around(NOW_MS, 300)
    return [
        read_consent({**record, "record_id": str(number)}, b"subject", limits, SETTINGS)
        for number, record in enumerate(consent_records(household, classes, NOW_MS))
    ]


def permits(ledger, purpose, at_ms=NOW_MS, channel=Channel.WEB):
    return bool(check(ledger, Question(purpose, at_ms, channel), SETTINGS))


def test_the_shares_are_the_documented_ones():
    counts = dict.fromkeys(Story, 0)
    for household in HOUSEHOLDS:
        counts[story_of(household)] += 1
    assert sum(SHARES.values()) == 100
    for story, share in SHARES.items():
        assert counts[story] / len(HOUSEHOLDS) == pytest.approx(share / 100, abs=0.02)


def test_a_household_has_the_same_story_on_every_machine():
    assert {household: story_of(household) for household in (1, 2, 3, 718, 2469)} == EXPECTED


@pytest.mark.parametrize(
    ("story", "permitted"),
    [
        (Story.EVERYTHING, {1, 3, 4, 5}),
        (Story.ON_SITE_ONLY, {1, 3, 4}),
        (Story.NEVER_ASKED, set()),
        (Story.WITHDRAWN, set()),
        (Story.EXPIRED, set()),
    ],
)
def test_the_ledger_permits_what_the_story_says(story, permitted):
    ledger = replay(events_of(household_of(story)))
    asked = (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.TARGETED_OFFERS)
    assert {int(each) for each in asked if permits(ledger, KEY_OF[each])} == permitted


@pytest.mark.parametrize(("story", "reached"), [(Story.EVERYTHING, True), (Story.ON_SITE_ONLY, False)])
def test_only_who_agreed_to_everything_may_be_written_to(story, reached):
    ledger = replay(events_of(household_of(story)))
    assert permits(ledger, "marketing.communications.email", channel=Channel.EMAIL) is reached


@pytest.mark.parametrize("story", list(Story))
@pytest.mark.parametrize("days_ago", [0, 1, 6, 8, 30, 60, 62, 180, 300, 371])
def test_purchases_are_kept_for_the_profile_while_a_consent_stood_that_was_not_taken_back(story, days_ago):
    household, at_ms = household_of(story), NOW_MS - days_ago * DAY_MS
    span = profiling_span(story, NOW_MS, SETTINGS)
    known_by_then = replay(event for event in events_of(household) if event.at_ms <= at_ms)
    stood = permits(known_by_then, PROFILING, at_ms, Channel.IN_STORE)
    kept = stood and story is not Story.WITHDRAWN
    assert (span is not None and span.from_ms <= at_ms < span.until_ms) is kept


def test_few_of_the_buyers_of_a_class_have_agreed_to_it_and_expressly():
    bought = frozenset(ASKABLE_CLASSES)
    agreed = [each for each in HOUSEHOLDS if classes_agreed_to(each, bought)]
    assert 0.2 < len(agreed) / len(HOUSEHOLDS) < 0.35
    household = next(each for each in agreed if story_of(each) is Story.EVERYTHING)
    ledger = replay(events_of(household, bought))
    for name in ASKABLE_CLASSES:
        assert permits(ledger, sensitive_key(name)) is (name in classes_agreed_to(household, bought))


def test_nobody_agrees_to_a_class_they_never_bought():
    assert not any(classes_agreed_to(household, frozenset()) for household in HOUSEHOLDS)
