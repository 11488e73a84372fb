"""What of a list of recipients cannot be read is named; the rest is kept."""

from __future__ import annotations

import io

from api.batch.recipients import read_recipients


def listed(text):
    found = read_recipients(io.StringIO(text, newline="\n"), "csv")
    return [each.customer_id for each in found.recipients], [each.line for each in found.rejected]


def test_a_row_that_is_no_csv_is_named_and_those_around_it_are_kept():
    assert listed("customer_id\nanna\nbo\rcarl\nada\n") == (["anna", "ada"], [3])


def test_without_names_of_columns_nothing_is_read():
    assert listed("customer_id\rname\nanna\n") == ([], [1])
