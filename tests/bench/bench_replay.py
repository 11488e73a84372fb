"""Recorded decisions made again per second, on both levels; and what states of the catalogue take on disk.

The peer of a replay is the decision itself: what it costs to make and record it the first time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from engine.catalogue import Catalogue, content_digest
from engine.snapshots import Snapshots
from guardrails.admit import admit
from guardrails.decide import decide
from guardrails.house import House
from guardrails.log.record import SALT_BYTES, build_record, open_body
from guardrails.log.replay import Finding, Governing, replay_candidates, replay_rules
from guardrails.policy.limits import Limits
from tests.bench import bench_rehearsal

BUILD = "b" * 64
N_DECISIONS = 2_000
N_ITEMS = 68_509
"""Items of the catalogue whose states are kept."""


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row for the peer, one for each level, and one for each state of a catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_replays(Path(folder), N_DECISIONS // (10 if quick else 1)), *_states(Path(folder))]


def _replays(folder: Path, n: int) -> list[dict[str, object]]:
    catalogue = bench_rehearsal._catalogue()
    house = House(bench_rehearsal._model(folder, catalogue), catalogue, Limits(), "0" * 64)
    policy = Governing(house.policy_version, house.limits)
    _is_exact(policy, house, *_made(house, 0))
    start = time.perf_counter()
    made = [_made(house, number) for number in range(n)]
    peer = n / (time.perf_counter() - start)
    levels: dict[str, Callable[[Any, Any], object]] = {
        "L1, rules and answer": lambda sections, header: replay_rules(sections, header, policy, BUILD),
        "L2, candidates": lambda sections, header: replay_candidates(
            sections, header, policy, house.recommender, house.catalogue, BUILD
        ),
    }
    rows: list[dict[str, object]] = [{"what": "decide and record", "per second": peer, "ratio": 1.0}]
    for what, again in levels.items():
        start = time.perf_counter()
        for sections, header in made:
            again(sections, header)
        rate = n / (time.perf_counter() - start)
        rows.append({"what": what, "per second": rate, "ratio": rate / peer})
    return rows


def _is_exact(policy: Governing, house: House, sections: dict[str, bytes], header: Any) -> None:
    l1 = replay_rules(sections, header, policy, BUILD)
    l2 = replay_candidates(sections, header, policy, house.recommender, house.catalogue, BUILD)
    if (l1.finding, l2.finding) != (Finding.EXACT, Finding.EXACT):
        raise AssertionError(f"a replay is not exact: {l1}, {l2}")


def _made(house: House, number: int) -> tuple[dict[str, bytes], Any]:
    draw = np.random.default_rng(number)
    request, choices = bench_rehearsal._request(house.catalogue, draw), bench_rehearsal._choices(draw)
    known = bench_rehearsal._known(request, draw)
    admission = admit(request, choices, house.catalogue.sensitive_classes, house.consent)
    record = build_record(
        decide(request, admission, known, house),
        request,
        known,
        house,
        decision_id="00000000-0000-4000-8000-000000000000",
        secret=draw.bytes(SALT_BYTES),
        response=b"{}",
        build=BUILD,
    )
    return open_body(record.body)[1], orjson.loads(record.header)


def _states(folder: Path) -> Iterable[dict[str, object]]:
    """Keep a large catalogue, then the same with one price changed, and read it back."""
    kept, first = Snapshots(folder / "catalogues"), _large_catalogue()
    price_minor = first.price_minor.copy()
    price_minor[N_ITEMS // 2] += 1
    second = _versioned(replace(first, price_minor=price_minor))
    for what, state in (("first state kept", first), ("one price changed", second)):
        before, start = _size(folder / "catalogues"), time.perf_counter()
        kept.keep(state)
        took_s = time.perf_counter() - start
        yield {"what": what, "s": took_s, "KB": (_size(folder / "catalogues") - before) / 1e3}
    start = time.perf_counter()
    kept.load(second.version)
    yield {"what": "read back", "s": time.perf_counter() - start}


def _large_catalogue() -> Catalogue:
    draw, small = np.random.default_rng(3), bench_rehearsal._catalogue()
    rows = draw.integers(0, small.n_items, N_ITEMS)
    columns: dict[str, Any] = {
        each.name: getattr(small, each.name)[rows]
        for each in fields(Catalogue)
        if isinstance(getattr(small, each.name), np.ndarray)
    }
    words = [f"word{number}" for number in range(4_000)]
    item_ids = tuple(sorted(map(str, draw.choice(20_000_000, N_ITEMS, replace=False))))
    titles = tuple(" ".join(words[place] for place in each) for each in draw.integers(0, 4_000, (N_ITEMS, 5)))
    columns |= {"item_no": np.arange(N_ITEMS), "price_minor": draw.integers(50, 9_999, N_ITEMS)}
    return _versioned(replace(small, item_ids=item_ids, titles=titles, **columns))


def _versioned(catalogue: Catalogue) -> Catalogue:
    content = {
        each.name: getattr(catalogue, each.name) for each in fields(Catalogue) if each.name != "version"
    }
    return replace(catalogue, version=content_digest(content))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0
