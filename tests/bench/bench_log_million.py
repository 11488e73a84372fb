"""Searching and proving in a log of a million entries, each beside the time that an answer may take.

The log is that of ten days of a shop: placements, outcomes, policies and models as often as they occur,
and rules that withhold something in every other decision or in ten of a million. Bodies are small; no
search reads them.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from api.logbook import Logbook, open_logbook
from api.settings import Settings
from api.storage.connection import open_engine, reading, upgrade, writing
from api.storage.decisions import StoredDecision, append_decisions, search_decisions
from api.storage.log import read_entries, read_tile
from guardrails.log.canonical import canonical
from guardrails.log.tallies import Part, Tally

N_DECISIONS = 1_000_000
N_QUICK = 20_000
N_DAYS = 10
DAY_MINUTES = 1_440
START = 20_000 * DAY_MINUTES
"""First minute of the log: the beginning of a day."""

SEARCH_MS, PROOF_MS = 200.0, 5.0
"""What an answer may take."""

_AT_ONCE = 4_000
_N_CUSTOMERS = 20_011
_PAGE = 51
_PASSES = 5
_FREQUENT, _RARE, _OLD, _NEVER = "rule:R01", "rule:R38", "rule:R40", "rule:R41"
_PLACEMENTS = {
    "home": 300,
    "product_page": 300,
    "cart": 180,
    "search": 150,
    "email": 60,
    "order_confirmation": 9,
    "in_store": 1,
}
_BASES = {"profile": 60, "popular": 30, "context": 10}
_OUTCOMES = {"shown": 900, "silent": 99, "error": 1}
_RULES = {f"rule:R{number:02}": 0.45 * 0.75 ** (number - 1) for number in range(1, 38)}
_SHOWN = {"shown:OFTEN_BOUGHT_WITH": 0.6, "shown:SIMILAR": 0.5, "shown:POPULAR": 0.3, "shown:NEW": 0.02}


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row for filling the log, and one for each question to it."""
    n = N_QUICK if quick else N_DECISIONS
    with tempfile.TemporaryDirectory() as folder:
        return measured(Settings.from_env({"TACTFUL_DATA_DIR": folder}), n)


def measured(settings: Settings, n: int) -> list[dict[str, object]]:
    """Fill a log, unless it is filled, and ask it everything."""
    engine = open_engine(settings)
    upgrade(engine)
    logbook = open_logbook(settings, engine, lambda: (START + N_DAYS * DAY_MINUTES) * 60_000)
    try:
        with reading(engine) as conn:
            is_filled = bool(search_decisions(conn, limit=1))
        rows = [] if is_filled else [filled(logbook, n)]
        rows += [_asked(logbook, what, conditions) for what, conditions in _questions(n).items()]
        return rows + [_row(what, PROOF_MS, ask) for what, ask in _proofs(logbook, n).items()]
    finally:
        logbook.close()
        engine.dispose()


def filled(logbook: Logbook, n: int, start: int = START, n_days: int = N_DAYS) -> dict[str, object]:
    """Append decisions of some days; return the row for that.

    Args:
        logbook: an empty log.
        n: how many.
        start: first minute since the epoch.
        n_days: over how many days.
    """
    started = time.perf_counter()
    for batch in _batches(n, start, n_days):
        with writing(logbook.engine) as conn:
            append_decisions(conn, logbook.keyring, batch)
    logbook.publish()
    taken = time.perf_counter() - started
    return {"what": f"{n:,} decisions appended, {_AT_ONCE:,} at once", "ms": taken * 1e3, "rows": n}


def _batches(n: int, start: int, n_days: int) -> Iterator[list[StoredDecision]]:
    chance = random.Random(1)
    for first in range(0, n, _AT_ONCE):
        yield [
            _decision(number, n, chance, start, n_days) for number in range(first, min(first + _AT_ONCE, n))
        ]


def _decision(number: int, n: int, chance: random.Random, start: int, n_days: int) -> StoredDecision:
    """One decision; in the log they are in the order in which they were made, to a minute or two."""
    minute = start + number * n_days * DAY_MINUTES // n + chance.randrange(2)
    day = number * N_DAYS // n
    decision_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    kind = {
        "placement": _drawn(_PLACEMENTS, chance),
        "basis": _drawn(_BASES, chance),
        "outcome": _drawn(_OUTCOMES, chance),
        "policy": f"{day // 3:064x}",
        "model": f"{day:064x}",
    }
    terms = tuple(_terms(number, n, chance))
    customer = chance.randrange(_N_CUSTOMERS) if chance.random() < 0.7 else None
    return StoredDecision(
        **kind,
        decision_id=decision_id,
        minute=minute,
        header=canonical(
            {
                **kind,
                "v": 2,
                "type": "decision",
                "id": decision_id,
                "t_min": minute,
                "engine": "b" * 64,
                "n_considered": 50,
                "n_shown": 3,
                "n_withheld": 2 * len(terms),
                "sd": [urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=") for _ in range(5)],
            }
        ),
        body=chance.randbytes(100),
        subject_key=None if customer is None else customer.to_bytes(16, "big"),
        exposure=None,
        terms=terms,
        tallies=tuple(_tallies(kind, terms)),
    )


def _tallies(kind: Mapping[str, str], terms: Sequence[str]) -> Iterator[Tally]:
    """Return what a decision adds to the sums: three suggestions, and two withheld by each rule."""
    rules = [term.removeprefix("rule:") for term in terms if term.startswith("rule:")]
    n_withheld = 2 * len(rules)
    yield Tally(Part.PLACEMENT, kind["placement"], 1, 3, n_withheld)
    yield Tally(Part.BASIS, kind["basis"], 1, 3, n_withheld)
    yield Tally(Part.OUTCOME, kind["outcome"], 1, 0, 0)
    yield Tally(Part.INTENT, "similar", 0, 3, n_withheld)
    yield from (Tally(Part.RULE, rule, 0, 0, 2) for rule in rules)


def _drawn(among: Mapping[str, int], chance: random.Random) -> str:
    return chance.choices(list(among), list(among.values()))[0]


def _terms(number: int, n: int, chance: random.Random) -> Iterator[str]:
    """Rules that withheld and their reasons; one rule all but never, one in the first hour alone."""
    rules = [rule for rule, share in _RULES.items() if chance.random() < share]
    rules += [_RARE] if number % 100_003 == 7 else []
    rules += [_OLD] if number < n // 240 and number % 10 == 0 else []
    yield from rules
    yield from {f"reason:{int(rule[-2:]) % 16}" for rule in rules}
    yield from (shown for shown, share in _SHOWN.items() if chance.random() < share)


def _day(first: int, n_days: int = 1) -> dict[str, int]:
    return {
        "minute_from": START + first * DAY_MINUTES,
        "minute_to": START + (first + n_days) * DAY_MINUTES,
    }


def _questions(n: int) -> dict[str, dict[str, Any]]:
    """Return what is searched for."""
    last_day, in_the_middle = N_DAYS - 1, n // 2
    terms = {
        "a frequent rule": {"terms": (_FREQUENT,)},
        "a rare rule": {"terms": (_RARE,)},
        "a rule of the first hour": {"terms": (_OLD,)},
        "a rule that never withheld": {"terms": (_NEVER,)},
        "a frequent and a rare rule": {"terms": (_FREQUENT, _RARE)},
        "two frequent reasons": {"terms": ("reason:1", "reason:2")},
        "frequent reason, rule of the first hour": {"terms": ("shown:SIMILAR", _OLD)},
    }
    days = {
        "last day": _day(last_day),
        "first day": _day(0),
        "no day of the log": _day(N_DAYS + 5),
        "a minute": {"minute_from": START + 5_000, "minute_to": START + 5_001},
        "all days": _day(0, N_DAYS),
    }
    others: dict[str, dict[str, Any]] = {
        "a frequent placement": {"placement": "home"},
        "a rare placement": {"placement": "in_store"},
        "a placement that never was": {"placement": "nowhere"},
        "a basis": {"basis": "popular"},
        "a frequent outcome": {"outcome": "shown"},
        "a rare outcome": {"outcome": "error"},
        "a model of the first day": {"model": f"{0:064x}"},
        "the last policy": {"policy": f"{last_day // 3:064x}"},
        "a customer": {"subject_key": (77).to_bytes(16, "big")},
    }
    single: dict[str, dict[str, Any]] = {"everything": {}, **terms, **days, **others}
    groups = (terms, days, others)
    pairs = {
        f"{one} + {other}": {**a, **b}
        for at, group in enumerate(groups)
        for later in groups[at + 1 :]
        for one, a in group.items()
        for other, b in later.items()
    }
    pairs |= {
        f"{one} + {other}": {**a, **b}
        for at, (one, a) in enumerate(others.items())
        for other, b in list(others.items())[at + 1 :]
        if not a.keys() & b.keys()
    }
    deep = {
        f"{what}, from the middle on": {**conditions, "before_index": in_the_middle}
        for what, conditions in {
            **single,
            "a frequent rule + all days": pairs["a frequent rule + all days"],
        }.items()
    }
    return {**single, **pairs, **deep}


def _asked(logbook: Logbook, what: str, conditions: Mapping[str, Any]) -> dict[str, object]:
    def ask() -> int:
        with reading(logbook.engine) as conn:
            return len(search_decisions(conn, limit=_PAGE, **conditions))

    return _row(what, SEARCH_MS, ask)


def _proofs(logbook: Logbook, n: int) -> dict[str, Callable[[], int]]:
    chance = random.Random(2)

    def entries() -> int:
        start = chance.randrange(n - 256)
        with reading(logbook.engine) as conn:
            return len(read_entries(conn, start, start + 256))

    def tile() -> int:
        with reading(logbook.engine) as conn:
            return len(read_tile(conn, 0, chance.randrange(n // 256)))

    def inclusion() -> int:
        return len(logbook.inclusion(chance.randrange(n), n))

    def consistency() -> int:
        return len(logbook.consistency(chance.randrange(1, n), n))

    def receipt() -> int:
        return len(logbook.receipt(chance.randrange(n)))

    return {
        "proof of inclusion": inclusion,
        "proof of consistency": consistency,
        "receipt": receipt,
        "256 entries": entries,
        "tile": tile,
    }


def _row(what: str, may_take_ms: float, ask: Callable[[], int]) -> dict[str, object]:
    found, taken = 0, []
    for _ in range(_PASSES):
        started = time.perf_counter()
        found = ask()
        taken.append((time.perf_counter() - started) * 1e3)
    median = statistics.median(taken)
    return {
        "what": what,
        "ms": median,
        "first": taken[0],
        "rows": found,
        "of what it may take": median / may_take_ms,
    }
