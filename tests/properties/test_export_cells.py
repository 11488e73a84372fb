"""What stands in a cell of an export is read as text by every spreadsheet, and lost by none."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from api.rights.export import cell

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"))


@given(texts)
def test_no_text_is_taken_for_a_formula(text):
    assert not cell(text).startswith(("=", "+", "-", "@", "\t"))
    assert cell(text) in (text, f"'{text}")


@given(st.lists(texts))
def test_nor_is_a_list_of_texts(listed):
    assert not cell(listed).startswith(("=", "+", "-", "@", "\t"))


@given(st.integers())
def test_numbers_stay_numbers(number):
    assert int(cell(number)) == number


@given(st.lists(texts, min_size=1, max_size=5))
def test_what_is_written_is_read_again(row):
    out = io.StringIO()
    csv.writer(out).writerow(map(cell, row))
    (read,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert read == list(map(cell, row))
