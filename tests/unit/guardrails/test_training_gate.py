"""The training gate by example: one reason a test."""

import pytest
from support.shops import NOW_MS, PROFILING, a_catalogue, a_ledger, an_event, did

from engine.interactions import DAY_MS, Interactions
from engine.vocabulary import Channel, Kind
from guardrails.consent.ages import AgeBand
from guardrails.consent.events import Status
from guardrails.consent.purposes import Purpose, sensitive_key
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import EvidenceLimits
from guardrails.training_gate import TrainingCustomer, learnable, may_learn_from

AGREED = TrainingCustomer(a_ledger(PROFILING))


def learned(*rows, customer=AGREED):
    return learnable(
        Interactions.from_rows(list(rows)),
        [customer],
        a_catalogue(),
        EvidenceLimits(),
        ConsentSettings(),
        NOW_MS,
    )


def items_of(result):
    return [a_catalogue().item_ids[idx] for idx in result.interactions.item_idx]


def test_what_was_collected_for_the_profile_is_learned_in_its_order():
    result = learned(did("milk-1"), did("bread-0", Kind.VIEW), did("milk-0"))
    assert items_of(result) == ["milk-1", "bread-0", "milk-0"]
    assert result.kept_out == ()


@pytest.mark.parametrize(
    ("row", "rule_id"),
    [
        (did("milk-0", purpose=Purpose.ESSENTIAL_SERVICE), "G01"),
        (did("milk-0", purpose=Purpose.LIMITED_CONTENT), "G01"),
        (did("test-0"), "G06"),
        (did("milk-0", is_gift=True), "G11"),
        (did("milk-0", age_days=366), "G21"),
        (did("milk-0", Kind.VIEW, age_days=31), "G21"),
    ],
)
def test_what_may_not_be_learned_is_counted_under_its_rule(row, rule_id):
    result = learned(row, did("bread-0"))
    assert items_of(result) == ["bread-0"]
    assert result.kept_out == ((rule_id, 1),)


@pytest.mark.parametrize(
    "customer",
    [
        TrainingCustomer(a_ledger()),
        TrainingCustomer(a_ledger(but=[an_event(PROFILING, Status.CONSENT_WITHDRAWN)])),
        TrainingCustomer(a_ledger(but=[an_event(PROFILING, at_ms=NOW_MS - 366 * DAY_MS)])),
        TrainingCustomer(a_ledger(PROFILING, but=[an_event("*", Status.RESTRICTED)])),
        TrainingCustomer(a_ledger(PROFILING), non_profiled=True),
    ],
    ids=["never asked", "withdrawn", "expired", "restricted", "profiling switched off"],
)
def test_nothing_is_learned_from_a_customer_who_does_not_permit_it_now(customer):
    assert not may_learn_from(customer, NOW_MS, ConsentSettings())
    result = learned(did("milk-0"), customer=customer)
    assert (len(result.interactions), result.kept_out) == (0, (("G01", 1),))


def test_a_grant_that_names_a_channel_teaches_nothing_from_another():
    customer = TrainingCustomer(a_ledger(but=[an_event(PROFILING, channels=frozenset({int(Channel.WEB)}))]))
    result = learned(did("milk-0"), did("bread-0", channel=Channel.IN_STORE), customer=customer)
    assert items_of(result) == ["milk-0"]


def test_a_grant_that_names_purchases_teaches_nothing_from_views():
    named = an_event(PROFILING, data_categories=frozenset({"user.behavior.purchase_history"}))
    result = learned(
        did("milk-0"), did("bread-0", Kind.VIEW), customer=TrainingCustomer(a_ledger(but=[named]))
    )
    assert items_of(result) == ["milk-0"]


def test_a_sensitive_purchase_is_learned_for_thirty_days_once_its_class_was_agreed_to():
    customer = TrainingCustomer(a_ledger(PROFILING, sensitive_key("sexual_health")))
    result = learned(did("test-0", age_days=30), did("test-1", age_days=31), did("beer-0"), customer=customer)
    assert items_of(result) == ["test-0"]
    assert result.kept_out == (("G06", 2),)


def test_a_minor_cannot_agree_to_a_sensitive_class():
    customer = TrainingCustomer(
        a_ledger(PROFILING, sensitive_key("sexual_health")),
        minor=True,
        age_band=AgeBand.SIXTEEN_OR_SEVENTEEN,
    )
    assert items_of(learned(did("test-0"), did("milk-0"), customer=customer)) == ["milk-0"]


@pytest.mark.parametrize(
    ("age_band", "jurisdiction", "learnt"),
    [
        (None, "DK", []),
        (AgeBand.FOURTEEN, "DK", []),
        (AgeBand.FIFTEEN, "DK", ["milk-0"]),
        (AgeBand.FIFTEEN, None, []),
        (AgeBand.THIRTEEN, "SE", ["milk-0"]),
    ],
)
def test_nothing_is_learned_from_a_child_whose_parent_was_not_asked(age_band, jurisdiction, learnt):
    customer = TrainingCustomer(a_ledger(PROFILING), minor=True, age_band=age_band, jurisdiction=jurisdiction)
    assert items_of(learned(did("milk-0"), customer=customer)) == learnt


def test_what_was_withdrawn_teaches_nothing_though_consent_was_given_again():
    again = TrainingCustomer(a_ledger(PROFILING), history_from_ms=NOW_MS - 5 * DAY_MS)
    both = learned(did("milk-0", age_days=6), did("milk-1", age_days=4), customer=again)
    assert items_of(both) == ["milk-1"]
    assert both.kept_out == (("G01", 1),)


@pytest.mark.parametrize(("place", "learnt"), [("DK", ["cream-0"]), ("US-WA", [])])
def test_what_the_law_raises_where_a_customer_lives_needs_consent_to_its_class(place, learnt):
    customer = TrainingCustomer(a_ledger(PROFILING), jurisdiction=place)
    assert items_of(learned(did("cream-0"), customer=customer)) == learnt
    agreed = TrainingCustomer(a_ledger(PROFILING, sensitive_key("weight_body")), jurisdiction=place)
    assert items_of(learned(did("cream-0"), customer=agreed)) == ["cream-0"]


def test_who_limits_sensitive_information_teaches_nothing_sensitive():
    ledger = a_ledger(PROFILING, sensitive_key("sexual_health"))
    limited = TrainingCustomer(ledger, limit_sensitive=True)
    assert items_of(learned(did("test-0"), did("milk-0"), customer=limited)) == ["milk-0"]


def test_returns_and_items_that_are_gone_teach_nothing_and_break_no_rule():
    result = learned(did("milk-0", Kind.RETURN), did("milk-0", Kind.REMOVE_FROM_CART), did(-1), did("milk-1"))
    assert items_of(result) == ["milk-1"]
    assert result.kept_out == ()


def test_who_has_agreed_to_a_class_is_known_whether_they_bought_of_it_or_not():
    classes = a_catalogue().sensitive_classes
    alcohol = sensitive_key("alcohol")
    both = [
        TrainingCustomer(a_ledger(PROFILING, alcohol)),
        TrainingCustomer(a_ledger(PROFILING)),
        TrainingCustomer(a_ledger(alcohol)),  # but to no profile
        TrainingCustomer(a_ledger(PROFILING, alcohol), limit_sensitive=True),
    ]
    found = Interactions.from_rows([did("milk-0")])
    gate = learnable(found, both, a_catalogue(), EvidenceLimits(), ConsentSettings(), NOW_MS)
    assert gate.agreed.shape == (4, len(classes))
    assert gate.agreed[:, classes.index("alcohol")].tolist() == [True, False, False, False]
    assert gate.agreed.sum() == 1
