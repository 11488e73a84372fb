"""Whatever is tried in whatever order, no change comes into force that somebody else did not approve of."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.lifecycle import (
    ADA,
    ANN,
    AUDREY,
    CLOCK,
    FIRST,
    HOUR_MS,
    MARY,
    READY,
    SECOND,
    SHIPPED,
    THIRD,
    Shop,
)
from support.tries import tries

from guardrails.policy.chain import (
    NO_STEP,
    first_broken,
    header_of,
    header_sha256,
)
from guardrails.policy.lifecycle import (
    LONGEST_GLASS_MS,
    SYSTEM,
    StepKind,
    fold,
)
from guardrails.policy.permission import (
    Facts,
    refusal,
)

VERSIONS = (SHIPPED, FIRST, SECOND, THIRD)
PEOPLE = (MARY, ANN, AUDREY, ADA)
KINDS = tuple(kind for kind in StepKind if kind is not StepKind.FOUND)


def anything(shop, rng):
    """Return some step, whether it may be taken or not."""
    kind = rng.choice(KINDS)
    version = rng.choice(VERSIONS)
    known = shop.life.versions.get(version)
    base = rng.choice(VERSIONS) if rng.random() < 0.1 else None
    if known is not None and known.proposal is not None and rng.random() < 0.5:
        base = known.proposal.base
    detail = {"reason": rng.choice(["", "because"])}
    if rng.random() < 0.7:
        detail["until_ms"] = shop.now_ms + rng.choice([0, 1, 2, 10, 24, 25]) * HOUR_MS
    if kind is StepKind.SCHEDULED:
        detail["scheduled_at_ms"] = shop.now_ms + rng.choice([0, 1, 2, 5]) * HOUR_MS
    if kind is StepKind.CHALLENGED:
        detail["share_micro"] = rng.choice([0, 1, 500_000, 700_000])
    if kind is StepKind.PROPOSED:
        detail["needs_auditor"] = rng.random() < 0.2
    return shop.step(kind, version, rng.choice((*PEOPLE, CLOCK)), base=base, **detail)


def what_happened(seed, n_steps):
    """Return a shop in which a great deal was tried, and some of it done: of each kind about as much."""
    rng, shop = random.Random(seed), Shop()
    for _ in range(n_steps):
        shop.wait(rng.choice([0, 0, 0, 0, 0, 1, 12, 24]) * HOUR_MS)
        tried = [anything(shop, rng) for _ in range(30)]
        shop.facts = READY if rng.random() < 0.8 else Facts(rng.randrange(2), rng.randrange(2))
        may = {step.kind: step for step in tried if refusal(shop.life, step, shop.facts) is None}
        further = sorted(
            may.keys() - {StepKind.DRAFTED, StepKind.REJECTED, StepKind.SUSPENDED, StepKind.EXPIRED}
        )
        if may:
            shop.append(may[rng.choice(further if further and rng.random() < 0.9 else sorted(may))])
    return shop


histories = st.builds(what_happened, st.integers(0, 2**32), st.integers(1, 40))


def others_approved(before, step):
    """Tell from the steps alone, one by one, whether a change was approved of by somebody else."""
    authors, proposal, approvals = set(), None, []
    for each in before:
        if each.version != step.version:
            continue
        if each.kind is StepKind.DRAFTED:
            authors.add(each.actor)
        if each.kind in (StepKind.PROPOSED, StepKind.REJECTED, StepKind.SUSPENDED, StepKind.ACTIVATED):
            proposal, approvals = each if each.kind is StepKind.PROPOSED else None, []
        if each.kind is StepKind.APPROVED:
            approvals.append(each)
    if proposal is None:
        return False
    counting = [
        each
        for each in approvals
        if each.actor not in authors | {proposal.actor} and each.base == proposal.base == step.base
    ]
    by_auditor = any(each.role == "auditor" for each in counting)
    return by_auditor if proposal.detail.needs_auditor else bool(counting)


@tries(60)
@given(histories)
def test_what_comes_into_force_was_approved_of_against_what_is_in_force(shop):
    for place, step in enumerate(shop.steps):
        if step.kind in (StepKind.ACTIVATED, StepKind.CHALLENGED, StepKind.SCHEDULED):
            before = shop.steps[:place]
            assert others_approved(before, step)
            assert step.base == fold(before).base_of(step.version)


@tries(60)
@given(histories)
def test_what_nobody_approved_of_is_in_force_by_broken_glass_and_not_for_long(shop):
    for place, step in enumerate(shop.steps):
        standing = fold(shop.steps[: place + 1]).standing
        while standing is not None:
            approved = (StepKind.FOUND, StepKind.ACTIVATED)
            begun = next(
                each
                for each in reversed(shop.steps[: place + 1])
                if (each.version, each.at_ms) == (standing.version, standing.since_ms)
                and each.kind in ((StepKind.BROKE_GLASS,) if standing.by_glass else approved)
            )
            if standing.by_glass:
                assert step.at_ms - standing.since_ms <= LONGEST_GLASS_MS or step.role == SYSTEM
                assert begun.detail.reason
                assert standing.before is not None
                assert not standing.before.by_glass
            standing = standing.before


@tries(60)
@given(histories)
def test_of_any_two_days_the_glass_is_broken_for_one_at_most_whoever_breaks_it(shop):
    spent = Counter()
    for step, after in zip(shop.steps, (*shop.steps[1:], None), strict=True):
        standing = fold(shop.steps[: step.number]).standing
        if standing.by_glass:
            until_ms = min(standing.until_ms, shop.now_ms if after is None else after.at_ms)
            for begins_ms in range(step.at_ms, until_ms, HOUR_MS):
                spent[begins_ms] = min(HOUR_MS, until_ms - begins_ms)
    for begins_ms in spent:
        within = [spent[at_ms] for at_ms in spent if 0 <= at_ms - begins_ms < 2 * LONGEST_GLASS_MS]
        assert sum(within) <= LONGEST_GLASS_MS


@tries(60)
@given(histories)
def test_what_is_suspended_is_not_applied_unless_it_is_proposed_again(shop):
    suspended = set()
    for step in shop.steps:
        if step.kind is StepKind.SUSPENDED:
            suspended.add(step.version)
        elif step.kind is StepKind.PROPOSED:
            suspended.discard(step.version)
        assert step.kind is not StepKind.ACTIVATED or step.version not in suspended


@tries(60)
@given(histories)
def test_the_same_steps_come_to_the_same_life(shop):
    assert fold(shop.steps) == shop.life
    assert [step.number for step in shop.steps] == list(range(1, len(shop.steps) + 1))
    assert all(
        later.at_ms >= earlier.at_ms for earlier, later in zip(shop.steps, shop.steps[1:], strict=False)
    )


@tries(60)
@given(histories)
def test_every_version_stands_somewhere_and_one_is_in_force(shop):
    states = Counter(shop.life.state_of(version) for version in shop.life.versions)
    assert states["active"] == 1
    assert shop.life.state_of(shop.life.in_force) == "active"


@tries(60)
@given(
    histories, st.sampled_from(list(StepKind)), st.sampled_from(VERSIONS), st.sampled_from((*PEOPLE, CLOCK))
)
def test_a_refusal_can_always_be_said(shop, kind, version, who):
    found = refusal(shop.life, shop.step(kind, version, who))
    assert found is None or (found.message and found.because)


def chained(steps):
    entries, before = [], NO_STEP
    for step in steps:
        header = header_of(step, before)
        entries.append((step, header))
        before = header_sha256(header)
    return entries


@tries(60)
@given(histories, st.data())
def test_the_chain_shows_every_edit(shop, data):
    entries = chained(shop.steps)
    assert first_broken(entries) is None
    place = data.draw(st.integers(0, len(entries) - 1), "where")
    step, header = entries[place]
    edits = {
        "a byte": lambda: entries.__setitem__(place, (step, flipped(header, data))),
        "an actor": lambda: entries.__setitem__(place, (replace(step, actor="somebody"), header)),
        "a time": lambda: entries.__setitem__(place, (replace(step, at_ms=step.at_ms + 1), header)),
        "rewritten": lambda: entries.__setitem__(place, rewritten(entries, place)),
        "twice": lambda: entries.insert(place, entries[place]),
    }
    if place < len(entries) - 1:
        edits["dropped"] = lambda: entries.pop(place)
        edits["swapped"] = lambda: entries.insert(place, entries.pop(place + 1))
    edits[data.draw(st.sampled_from(sorted(edits)), "what")]()
    broken = first_broken(entries)
    assert broken is not None or place == len(entries) - 1
    if broken is not None:
        assert broken >= place + 1


def flipped(header, data):
    at = data.draw(st.integers(0, len(header) - 1), "byte")
    return header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]


def rewritten(entries, place):
    """A step that was changed together with its own header: what comes after it no longer fits."""
    step = replace(entries[place][0], actor="somebody")
    before = header_sha256(entries[place - 1][1]) if place else NO_STEP
    return step, header_of(step, before)


def test_the_histories_are_full_of_everything():
    kinds = Counter(step.kind for seed in range(30) for step in what_happened(seed, 40).steps)
    assert min(kinds[kind] for kind in StepKind) > 10
