"""A rule is read out so that nobody needs to know the language that policies are written in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from support.policies import policies
from support.tries import tries

from guardrails.messages import LANGUAGES, Beginning, in_language, translations
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import All, AnyOf, Atom, HouseRule, Mode, Obligation, Op, RuleEffect
from guardrails.policy.sentences import (
    condition_in_words,
    operator_in_words,
    sentences_of_rule,
    word_in_words,
)

RULE = HouseRule(
    id="one",
    title="One",
    when=None,
    applies_to=(),
    effect=RuleEffect.BLOCK,
    share_micro=1_000_000,
    obligations=(),
    mode=Mode.ENFORCE,
    rationale="because",
    owner="privacy",
    review_by=date(2027, 6, 1),
    assumes=(),
    customer_sentence="We hold this back.",
)


@pytest.mark.parametrize(
    ("atom", "said"),
    [
        (Atom("item.sponsored", Op.EQUAL, value=True), "somebody pays for its being suggested"),
        (
            Atom("item.sponsored", Op.EQUAL, value=False),
            "it is not so that somebody pays for its being suggested",
        ),
        (Atom("item.sponsored", Op.UNEQUAL, value=False), "somebody pays for its being suggested"),
        (
            Atom("item.sponsored", Op.IN, (False, True)),
            "“somebody pays for its being suggested” is one of no or yes",
        ),
        (Atom("item.price_minor", Op.HAS, value=True), "“price” is known"),
        (Atom("item.price_minor", Op.HAS, value=False), "“price” is not known"),
        (Atom("item.price_minor", Op.MORE, 500), "“price” is more than 500 minor units"),
        (Atom("item.brand", Op.EQUAL, None), "“brand” is nothing"),
        (Atom("item.brand", Op.NOT_IN, ("Acme", "Globex")), "“brand” is none of `Acme` or `Globex`"),
        (
            Atom("request.local_minute", Op.AT_LEAST, 1290),
            "“minute of the day where the customer is” is at least 21:30 o'clock",
        ),
        (
            Atom("request.date", Op.LESS, 20_000),
            "“day of the request, in the time zone of the policy” is less than 2024-10-04",
        ),
        (
            Atom("candidate.price_step", Op.AT_MOST, 255_000),
            "“how much dearer it is than what it is held against, as a share” is at most 25.5 %",
        ),
        (Atom("request.channel", Op.EQUAL, "email"), "“channel through which they are shown” is e-mail"),
    ],
)
def test_a_condition_is_said_in_words(atom, said):
    assert condition_in_words(atom) == said


def test_long_lists_are_cut_short_and_say_so():
    many = tuple(f"brand-{n:02}" for n in range(20))
    said = condition_in_words(Atom("item.brand", Op.IN, many))
    assert said.endswith("`brand-11` or 8 others")


def test_groups_within_groups_stand_in_brackets():
    late, paid = Atom("customer.open_delivery_delay", Op.EQUAL, True), Atom("item.sponsored", Op.EQUAL, True)
    said = condition_in_words(All((late, AnyOf((paid, late)))))
    assert said == (
        "something that was ordered is late and "
        "(somebody pays for its being suggested or something that was ordered is late)"
    )


def test_what_is_asked_anyway_need_not_be_known_in_words_as_well():
    has, more = Atom("item.price_minor", Op.HAS, True), Atom("item.price_minor", Op.MORE, 500)
    assert condition_in_words(All((has, more))) == condition_in_words(more)
    assert condition_in_words(All((has,))) == "“price” is known"
    assert condition_in_words(AnyOf((has, more))).startswith("“price” is known or")


def test_a_rule_says_what_it_does_to_which_suggestions_when_and_until_when():
    rule = replace(
        RULE,
        when=Atom("customer.open_delivery_delay", Op.EQUAL, True),
        applies_to=(
            ("basis", ("session",)),
            ("channel", ("email", "sms")),
            ("intent", ("cross_sell", "upsell")),
            ("placement", ("cart",)),
        ),
        obligations=(Obligation.EXPLAIN,),
        mode=Mode.SHADOW,
        effective_from=date(2027, 1, 1),
        effective_until=date(2027, 2, 1),
    )
    assert sentences_of_rule(rule) == (
        (
            "Holds back suggestions that are cross-sells or upsells at cart through e-mail or text message "
            "resting on this visit."
        ),
        "Only when something that was ordered is late.",
        "The reason has to be shown beside it.",
        "For now it only records what it would do.",
        "It begins on 2027-01-01.",
        "2027-02-01 is its last day.",
        "By 2027-06-01 privacy looks at it again.",
    )


@pytest.mark.parametrize(
    ("effect", "share_micro", "said"),
    [
        (RuleEffect.BLOCK, 1_000_000, "Holds back all suggestions."),
        (RuleEffect.GENERALISE, 1_000_000, "Makes all suggestions less specific."),
        (RuleEffect.DEMOTE, 700_000, "Moves all suggestions down: 70 % of their rank score is left."),
        (RuleEffect.ALLOW, 1_000_000, "Holds nothing back of all suggestions."),
    ],
)
def test_every_effect_is_said(effect, share_micro, said):
    assert sentences_of_rule(replace(RULE, effect=effect, share_micro=share_micro))[:2] == (said, "Always.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_there_is_can_be_said_in_every_language(language):
    @given(policies())
    @tries(20)
    def say_all(policy):
        for rule in policy.rules:
            for sentence in sentences_of_rule(rule):
                said = in_language(sentence, translations()[language])
                assert said
                assert "{" not in said
                assert said == sentence or language != "en"

    say_all()


def test_parts_of_a_sentence_are_said_in_the_language_too():
    said = in_language(condition_in_words(Atom("item.price_minor", Op.MORE, 500)), translations()["da"])
    assert said == "“pris” er mere end 500 mindste enheder"


def test_every_word_of_an_enum_has_one_that_people_say():
    words = {word for field in FIELDS.values() for word in field.values}
    assert all("_" not in word_in_words(word) for word in words)
    assert {operator_in_words(op) for op in Op}


def test_a_beginning_ends_where_the_text_has_a_semicolon():
    assert Beginning("price; absent when not known") == "price"
    assert ";" not in in_language(Beginning("price; absent when not known"), translations()["da"])
