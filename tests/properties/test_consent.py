"""Promises of the consent ledger and the check, for any history of events."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from engine.interactions import DAY_MS
from engine.vocabulary import Channel, word
from guardrails.consent.ages import AgeBand
from guardrails.consent.check import Question, check
from guardrails.consent.events import REFUSALS, RESTRICTIONS, WHOLE_SUBJECT
from guardrails.consent.ledger import ConsentEvent, Status, project, replay, validate, with_defaults
from guardrails.consent.merge import confirmed_here, most_protective
from guardrails.consent.permission import Denial, LawfulBasis
from guardrails.consent.purposes import entry_of
from guardrails.consent.settings import ConsentSettings

# Few values each, so that events collide: same purpose, same millisecond, same limits.
PURPOSES = (
    "functional.storage",
    "personalize.content.limited",
    "personalize.content.profiling",
    "personalize.content.profiled",
    "marketing.advertising.first_party.targeted",
    "marketing.communications.email",
    "sensitive.health",
    "third_party_sharing",
)
GRANTING = (Status.CONSENT_GIVEN, Status.RENEWED_CONSENT_GIVEN)
CATEGORIES = ("user.behavior.purchase_history", "user.behavior.browsing_history")
CHANNELS = (Channel.WEB, Channel.EMAIL, Channel.OFFSITE_ADS)
TIMES = st.integers(0, 12).map(lambda step: step * 100 * DAY_MS)
ENDS = st.sampled_from([None, 1, 50 * DAY_MS, 395 * DAY_MS, 4_000 * DAY_MS])

settings_of_any_shop = st.builds(
    ConsentSettings,
    valid_for_days=st.sampled_from([1, 180, 365]),
    max_valid_for_days=st.just(395),
    gpc_scope=st.sampled_from(["spec", "spec_plus", "strict"]),
    gpc_override_allowed=st.booleans(),
    jurisdiction=st.sampled_from([None, "DK", "US-CA"]),
    outdated=st.sampled_from([{}, {"n": {"1": 500 * DAY_MS}}]),
)


@st.composite
def events(draw, purposes=PURPOSES, statuses=tuple(Status)):
    """Draw any event, valid or not: the check must hold for whatever a ledger may contain."""
    at_ms, lasts_ms = draw(TIMES), draw(ENDS)
    status = draw(st.sampled_from(statuses))
    return ConsentEvent(
        record_id=draw(st.sampled_from(["a", "b", "c"])),
        purpose=WHOLE_SUBJECT if status in RESTRICTIONS else draw(st.sampled_from(purposes)),
        status=status,
        at_ms=at_ms,
        valid_until_ms=None if lasts_ms is None else at_ms + lasts_ms,
        channels=draw(st.none() | st.frozensets(st.sampled_from(CHANNELS), max_size=2)),
        data_categories=draw(st.none() | st.frozensets(st.sampled_from(CATEGORIES), max_size=2)),
        notice_id=draw(st.sampled_from([None, "n"])),
        notice_version=draw(st.sampled_from([None, "", "1", "2"])),
        method="toggle",
        actor=draw(st.sampled_from(["data_subject", "parent", "controller", "import:tcf", "signal:adpc"])),
        explicit=draw(st.booleans()),
        confirmed_override=draw(st.booleans()),
        item_categories=frozenset({"Food"}) if status is Status.SOFT_OPT_IN else None,
    )


@st.composite
def questions(draw, purposes=(*PURPOSES, "essential.service")):
    return Question(
        purpose=draw(st.sampled_from(purposes)),
        at_ms=draw(TIMES) + draw(st.sampled_from([0, 1, 50 * DAY_MS])),
        channel=draw(st.none() | st.sampled_from(CHANNELS)),
        data_category=draw(st.none() | st.sampled_from(CATEGORIES)),
        gpc=draw(st.booleans()),
        minor=draw(st.booleans()),
        age_band=draw(st.none() | st.sampled_from(AgeBand)),
        out_of_context=draw(st.booleans()),
    )


def grants_it(event, question, settings):
    """Say whether this one event is a specific grant that stands; the promise in its plainest form."""
    lasts_days = settings.valid_for_days if event.valid_until_ms is None else settings.max_valid_for_days
    end_ms = event.at_ms + lasts_days * DAY_MS
    if event.valid_until_ms is not None:
        end_ms = min(end_ms, event.valid_until_ms)
    outdated_ms = settings.outdated.get(event.notice_id, {}).get(event.notice_version)
    channels = {Channel.EMAIL} if event.purpose.endswith(f".{word(Channel.EMAIL)}") else event.channels
    return (
        event.status in GRANTING
        and event.purpose == question.purpose
        and event.at_ms <= question.at_ms < end_ms
        and (outdated_ms is None or question.at_ms < outdated_ms)
        and (question.channel is None or channels is None or question.channel in channels)
        and (
            question.data_category is None
            or event.data_categories is None
            or question.data_category in event.data_categories
        )
        and (event.explicit or not event.purpose.startswith("sensitive."))
    )


@given(st.lists(events(), max_size=8), st.data())
def test_the_order_in_which_events_arrive_does_not_matter(history, data):
    shuffled = data.draw(st.permutations(history))
    assert replay(shuffled) == replay(history)


@given(
    st.lists(events(purposes=PURPOSES[:1], statuses=GRANTING[:1]), min_size=2, max_size=3),
    st.sampled_from([(), ("channels",), ("notice_version",), ("record_id",), ("explicit", "record_id")]),
)
def test_the_order_does_not_matter_between_events_that_hardly_differ(rivals, differing):
    first = rivals[0]
    rivals = [replace(first, **{name: getattr(rival, name) for name in differing}) for rival in rivals]
    assert replay(reversed(rivals)) == replay(rivals)


@given(st.lists(events(purposes=PURPOSES[:1]), min_size=1, max_size=8), st.data())
def test_an_event_that_arrives_twice_changes_nothing(history, data):
    again = data.draw(st.sampled_from(history))
    ledger = replay(history)
    assert project(ledger.get(again.purpose), again) == ledger.get(again.purpose)


@given(st.lists(events(), max_size=10), questions(), settings_of_any_shop)
def test_what_rests_on_consent_is_permitted_only_by_a_specific_grant_that_stands(history, question, settings):
    answer = check(replay(history), question, settings)
    rests_on_consent = answer.basis in {LawfulBasis.CONSENT, LawfulBasis.EXPLICIT_CONSENT}
    assert not rests_on_consent or any(grants_it(event, question, settings) for event in history)


@given(
    st.lists(events(purposes=PURPOSES[3:4], statuses=(*GRANTING, Status.CONSENT_REQUESTED)), max_size=4),
    questions(purposes=PURPOSES[3:4]),
    settings_of_any_shop,
)
def test_among_grants_alone_only_one_that_stands_permits(history, question, settings):
    if check(replay(history), question, settings):
        assert any(grants_it(event, question, settings) for event in history)


@given(events(statuses=GRANTING), questions(), settings_of_any_shop)
def test_one_grant_and_nothing_against_it_permits_exactly_what_it_covers(grant, question, settings):
    question = replace(question, purpose=grant.purpose, gpc=False, minor=False)
    assume(not entry_of(grant.purpose).on_by_default)
    assert check(replay([grant]), question, settings).permitted is grants_it(grant, question, settings)


@given(
    st.lists(events(), max_size=6),
    events(statuses=(Status.CONSENT_WITHDRAWN, Status.CONSENT_REFUSED, Status.OBJECTION_RAISED)),
    questions(),
    settings_of_any_shop,
)
def test_a_withdrawal_that_no_newer_event_follows_always_denies(history, withdrawal, question, settings):
    newest_ms = max((event.at_ms for event in history), default=0)
    withdrawal = replace(withdrawal, at_ms=newest_ms)
    question = replace(question, purpose=withdrawal.purpose)
    answer = check(replay([*history, withdrawal]), question, settings)
    assert not answer
    assert answer.because not in {Denial.PENDING, Denial.REQUESTED, Denial.EXPIRED}


@given(st.lists(events(), max_size=8), questions(), settings_of_any_shop)
def test_the_privacy_signal_never_permits_more(history, question, settings):
    ledger = replay(history)
    with_signal = check(ledger, replace(question, gpc=True), settings)
    without = check(ledger, replace(question, gpc=False), settings)
    assert without.permitted or not with_signal.permitted


@given(st.lists(events(), max_size=8), questions(), settings_of_any_shop)
def test_being_a_minor_never_permits_more(history, question, settings):
    ledger = replay(history)
    as_minor = check(ledger, replace(question, minor=True), settings)
    assert check(ledger, replace(question, minor=False), settings).permitted or not as_minor.permitted


@given(st.lists(events(), max_size=8), questions(), settings_of_any_shop)
def test_a_restriction_leaves_the_essential_service_and_nothing_else(history, question, settings):
    newest_ms = max((event.at_ms for event in history), default=0)
    restriction = ConsentEvent(
        "r", WHOLE_SUBJECT, Status.RESTRICTED, newest_ms, *[None] * 5, "api", "data_subject", *[False] * 2
    )
    answer = check(replay([*history, restriction]), question, settings)
    assert answer.permitted is (question.purpose == "essential.service")


@given(st.integers(0, 10**12), st.none() | st.integers(1, 500 * DAY_MS), settings_of_any_shop)
def test_consent_ends_at_its_millisecond(at_ms, lasts_ms, settings):
    end_ms = None if lasts_ms is None else at_ms + lasts_ms
    event = ConsentEvent(
        "r",
        PURPOSES[3],
        Status.CONSENT_GIVEN,
        at_ms,
        end_ms,
        *[None] * 4,
        "api",
        "data_subject",
        *[False] * 2,
    )
    grant = with_defaults(event, settings)
    validate(grant)
    ledger = replay([grant])
    last = check(ledger, Question(PURPOSES[3], grant.valid_until_ms - 1), settings)
    after = check(ledger, Question(PURPOSES[3], grant.valid_until_ms), settings)
    assert last.permitted
    assert last.expires_at_ms == grant.valid_until_ms
    assert after.because is Denial.EXPIRED


@given(st.lists(events(), max_size=8), questions(), settings_of_any_shop)
def test_a_reason_is_given_exactly_when_denied(history, question, settings):
    answer = check(replay(history), question, settings)
    assert (answer.because is None) is answer.permitted
    assert (answer.basis is LawfulBasis.NONE) is not answer.permitted


histories = st.lists(events(), max_size=6)


@given(histories, histories, histories, questions(), settings_of_any_shop)
def test_a_device_and_a_visit_never_permit_an_account_more(account, device, visit, question, settings):
    alone = check(replay(account), question, settings)
    merged = most_protective(replay(account), replay(device), replay(visit))
    together = check(merged, question, settings)
    assert alone.permitted or not together.permitted
    if together.basis in {LawfulBasis.CONSENT, LawfulBasis.EXPLICIT_CONSENT}:
        assert any(grants_it(event, question, settings) for event in account)


@given(histories, histories, events(statuses=sorted(REFUSALS)), questions(), settings_of_any_shop)
def test_a_refusal_on_the_device_holds_for_whoever_uses_it(account, device, refusal, question, settings):
    newest_ms = max((event.at_ms for event in device), default=0)
    refused = replay([*device, replace(refusal, at_ms=newest_ms)])
    question = replace(question, purpose=refusal.purpose)
    assert not check(most_protective(replay(account), refused), question, settings)


class Shop(RuleBasedStateMachine):
    """Signals, imports, logins and merges in any order: nothing is permitted that nobody agreed to.

    What is written to the ledgers here is written as the edge writes it: the account's own choices,
    imports under the actor that they came from, and what confirming on a device changes there.
    """

    def __init__(self):
        super().__init__()
        self.account, self.device, self.visit = [], [], []
        self.logged_in = False
        self.n_confirmed = 0

    @rule(event=events())
    def choose(self, event):
        event = replace(event, actor="data_subject")
        if not self.logged_in:
            self.device.append(event)
            return
        self.account.append(event)
        self.n_confirmed += 1
        self.device += confirmed_here(replay(self.device), [event], [f"confirmed-{self.n_confirmed}"])

    @rule(event=events(), to=st.sampled_from(["account", "device", "visit"]))
    def receive_a_signal_or_an_import(self, event, to):
        getattr(self, to).append(replace(event, actor="import:tcf"))

    @rule()
    def log_in_or_out(self):
        self.logged_in = not self.logged_in

    @rule(question=questions(), settings=settings_of_any_shop)
    def ask(self, question, settings):
        first, *beside = (
            [self.account, self.device, self.visit] if self.logged_in else [self.device, self.visit]
        )
        answer = check(most_protective(replay(first), *map(replay, beside)), question, settings)
        if answer.basis in {LawfulBasis.CONSENT, LawfulBasis.EXPLICIT_CONSENT}:
            assert any(grants_it(event, question, settings) for event in first)
        elif answer.basis is LawfulBasis.SOFT_OPT_IN:
            assert any(event.status is Status.SOFT_OPT_IN for event in first)
        elif answer:
            assert settings.in_force(entry_of(question.purpose)).on_by_default


TestShop = Shop.TestCase
