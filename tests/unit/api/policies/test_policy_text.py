"""The text of a policy: what is taken, what is refused, and in which line and column."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from api.policies import located
from api.policies.located import DEEPEST, Place, PolicyTextError
from api.policies.text import MOST_BYTES, Form, read_text, write_yaml
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits, ScoreLimits

EXAMPLE = b"""\
# what the shop lays down
policy: house
limits:
  G17.upsell_hard: 0.30   # a share
rules:
  - id: first
    title: "No: really"
    applies_to: {intent: [upsell, cross_sell]}
  - id: second
    title: |
      Two
      lines
"""


def plain_of(text: str) -> object:
    return read_text(text.encode(), Form.YAML).plain


def refused(text: bytes, form: Form = Form.YAML) -> PolicyTextError:
    with pytest.raises(PolicyTextError) as caught:
        read_text(text, form)
    return caught.value


def test_yaml_is_read_into_plain_data():
    assert read_text(EXAMPLE, Form.YAML).plain == {
        "policy": "house",
        "limits": {"G17.upsell_hard": 0.3},
        "rules": [
            {"id": "first", "title": "No: really", "applies_to": {"intent": ["upsell", "cross_sell"]}},
            {"id": "second", "title": "Two\nlines\n"},
        ],
    }


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ("", 2, 1),
        ("/policy", 2, 1),
        ("/limits/G17.upsell_hard", 4, 3),
        ("/rules/0", 6, 5),
        ("/rules/0/applies_to/intent/1", 8, 35),
        ("/rules/1/title", 10, 5),
        ("/rules/1/owner", 9, 5),
        ("/rules/7/owner", 5, 1),
        ("/rules/x", 5, 1),
        ("/policy/deeper", 2, 1),
    ],
)
def test_every_part_knows_its_place_and_what_is_missing_that_of_what_lacks_it(pointer, line, column):
    assert read_text(EXAMPLE, Form.YAML).place(pointer) == Place(line, column)


def test_a_name_with_a_slash_is_found_by_its_pointer():
    assert read_text(b'"a/b~c":\n  d: 1', Form.YAML).place("/a~1b~0c/d") == Place(2, 3)


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "y", "N", "12:30", "2026-12-01", "=", "1_000", "0b1"]
)
def test_what_is_only_a_word_stays_one(word):
    assert plain_of(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("+4", 4),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("0.25", 0.25),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("0.100000000", 0.1),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  null", "null"),
    ],
)
def test_scalars_are_those_of_the_core_schema(written, value):
    found = plain_of(f"a: {written}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "number",
    ["0.1234567", ".nan", "-.inf", ".INF", "1" * 25, "1" * 25 + ".0", "1.000000000000001", "1e20", "1e-7"],
)
def test_a_number_that_would_not_stay_what_is_written_is_refused(number):
    error = refused(f"a:\n  b: {number}".encode())
    assert error.findings[0].code == "wrong_type"
    assert (error.findings[0].pointer, error.place) == ("/a/b", Place(2, 6))


@pytest.mark.parametrize(
    ("text", "code", "pointer", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate_key", "/a", Place(3, 1)),
        ("a: {b: 1, b: 1}", "duplicate_key", "/a/b", Place(1, 11)),
        ("a:\n- 1\n- b: 1\n  b: 2\n", "duplicate_key", "/a/1/b", Place(4, 3)),
        ("a:\n- 1\n- *b\n", "not_supported", "/a/1", Place(3, 3)),
        ("a: &x 1", "not_supported", "/a", Place(1, 4)),
        ("a: 1\nb: *x", "not_supported", "/b", Place(2, 4)),
        ("- &x [1]\n- *x", "not_supported", "/0", Place(1, 3)),
        ("a: !!str 1", "not_supported", "/a", Place(1, 4)),
        ("a: {op: !=, value: 1}", "not_supported", "/a/op", Place(1, 9)),
        ("a: !python/object:os.system x", "not_supported", "/a", Place(1, 4)),
        ("a: {<<: {b: 1}}", "not_supported", "/a/<<", Place(1, 5)),
        ("1: a", "not_supported", "/1", Place(1, 1)),
        ("a: {true: 1}", "not_supported", "/a/true", Place(1, 5)),
        ("? [a]\n: 1", "not_supported", "/", Place(1, 3)),
        ("*x : 1", "not_supported", "/", Place(1, 1)),
        ("a: 1\n---\nb: 2", "not_supported", "", Place(2, 1)),
        ("", "missing", "", Place(1, 1)),
        ("# nothing\n", "missing", "", Place(1, 1)),
        ("a: [1, 2", "syntax", "", Place(2, 1)),
        ("a: b: c", "syntax", "", Place(1, 5)),
        ("a: 1\n\tb: 2", "syntax", "", Place(2, 1)),
        ("a: \x07", "syntax", "", Place(1, 4)),
        ("*missing", "not_supported", "", Place(1, 1)),
    ],
)
def test_what_a_policy_has_no_use_for_is_refused_where_it_stands(text, code, pointer, place):
    error = refused(text.encode())
    (finding,) = error.findings
    assert (finding.code, finding.pointer, error.place) == (code, pointer, place)
    assert (finding.example["line"], finding.example["column"]) == (place.line, place.column)


def test_a_key_that_stands_twice_is_told_with_both_places():
    (finding,) = refused(b"rules:\n- id: a\n  title: b\n  id: c\n").findings
    assert finding.message == "`id` stands here a second time; it stood first in line 2, column 3"


def test_a_text_that_is_not_utf_8_is_refused_where_it_stops_being_so():
    error = refused("policy: h\nname: blå".encode("latin-1"))
    assert (error.findings[0].code, error.place) == ("syntax", Place(2, 9))


def test_a_mark_of_byte_order_is_passed_over():
    assert read_text("\ufeffa: 1".encode(), Form.YAML).plain == {"a": 1}


@pytest.mark.parametrize("form", Form)
def test_what_is_too_long_or_too_deep_is_refused(form, monkeypatch):
    assert refused(b" " * (MOST_BYTES + 1), form).findings[0].code == "too_large"
    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert read_text(deep, form).place("/0/0") == Place(1, 3)
    assert refused(b"[" * 100_000, form).findings[0].code == "too_deep"
    monkeypatch.setattr(located, "MOST_PARTS", 100)
    assert len(read_text(b"[" + b"1," * 98 + b"1]", form).plain) == 99
    assert refused(b"[" + b"1," * 99 + b"1]", form).findings[0].code == "too_large"


def test_json_is_read_with_its_places():
    read = read_text(
        b' {"a" : [1, -2.5e-1, "\\u00e6\\n\\"",\n true, null, false, [], {}], "b": "\\ud83d\\ude00"}',
        Form.JSON,
    )
    assert read.plain == {"a": [1, -0.25, 'æ\n"', True, None, False, [], {}], "b": "😀"}
    assert read.place("") == Place(1, 2)
    assert read.place("/a/3") == Place(2, 2)
    assert read.place("/b") == Place(2, 30)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "syntax", Place(1, 1)),
        ("{", "syntax", Place(1, 2)),
        ('{"a" 1}', "syntax", Place(1, 6)),
        ('{"a": }', "syntax", Place(1, 7)),
        ('{"a": 1,}', "syntax", Place(1, 9)),
        ("{a: 1}", "syntax", Place(1, 2)),
        ("[1 2]", "syntax", Place(1, 4)),
        ("[1] 2", "syntax", Place(1, 5)),
        ("[01]", "syntax", Place(1, 3)),
        ("NaN", "syntax", Place(1, 1)),
        ("[Infinity]", "syntax", Place(1, 2)),
        ('"a\tb"', "syntax", Place(1, 1)),
        ('"open', "syntax", Place(1, 1)),
        ('"\\ud800"', "syntax", Place(1, 1)),
        ("[1e400]", "wrong_type", Place(1, 2)),
        ("[0.1234567]", "wrong_type", Place(1, 2)),
        ('{"a": 1,\n "a": 2}', "duplicate_key", Place(2, 2)),
    ],
)
def test_what_is_no_json_is_refused_where_it_stops_being_so(text, code, place):
    error = refused(text.encode(), Form.JSON)
    assert (error.findings[0].code, error.place) == (code, place)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.integers(-(10**9), 10**9).map(lambda micro: micro / 1_000_000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
@tries(60)
def test_json_is_read_as_anybody_else_reads_it(value):
    text = orjson.dumps(value)
    assert read_text(text, Form.JSON).plain == orjson.loads(text)


def place_of_refusal(text: bytes, form: Form) -> Place | None:
    try:
        read_text(text, form)
    except PolicyTextError as error:
        return error.place
    return None


@given(st.text(max_size=40) | st.text("{}[]:,-#&*!|>'\"% \n?a1~<=.", max_size=40))
@tries(200)
def test_whatever_is_sent_is_read_or_refused_with_a_place(text):
    sent = text.encode("utf-8", "replace")
    for form in Form:
        place = place_of_refusal(sent, form)
        assert place is None or (1 <= place.line <= len(sent) + 1 and place.column >= 1)


def test_what_is_written_is_written_to_be_read():
    text = write_yaml(Policy(limits=Limits(score=ScoreLimits(generalise_micro=600_000))))
    assert text == "policy: house\nlimits:\n  G31.suppress: 0.6\n"


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    "number",
    ["1e999999999", "-1e999999999", "1e99999999999999999999", "0e9999999999999999999", "1e-9999999999"],
)
def test_a_number_beyond_all_reckoning_is_refused_and_never_taken_for_another(number, form):
    text = f'{{"policy": "house", "limits": {{"G17.upsell_hard": {number}}}}}'
    error = refused(text.encode(), form)
    assert (error.findings[0].code, error.findings[0].pointer) == ("wrong_type", "/limits/G17.upsell_hard")


def test_what_yaml_cannot_hold_is_refused_in_its_column_whatever_stands_before_it():
    assert refused('# æ\npolicy: "😀\0"'.encode()).place == Place(2, 11)


@pytest.mark.parametrize("odd", ["\r", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"])
def test_a_comment_cannot_hide_what_follows_it(odd):
    error = refused(f"policy: house # of ours{odd}time_zone: UTC\n".encode())
    assert (error.findings[0].code, error.place) == ("odd_character", Place(1, 24))
    assert error.findings[0].example["code_point"] == f"U+{ord(odd):04X}"


def test_lines_may_end_as_windows_ends_them():
    assert plain_of("policy: house\r\ntime_zone: UTC\r\n") == {"policy": "house", "time_zone": "UTC"}
