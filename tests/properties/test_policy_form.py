"""What is shown as a form and sent back untouched is the same rule: a form loses nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.policies import policies
from support.tries import tries

from api.console.policies.controls import NotHeldError, Shop, Typed
from api.console.policies.rule_form import normal, rule_form, typed_rule
from api.errors import PolicyDocumentError
from api.policies.model import read_policy
from api.policies.shipped import shipped_policy
from guardrails.policy.document import rule_to_plain

SHOP = Shop({"request.placement": ("cart", "checkout", "home")})

ODD = st.sampled_from(
    (
        *(
            None,
            True,
            0,
            -1,
            1.5,
            "",
            "x",
            " x ",
            "a\nb",
            "a\r\n",
            "\n",
            "0x1",
            [],
            [None],
            ["a", "a"],
            ["\n"],
        ),
        *({}, {"x": 1}, [[]], "demote(0.5)", "2027-01-01", {"all": []}, {"any": [{}]}),
        {"field": "item.brand", "op": "in", "value": [None, "Acme"]},
        {"field": "item.brand", "op": "=", "value": None},
        {"field": [], "op": {}},
        {"field": "item.tier", "op": "has"},
        {"field": "item.sponsored", "op": "=", "value": 1},
        {"all": [{"field": "candidate.price_step", "op": "<", "value": 0.250001}]},
    )
)


def sent_back(form):
    return Typed.of((name, value.replace("\n", "\r\n")) for name, value in form.sent())


@given(policies())
@tries(60)
def test_every_rule_comes_back_as_it_was(policy):
    for index, rule in enumerate(policy.rules):
        plain = rule_to_plain(rule)
        back = typed_rule(sent_back(rule_form(plain, index, SHOP)))
        assert normal(back) == normal(plain)
        assert meant(back) == meant(plain)


def test_the_rules_that_ship_can_all_be_shown():
    for index, rule in enumerate(shipped_policy().rules):
        plain = rule_to_plain(rule)
        assert normal(typed_rule(sent_back(rule_form(plain, index, SHOP)))) == normal(plain)


@given(st.sampled_from(shipped_policy().rules), st.data())
@tries(120)
def test_what_a_form_cannot_show_is_not_shown_rather_than_lost(rule, data):
    plain = rule_to_plain(rule)
    name = data.draw(st.sampled_from([*plain, "obligations", "mode", "effective_from", "unheard_of"]))
    plain[name] = data.draw(ODD)
    try:
        form = rule_form(plain, 0, SHOP)
    except NotHeldError:
        return
    back = typed_rule(sent_back(form))
    assert normal(back) == normal(plain)
    assert meant(plain) in (
        None,
        meant(back),
    )  # what is wrong for being empty may be mended by leaving it out


def meant(plain):
    """What a rule means; nothing for one that is wrong."""
    try:
        return read_policy({"policy": "house", "rules": [plain]})
    except PolicyDocumentError:
        return None
