"""Whatever is changed in a policy, its text says it afterwards, and what was to stay stays to the letter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.policies import policies
from support.tries import tries

from api.policies.editing import comments_in, revised
from api.policies.text import Form, read_text, write_yaml
from guardrails.policy.document import to_plain

TEXT = """# ours
policy: house
limits:
  G17.upsell_hard: 0.3  # agreed upon

rules:
  # the first
  - id: one
    title: "# not a comment"
    rationale: |
      # nor this

      indeed
    effect: block  # within
  # the second
  - {id: two, effect: allow}

# at the end
time_zone: UTC
"""


def said(text):
    return read_text(text.encode(), Form.YAML).plain


@st.composite
def commented(draw):
    """Return the text of a policy with comments between its lines, and how many."""
    lines = write_yaml(draw(policies())).splitlines()
    tops = [at for at, line in enumerate(lines) if line[:1].isalpha() or line.startswith("- ")]
    places = draw(st.sets(st.sampled_from(tops)))
    told = [f"# note {at}\n{line}" if at in places else line for at, line in enumerate(lines)]
    return "\n".join(told) + draw(st.sampled_from(("", "\n", "\n# end\n")))


@given(commented(), policies())
@tries(40)
def test_a_revised_text_says_what_it_is_to_say(text, policy):
    plain = to_plain(policy)
    assert said(revised(text, plain)) == plain


@given(commented())
@tries(40)
def test_a_text_that_says_it_already_stays_as_it_is(text):
    assert revised(text, said(text)) == text


@given(commented(), st.data())
@tries(40)
def test_a_change_of_one_rule_loses_no_comment(text, data):
    plain = said(text)
    if plain.get("rules"):
        at = data.draw(st.integers(0, len(plain["rules"]) - 1))
        plain["rules"][at]["title"] = "something else: # entirely"
    plain["time_zone"] = "Europe/Copenhagen"
    after = revised(text, plain)
    assert said(after) == plain
    assert sorted(comments_in(after)) == sorted(comments_in(text))


def test_only_comments_count_as_such():
    assert comments_in(TEXT) == (
        *("# ours", "# agreed upon", "# the first", "# within", "# the second", "# at the end"),
    )


def test_what_is_changed_leaves_the_rest_to_the_letter():
    plain = said(TEXT)
    plain["rules"][0]["effect"] = "allow"
    after = revised(TEXT, plain)
    first, second = TEXT.index("  # the first"), TEXT.index("  # the second")
    assert after.startswith(TEXT[:first])
    assert after.endswith(TEXT[second:])
    assert "# within" in after


def test_rules_change_places_with_what_is_said_of_them():
    plain = said(TEXT)
    plain["rules"].reverse()
    after = revised(TEXT, plain)
    assert after.index("# the second") < after.index("{id: two") < after.index("# the first")
    assert said(after) == plain


def test_a_rule_goes_with_its_comments():
    plain = said(TEXT)
    del plain["rules"][0]
    assert comments_in(revised(TEXT, plain)) == ("# ours", "# agreed upon", "# the second", "# at the end")


def test_a_text_in_braces_is_written_anew_with_its_comments_above():
    text = "{policy: house,  # why\n rules: []}"
    plain = {"policy": "home", "rules": [{"id": "one"}]}
    after = revised(text, plain)
    assert after.startswith("# why\n")
    assert said(after) == plain


def test_what_would_mislead_in_a_text_is_written_by_its_number():
    plain = said(TEXT) | {"time_zone": "U\u202eTC"}
    after = revised(TEXT, plain)
    assert said(after) == plain
    assert "\u202e" not in after
