"""Who a batch is for, as files say it: what cannot be read is named, the rest is kept."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.batch.groups import Recipient
from api.batch.recipients import read_recipients

IDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(st.lists(IDS))
def test_everybody_is_listed_once_and_in_order(ids):
    listed = read_recipients([f"{each}\n" for each in ids], "lines")
    assert [each.customer_id for each in listed.recipients] == list(dict.fromkeys(ids))
    assert len(listed.recipients) + len(listed.rejected) == len(ids)


def test_empty_lines_count_for_nothing_but_keep_their_numbers():
    listed = read_recipients(["\n", "anna\n", "  \n", "anna"], "lines")
    assert listed.recipients == (Recipient("anna"),)
    assert listed.rejected == ((4, "is named twice"),)


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ("{", "is no object"),
        ("7", "is no object"),
        ("{}", "has no `customer_id`"),
        ('{"customer_id": 7}', "has a `customer_id` that is none"),
        ('{"customer_id": ""}', "has a `customer_id` that is none"),
        ('{"customer_id": "a\\u0000b"}', "has a `customer_id` that is none"),
        ('{"customer_id": "anna", "language": "fr"}', "has a `language` that is not spoken here"),
        ('{"customer_id": "anna", "language": ["de"]}', "has a `language` that is not spoken here"),
    ],
)
def test_what_names_nobody_is_told_by_its_line_and_never_repeated(line, because):
    listed = read_recipients([line], "jsonl")
    assert listed.recipients == ()
    assert listed.rejected == ((1, because),)


def test_columns_other_than_ours_are_passed_over():
    listed = read_recipients(["name,customer_id,language", "x,anna,de", "y,otto,"], "csv")
    assert listed.recipients == (Recipient("anna", "de"), Recipient("otto"))


def separated(text):
    listed = read_recipients(io.StringIO(text, newline="\n"), "csv")
    return [each.customer_id for each in listed.recipients], [each.line for each in listed.rejected]


def test_a_row_that_is_no_csv_is_named_and_those_around_it_are_kept():
    assert separated("customer_id\nanna\nbo\rcarl\nada\n") == (["anna", "ada"], [3])


def test_without_names_of_columns_nothing_is_read():
    assert separated("customer_id\rname\nanna\n") == ([], [1])
