"""Sensitive goods by Google product category id.

The table beside this file holds ids of the taxonomy of 2021-09-21 with our class and tier,
already spread over subtrees: where several rules cover an id, the longest path has won. It
holds no category names, because the taxonomy is published without an open licence.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from guardrails.sensitive.classes import NOTHING, Finding, class_named, tier_of

TABLE = "google_taxonomy.csv"


def find_by_google_category(google_category_id: int) -> Finding:
    """Return what the id alone says; nothing where it is not in the table."""
    return _table().get(google_category_id, NOTHING)


@cache
def _table() -> dict[int, Finding]:
    with files("guardrails.sensitive").joinpath(TABLE).open(encoding="utf-8") as lines:
        return {
            int(row["google_category_id"]): Finding.of(
                class_named(row["sensitive_class"]), tier_of(int(row["tier"]))
            )
            for row in csv.DictReader(lines)
        }
