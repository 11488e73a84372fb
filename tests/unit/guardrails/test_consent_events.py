"""What a consent event must be to enter the ledger."""

from dataclasses import replace

import pytest

from engine.interactions import DAY_MS
from engine.vocabulary import Channel
from guardrails.consent.events import METHODS, WHOLE_SUBJECT, Parent, channel_of
from guardrails.consent.ledger import ConsentEvent, Status, validate, with_defaults
from guardrails.consent.settings import ConsentSettings
from guardrails.errors import ConsentEventError

GRANT = ConsentEvent(
    record_id="r1",
    purpose="personalize.content.profiled",
    status=Status.CONSENT_GIVEN,
    at_ms=1_000,
    valid_until_ms=None,
    channels=None,
    data_categories=None,
    notice_id="privacy",
    notice_version="2026-01",
    method="toggle",
    actor="data_subject",
    explicit=False,
    confirmed_override=False,
)
WITHDRAWAL = replace(GRANT, status=Status.CONSENT_WITHDRAWN)
RESTRICTION = replace(GRANT, status=Status.RESTRICTED, purpose=WHOLE_SUBJECT)
EMAIL = "marketing.communications.email"
MOTHER = Parent("mother", "card", 900)
SOLD = replace(
    GRANT,
    purpose=EMAIL,
    status=Status.SOFT_OPT_IN,
    method="sale",
    actor="controller",
    item_categories=frozenset({"Food"}),
)


@pytest.mark.parametrize(
    "event",
    [
        GRANT,
        WITHDRAWAL,
        RESTRICTION,
        replace(RESTRICTION, status=Status.RESTRICTION_LIFTED, actor="controller"),
        replace(GRANT, valid_until_ms=1_001),
        replace(GRANT, channels=frozenset({Channel.WEB, Channel.APP}), data_categories=frozenset({"cart"})),
        replace(GRANT, purpose=EMAIL, channels=frozenset({Channel.EMAIL})),
        replace(GRANT, purpose=EMAIL),
        replace(GRANT, purpose="sensitive.health", explicit=True),
        replace(WITHDRAWAL, purpose="sensitive.health"),
        replace(GRANT, actor="import:tcf", method="import"),
        replace(GRANT, confirmed_override=True),
        replace(GRANT, notice_id=None, notice_version=None),
        replace(GRANT, actor="parent", parent=MOTHER),
        replace(WITHDRAWAL, actor="parent"),
        SOLD,
    ],
)
def test_an_event_that_makes_sense_is_accepted(event):
    validate(event)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (replace(GRANT, actor="parent"), "a parent who consents is named"),
        (replace(GRANT, parent=MOTHER), "a parent who consents is named"),
        (replace(WITHDRAWAL, actor="parent", parent=MOTHER), "a parent who consents is named"),
        (replace(SOLD, method="api"), "comes from a sale"),
        (replace(SOLD, item_categories=None), "comes from a sale"),
        (replace(GRANT, item_categories=frozenset({"Food"})), "comes from a sale"),
        (replace(WITHDRAWAL, method="sale"), "comes from a sale"),
        (replace(SOLD, purpose="marketing.communications.sms"), "is for e-mail"),
        (replace(SOLD, actor="data_subject"), "is for e-mail"),
        (replace(SOLD, item_categories=frozenset()), "at least one category"),
        (replace(SOLD, item_categories=frozenset({""})), "at least one category"),
        (replace(SOLD, notice_id=None), "the notice that offered"),
        (replace(GRANT, purpose="world.domination"), "unknown purpose `world.domination`"),
        (replace(GRANT, purpose="sensitive."), "unknown purpose `sensitive.`"),
        (replace(GRANT, purpose="essential.service"), "nothing to choose"),
        (replace(WITHDRAWAL, purpose="essential.service"), "nothing to choose"),
        (replace(GRANT, purpose="sensitive.health"), "`sensitive.health` needs explicit consent"),
        (replace(GRANT, purpose=WHOLE_SUBJECT), "`ConsentGiven` needs a purpose of its own"),
        (replace(GRANT, status=Status.RESTRICTED), "`Restricted` covers all purposes"),
        (replace(RESTRICTION, channels=frozenset({1})), "a restriction covers all channels"),
        (replace(RESTRICTION, data_categories=frozenset({"cart"})), "a restriction covers all channels"),
        (replace(GRANT, channels=frozenset()), "names at least one"),
        (replace(GRANT, channels=frozenset({1, 99})), "unknown channel `99`"),
        (replace(GRANT, purpose=EMAIL, channels=frozenset({Channel.SMS})), "consent for `email` alone"),
        (replace(GRANT, data_categories=frozenset()), "names at least one"),
        (replace(GRANT, data_categories=frozenset({""})), "names at least one"),
        (replace(WITHDRAWAL, channels=frozenset({1})), "only a grant can be limited"),
        (replace(WITHDRAWAL, data_categories=frozenset({"cart"})), "only a grant can be limited"),
        (replace(WITHDRAWAL, valid_until_ms=2_000), "only a grant can end"),
        (replace(GRANT, valid_until_ms=1_000), "cannot end before it begins"),
        (replace(GRANT, at_ms=-1), "`-1` is not a time"),
        (replace(GRANT, at_ms=10**17), "is not a time"),
        (replace(GRANT, record_id=""), "record id is empty"),
        (replace(GRANT, method="telepathy"), "unknown method `telepathy`"),
        (replace(GRANT, actor="burglar"), "unknown actor `burglar`"),
        (replace(GRANT, actor="import:"), "unknown actor `import:`"),
        (replace(GRANT, method="reject_all"), "consent cannot be given by `reject_all`"),
        (replace(GRANT, method="system_expiry"), "consent cannot be given by `system_expiry`"),
        (replace(WITHDRAWAL, confirmed_override=True), "only a grant can be confirmed"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused_with_its_reason(event, message):
    with pytest.raises(ConsentEventError, match=message.replace("*", r"\*")):
        validate(event)


def test_no_message_names_the_record():
    with pytest.raises(ConsentEventError) as refusal:
        validate(replace(GRANT, record_id="customer-4711", purpose="nonsense"))
    assert "4711" not in str(refusal.value)


def test_a_privacy_signal_is_never_stored_as_a_refusal():
    assert "gpc" not in METHODS
    with pytest.raises(ConsentEventError, match="unknown actor `signal:gpc`"):
        validate(replace(GRANT, status=Status.CONSENT_REFUSED, actor="signal:gpc"))


def test_a_grant_without_an_end_gets_a_year():
    assert with_defaults(GRANT, ConsentSettings()) == replace(GRANT, valid_until_ms=1_000 + 365 * DAY_MS)


def test_a_grant_keeps_an_end_that_is_near_enough():
    event = replace(GRANT, valid_until_ms=1_000 + 395 * DAY_MS)
    assert with_defaults(event, ConsentSettings()) == event


def test_an_end_beyond_thirteen_months_is_brought_forward():
    event = replace(GRANT, valid_until_ms=1_001 + 395 * DAY_MS)
    assert with_defaults(event, ConsentSettings()).valid_until_ms == 1_000 + 395 * DAY_MS


@pytest.mark.parametrize("event", [WITHDRAWAL, RESTRICTION])
def test_what_is_not_a_grant_gets_no_end(event):
    assert with_defaults(event, ConsentSettings()) == event


@pytest.mark.parametrize(
    ("key", "channel"),
    [
        (EMAIL, Channel.EMAIL),
        ("marketing.communications.post", Channel.POST),
        ("third_party_sharing", None),
    ],
)
def test_an_outbound_key_names_its_channel(key, channel):
    assert channel_of(key) is channel
