"""Searching the log: whatever is asked for together, a page holds what reading every decision would find."""

from __future__ import annotations

import random

import pytest
from support.stores import SUBJECTS, Store, a_decision

from api.storage import postings
from api.storage.connection import reading, writing
from api.storage.decisions import StoredDecision, append_decisions, search_decisions

HOUR = 60
START = 20_000 * 24 * HOUR
ANNA, BEN = SUBJECTS.account("anna"), SUBJECTS.account("ben")
N_STORED, AT_ONCE = 240, 40


def made(number: int, chance: random.Random) -> StoredDecision:
    """A decision; every tenth one is told late, and one rule withholds in the first hours alone."""
    late = chance.randrange(6 * HOUR) if number % 10 == 0 else 0
    early = ("rule:early",) if number < N_STORED // 8 else ()
    return a_decision(
        f"decision-{number}",
        minute=START + number * 3 - late,
        placement=chance.choice(("home", "home", "home", "cart")),
        basis=chance.choice(("profile", "popular")),
        outcome="error" if number % 97 == 5 else "shown",
        policy=f"p{number // 100}",
        model=chance.choice((f"m{number // 60}", None)),
        subject_key=chance.choice((ANNA, BEN, None)),
        terms=(
            *early,
            *(term for term in ("rule:often", "reason:OFTEN", "shown:OFTEN") if chance.random() < 0.6),
        ),
    )


@pytest.fixture
def stored(store: Store) -> list[StoredDecision]:
    chance = random.Random(6)
    decisions = [made(number, chance) for number in range(N_STORED)]
    for start in range(0, N_STORED, AT_ONCE):
        with writing(store.engine) as conn:
            append_decisions(conn, store.keyring, decisions[start : start + AT_ONCE])
    return decisions


ASKED = {
    "placement": ("home", "cart", "nowhere"),
    "basis": ("profile", "popular"),
    "outcome": ("shown", "error"),
    "policy": ("p0", "p2"),
    "model": ("m0", "m3"),
    "minute_from": (START, START + 5 * HOUR + 7, START + 900 * HOUR),
    "minute_to": (START, START + 6 * HOUR + 1, START + 8 * HOUR, START + 900 * HOUR),
    "subject_key": (ANNA, BEN, SUBJECTS.account("nobody")),
    "terms": (
        ("rule:often",),
        ("rule:early",),
        ("rule:often", "reason:OFTEN"),
        ("rule:early", "shown:OFTEN"),
        ("rule:never",),
    ),
    "before_index": (N_STORED // 2, 1, 0),
}


def meets(at: int, decision: StoredDecision, asked: dict[str, object]) -> bool:
    """Whether a decision meets every condition, one after the other."""
    tests = {
        "minute_from": lambda value: decision.minute >= value,
        "minute_to": lambda value: decision.minute < value,
        "terms": lambda value: set(value) <= set(decision.terms),
        "before_index": lambda value: at < value,
    }
    return all(
        tests[name](value) if name in tests else getattr(decision, name) == value
        for name, value in asked.items()
    )


def some_questions() -> list[dict[str, object]]:
    chance = random.Random(7)
    questions: list[dict[str, object]] = [{name: value} for name, values in ASKED.items() for value in values]
    for _ in range(120):
        names = chance.sample(sorted(ASKED), chance.randint(2, 4))
        questions.append({name: chance.choice(ASKED[name]) for name in names})
    return questions


@pytest.mark.parametrize("counted", [postings._COUNTED, 3])
def test_a_page_is_what_a_reader_of_every_decision_would_find(store, stored, monkeypatch, counted):
    monkeypatch.setattr(postings, "_COUNTED", counted)  # lists are of another length, or all alike
    n_found = 0
    with reading(store.engine) as conn:
        for asked in some_questions():
            found = [at for at, each in enumerate(stored) if meets(at, each, asked)]
            page = search_decisions(conn, limit=7, **asked)
            assert [row.log_index for row in page] == found[::-1][:7], asked
            n_found += bool(found)
    assert n_found > 60


def test_pages_of_several_conditions_miss_nothing(store, stored):
    asked = {"placement": "home", "terms": ("rule:often",), "minute_from": START + HOUR}
    seen, before_index = [], None
    with reading(store.engine) as conn:
        while page := search_decisions(conn, limit=5, before_index=before_index, **asked):
            seen += [row.log_index for row in page]
            before_index = page[-1].log_index
    assert seen == [at for at, each in enumerate(stored) if meets(at, each, asked)][::-1]
    assert len(seen) > 5


def test_a_decision_that_is_told_late_is_found_under_its_own_minute(store):
    old, late = a_decision("old", minute=START), a_decision("late", minute=START + 1)
    with writing(store.engine) as conn:
        for each in (old, a_decision("new", minute=START + 50 * HOUR), late):
            append_decisions(conn, store.keyring, [each])
        found = search_decisions(conn, limit=9, minute_from=START, minute_to=START + HOUR)
    assert [row.decision_id for row in found] == ["late", "old"]


def test_what_is_found_is_told_with_what_is_known_of_it(store, stored):
    with reading(store.engine) as conn:
        for row in search_decisions(conn, limit=N_STORED):
            there = stored[row.log_index]
            assert (row.decision_id, row.minute, row.placement) == (
                there.decision_id,
                there.minute,
                there.placement,
            )
            assert (row.basis, row.outcome, row.policy, row.model) == (
                *(there.basis, there.outcome, there.policy, there.model),
            )
