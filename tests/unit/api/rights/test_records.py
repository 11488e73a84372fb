"""A record put back into words says what the decision said, candidate by candidate."""

import pytest
from support.shops import (
    EVERYTHING,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    decided,
    did,
    knowing,
    on_page,
    recorded,
    sections_of,
)

from api.rights.records import Shown, asked, shown, withheld
from engine.vocabulary import Intent, Kind, word
from guardrails.policy.limits import FrequencyLimits, Limits, SupportLimits
from guardrails.request import Choices, Mute, MuteScope
from guardrails.rules import CATALOGUE
from guardrails.rules.slate import SLATE_CATALOGUE

KNOWN = knowing(
    history=[did("bread-1"), did("beer-0"), did("test-1", Kind.VIEW), did("lamp-0"), did("wool-0")]
)
NAMES = {rule.id: rule.name for rule in (*CATALOGUE, *SLATE_CATALOGUE)}
MUTED = Choices(
    a_ledger(*EVERYTHING), tuple(Mute(MuteScope.CATEGORY, path, None) for path in ("Food", "Home"))
)
NOTHING_MAY_BE_SHOWN = a_house(Limits(support=SupportLimits(edge=10_000)))

SCENES = {
    "home": (a_request(), None, a_house()),
    "a page with a basket": (
        a_request("product_page", context=on_page("milk-0", "bread-2")),
        None,
        a_house(),
    ),
    "much is muted": (a_request(count=20), MUTED, a_house()),
    "steps down to the popular": (a_request(count=20), None, NOTHING_MAY_BE_SHOWN),
    "the list is full": (
        a_request("product_page", context=on_page("milk-0"), count=12),
        None,
        a_house(Limits(frequency=FrequencyLimits(inline_page=1))),
    ),
    "nobody": (a_request(), Choices(ledger=None), a_house()),
}


@pytest.fixture(params=SCENES.values(), ids=SCENES.keys())
def scene(request):
    asked_for, choices, house = request.param
    decision = decided(asked_for, choices, KNOWN, house)
    return decision, asked_for, sections_of(recorded(decision, asked_for, KNOWN, house))


def test_every_suggestion_is_told_with_its_reason(scene):
    decision, _, sections = scene
    catalogue = a_catalogue()
    told = list(shown(sections))
    assert [each.item_id for each in told] == [
        catalogue.item_ids[each.item_idx] for each in decision.suggestions
    ]
    assert [each.reason for each in told] == [each.reason.text for each in decision.suggestions]
    for each, suggestion in zip(told, decision.suggestions, strict=True):
        assert [term.contribution for term in each.terms] == [
            term.contribution for term in suggestion.reason.evidence
        ]
        named = zip(each.terms, suggestion.reason.evidence, strict=True)
        assert all(
            (term.kind, term.origin) == (word(piece.kind), word(piece.origin))
            and (piece.item_idx is None or term.item_id == catalogue.item_ids[piece.item_idx])
            for term, piece in named
        )


def test_every_withheld_candidate_is_told_with_the_rule_that_decided(scene):
    decision, _, sections = scene
    expected = [
        (
            a_catalogue().item_ids[taken.candidates.item_idx[row]],
            rule_id,
            word(Intent(int(taken.intent[row]))),
        )
        for taken in decision.rounds
        for row, rule_id in taken.slate.held_back
    ]
    told = list(withheld(sections))
    assert [(each.item_id, each.rule, each.intent) for each in told] == expected
    for each in told:
        assert each.rule_name == NAMES[each.rule]
        assert each.sentence


def test_what_a_rule_observed_is_told_with_the_limit(scene):
    decision, _, sections = scene
    of_a_list = {
        (number, refusal.row): (refusal.observed, refusal.limit, "count")
        for number, taken in enumerate(decision.rounds)
        for refusal in taken.slate.refused
    }
    figures = [
        of_a_list[number, row] if (number, row) in of_a_list else figures_of(taken, row, rule_id)
        for number, taken in enumerate(decision.rounds)
        for row, rule_id in taken.slate.held_back
    ]
    assert [(each.observed, each.limit, each.unit) for each in withheld(sections)] == figures


def figures_of(taken, row, rule_id):
    """What a rule about single candidates observed of one that it withheld."""
    rule, judgement = next(
        (rule, judgement)
        for rule, judgement in zip(taken.judged.rules, taken.judged.judgements, strict=True)
        if rule.id == rule_id
    )
    return int(judgement.observed[row]), int(judgement.limit[row]), rule.unit.value


def test_what_was_asked_is_told_with_the_purposes_that_stood(scene):
    decision, request, sections = scene
    told = asked(sections)
    admission = decision.admission
    assert told.at_ms == request.now_ms
    assert told.permitted == tuple(each.purpose for each in admission.permissions if each)
    assert len(told.denied) == sum(not each for each in admission.permissions)
    assert ("history" in told.evidence_used) is admission.may_read_history
    assert told.n_shown == len(decision.suggestions)
    assert told.n_withheld == len(list(withheld(sections)))
    assert told.n_kept_out == sum(n for _, n in decision.kept_out)


def test_the_scenes_hold_what_they_promise():
    rounds = [
        len(decided(asked_for, choices, KNOWN, house).rounds) for asked_for, choices, house in SCENES.values()
    ]
    assert max(rounds) > 1


def test_a_rule_that_is_no_longer_in_the_catalogue_is_told_by_its_code():
    request = a_request(count=20)
    sections = dict(sections_of(recorded(decided(request, MUTED, KNOWN), request, KNOWN)))
    for name in ("out", "rules"):
        sections[name] = sections[name].replace(b'"G12"', b'"G99"')
    gone = [each for each in withheld(sections) if each.rule == "G99"]
    assert gone
    assert {each.sentence for each in gone} == {"the customer asked not to see it"}
    assert {each.unit for each in gone} == {None}


def test_terms_are_what_was_recorded_of_the_sum():
    request = a_request()
    decision = decided(request, None, KNOWN)
    (first, *_) = shown(sections_of(recorded(decision, request, KNOWN)))
    assert isinstance(first, Shown)
    assert first.terms
