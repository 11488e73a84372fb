"""Customer tokens: nobody reads one, changes one, or opens somebody else's data with one."""

from hypothesis import given
from hypothesis import strategies as st

from api.rights.tokens import PREFIX, CustomerToken, seal, unseal

SECRET, OTHER = b"s" * 32, b"t" * 32

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=256)
times = st.integers(0, 2**53)
tokens = st.builds(CustomerToken, names, st.none() | st.integers(1, 2**53), times, times)


@given(tokens)
def test_a_token_says_what_was_sealed(token):
    assert unseal(seal(token, SECRET), SECRET) == token


@given(tokens)
def test_a_token_of_another_secret_says_nothing(token):
    assert unseal(seal(token, SECRET), OTHER) is None


@given(tokens, st.data())
def test_a_token_that_was_changed_says_nothing(token, data):
    text = seal(token, SECRET)
    at = data.draw(st.integers(len(PREFIX), len(text) - 2))  # the last letter may hold unused bits
    other = data.draw(st.sampled_from("ABCxyz019-_"))
    if other != text[at]:
        assert unseal(text[:at] + other + text[at + 1 :], SECRET) is None


@given(st.text(max_size=300) | st.text("ABCdef012-_=", max_size=300).map(lambda text: PREFIX + text))
def test_no_made_up_text_is_a_token(text):
    assert unseal(text, SECRET) is None


@given(names.filter(lambda name: len(name) > 3))
def test_a_token_does_not_show_whose_it_is(name):
    text = seal(CustomerToken(name, 7, 0, 1), SECRET)
    assert name not in text
    assert text.removeprefix(PREFIX).isascii()


def test_two_tokens_of_one_customer_have_nothing_in_common():
    token = CustomerToken("anna", 7, 0, 1)
    assert seal(token, SECRET)[:20] != seal(token, SECRET)[:20]


def test_a_text_longer_than_any_token_is_not_even_tried():
    assert unseal(PREFIX + "A" * 5000, SECRET) is None
