"""A draft run against 100,000 decisions of 50 candidates, beside asking each decision again by itself.

The peer rebuilds every recorded round from its record, asks all rules of both policies and composes both
slates, one decision after the other; it is measured on a sample.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from api.logbook import keyring_of
from api.policies.shipped import shipped_policy
from api.rehearsing.cache import Cache
from api.rehearsing.report import Held, held, rehearse
from api.settings import Settings
from api.storage.connection import open_engine, upgrade, writing
from api.storage.decisions import StoredDecision, append_decisions
from api.storage.keyring import Keyring
from engine.artefact import Manifest, ModelArrays, load_artefact, write_artefact
from engine.catalogue import NO_CODE, Catalogue
from engine.interactions import DAY_MS, WEIGHT_ONE, Interactions
from engine.serving.recommender import Recommender
from engine.vocabulary import Channel, Intent, Kind, word
from guardrails.admit import admit
from guardrails.compose import compose
from guardrails.consent.events import ConsentEvent, Status
from guardrails.consent.ledger import replay
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key
from guardrails.decide import decide
from guardrails.exposures import Exposure, Exposures
from guardrails.house import House
from guardrails.judge import judge
from guardrails.log.reading import sections_of, view_of
from guardrails.log.record import SALT_BYTES, build_record
from guardrails.log.tallies import tallies_of
from guardrails.log.terms import terms_of
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.policy.compiled import house_rules
from guardrails.policy.language import All, Atom, HouseRule, Mode, Op, Policy, RuleEffect
from guardrails.policy.limits import PriceLimits, ScoreLimits
from guardrails.request import Choices, Context, Known, Request, SubjectKind
from guardrails.rules import CATALOGUE

N_DECISIONS = 100_000
N_DISTINCT = 4_000
N_ITEMS = 3_000
N_EDGES = 80
N_CONSIDERED = 34
"""So that with what is asked for once more, and further steps, a decision comes to some 50 candidates."""
N_CATEGORIES = 60
NOW_MS = 20_000 * DAY_MS + 12 * 3_600_000
_MINUTE_MS = 60_000
_AT_ONCE = 2_000
_N_SAMPLE = 100
_USUAL = ("home", "product_page", "cart", "search")
_RARELY = 0.15
_N_CUSTOMERS = 20_011

_GIVEN = (
    *(KEY_OF[each] for each in (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT)),
    *(KEY_OF[Purpose.TARGETED_OFFERS], communications_key(Channel.EMAIL), communications_key(Channel.PUSH)),
)
_CHANNEL_OF = {"email": Channel.EMAIL, "push": Channel.PUSH, "in_store": Channel.IN_STORE}


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row for the peer, one for the first time, and one for each draft with columns kept."""
    n = 8_000 if quick else N_DECISIONS
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({"TACTFUL_DATA_DIR": folder})
        engine, base = open_engine(settings), held(shipped_policy())
        upgrade(engine)
        made = list(_made(Path(folder), base, min(n, N_DISTINCT)))
        with keyring_of(settings) as keyring:
            _store(engine, keyring, made, n)
        drafts = _drafts(base.policy)
        sample = [each.body for each in made[:_N_SAMPLE]]
        peer = _peer(sample, base.policy, drafts["a cap on price steps"])
        rows: list[dict[str, object]] = [
            {
                "what": "one by one, of a sample",
                "decisions": _N_SAMPLE,
                "candidates": _n_candidates(sample),
                "s": peer * _N_SAMPLE,
                "us a decision": peer * 1e6,
                "times as fast": 1.0,
            }
        ]
        measured = {name: held(draft) for name, draft in drafts.items()}
        first = next(iter(measured))
        rows.append({"what": f"{first}, first", **_measured(engine, settings, base, measured[first], peer)})
        for name, draft in measured.items():
            rows.append({"what": name, **_measured(engine, settings, base, draft, peer)})
        engine.dispose()
    return rows


def _measured(engine: Engine, settings: Settings, base: Held, draft: Held, peer: float) -> dict[str, object]:
    start, start_cpu = time.perf_counter(), _cpu_s()
    report = rehearse(engine, settings, base, draft, _unseen)
    taken, taken_cpu = time.perf_counter() - start, _cpu_s() - start_cpu
    decisions = report.document["decisions"]
    n = decisions["n_rehearsed"]
    return {
        "decisions": n,
        "s": taken,
        "CPU s": taken_cpu,
        "us a decision": taken / n * 1e6,
        "times as fast": peer * n / taken,
        "touched": decisions["n_touched"],
        "MB of columns": Cache(settings.data_dir).size() / 1e6,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "helper's": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3,
        "report": report.sha256[:8],
    }


def _cpu_s() -> float:
    """Return what this process has computed, and those that it started and that have ended."""
    return sum(os.times()[:4])


def _unseen(done: int, total: int | None, message: str) -> None:
    """Nobody waits at a terminal."""


def _drafts(base: Policy) -> dict[str, Policy]:
    dear = All((Atom("item.price_minor", Op.HAS, value=True), Atom("item.price_minor", Op.MORE, 8_000)))
    paid = Atom("item.sponsored", Op.EQUAL, value=True)
    return {
        "a cap on price steps": replace(
            base, limits=replace(base.limits, price=PriceLimits(upsell_hard_micro=300_000))
        ),
        "a rule that blocks what is dear": replace(
            base, rules=(*base.rules, _rule("nothing-dear", dear, RuleEffect.BLOCK))
        ),
        "a rule that demotes what is paid for": replace(
            base, rules=(*base.rules, _rule("paid-for-later", paid, RuleEffect.DEMOTE, 700_000))
        ),
        "a lower ceiling of the score": replace(
            base, limits=replace(base.limits, score=ScoreLimits(with_reason_micro=500_000))
        ),
    }


def _rule(rule_id: str, when: All | Atom, effect: RuleEffect, share_micro: int = 1_000_000) -> HouseRule:
    return HouseRule(
        id=rule_id,
        title=rule_id,
        when=when,
        applies_to=(),
        effect=effect,
        share_micro=share_micro,
        obligations=(),
        mode=Mode.ENFORCE,
        rationale="to be measured",
        owner="nobody",
        review_by=date(2099, 1, 1),
        assumes=(),
        customer_sentence="The shop does not suggest this.",
    )


def _n_candidates(bodies: Sequence[bytes]) -> float:
    """Return how many candidates a decision has."""
    rounds = (each for body in bodies for each in sections_of(body)["cand"]["rounds"])
    return sum(len(each["items"]) for each in rounds) / len(bodies)


def _peer(bodies: Sequence[bytes], base: Policy, draft: Policy) -> float:
    """Return the seconds that one decision takes, both policies asked and composed."""
    sides = [(policy, (*CATALOGUE, *house_rules(policy)[0])) for policy in (base, draft)]
    start = time.perf_counter()
    for body in bodies:
        sections = sections_of(body)
        for policy, rules in sides:
            for number, considered in enumerate(sections["cand"]["rounds"]):
                view = view_of(sections, number)
                judged = judge(view, np.array(considered["score"], np.int64), rules, policy.limits)
                compose(judged, view, policy.limits)
    return (time.perf_counter() - start) / len(bodies)


def _store(engine: Engine, keyring: Keyring, made: Sequence[StoredDecision], n: int) -> None:
    """Store decisions again and again, each time under other ids and for other customers."""
    for start in range(0, n, _AT_ONCE):
        batch = [
            replace(
                made[number % len(made)],
                decision_id=str(uuid.uuid4()),
                subject_key=(number % _N_CUSTOMERS).to_bytes(16, "big"),
            )
            for number in range(start, min(start + _AT_ONCE, n))
        ]
        with writing(engine) as conn:
            append_decisions(conn, keyring, batch)


def _made(folder: Path, base: Held, n: int) -> Iterator[StoredDecision]:
    """Decide for one customer after another, each with other choices, another past and another page."""
    catalogue = _catalogue()
    house = House(
        recommender=_model(folder, catalogue),
        catalogue=catalogue,
        limits=base.policy.limits,
        policy_version=base.version,
        n_considered=N_CONSIDERED,
        rules=(*CATALOGUE, *house_rules(base.policy)[0]),
    )
    for number in range(n):
        draw = np.random.default_rng(number)
        request, choices = _request(catalogue, draw), _choices(draw)
        known = _known(request, draw)
        admission = admit(request, choices, catalogue.sensitive_classes, house.consent)
        decision = decide(request, admission, known, house)
        record = build_record(
            decision,
            request,
            known,
            house,
            decision_id=str(uuid.uuid4()),
            secret=draw.bytes(SALT_BYTES),
            response=b"{}",
            build="b" * 64,
        )
        yield StoredDecision(
            decision_id="",
            minute=request.now_ms // _MINUTE_MS,
            placement=request.placement.name,
            basis=word(decision.basis),
            outcome=decision.outcome.value,
            policy=base.version,
            model=None,
            header=record.header,
            body=record.body,
            subject_key=None,
            exposure=None,
            terms=terms_of(decision),
            tallies=tallies_of(decision, request.placement.name),
        )


def _catalogue() -> Catalogue:
    draw = np.random.default_rng(1)
    item_ids = tuple(f"item-{number:06d}" for number in range(N_ITEMS))
    return Catalogue(
        version="c" * 64,
        item_ids=item_ids,
        titles=tuple(f"Thing no. {number}" for number in range(N_ITEMS)),
        item_no=np.arange(1, N_ITEMS + 1),
        category=draw.integers(0, N_CATEGORIES, N_ITEMS).astype(np.int32),
        categories=tuple(f"Goods > Aisle {number:02d}" for number in range(N_CATEGORIES)),
        brand=draw.integers(0, 200, N_ITEMS).astype(np.int32),
        brands=tuple(f"Brand {number:03d}" for number in range(200)),
        price_minor=draw.integers(100, 9_000, N_ITEMS),
        currency="EUR",
        available=np.ones(N_ITEMS, np.bool_),
        tier=draw.choice(np.array([0, 0, 0, 0, 0, 0, 0, 1, 2, 3], np.int8), N_ITEMS),
        sensitive_class=np.full(N_ITEMS, NO_CODE, np.int16),
        sensitive_classes=("alcohol", "health"),
        age_restricted=draw.random(N_ITEMS) < 0.03,
        occasions=np.zeros(N_ITEMS, np.int32),
        unclassified=draw.random(N_ITEMS) < 0.1,
        sponsored=draw.random(N_ITEMS) < 0.1,
        pressing=np.zeros(N_ITEMS, np.bool_),
    )


def _model(folder: Path, catalogue: Catalogue) -> Recommender:
    draw = np.random.default_rng(2)
    others = np.sort(
        np.array([draw.choice(N_ITEMS - 1, N_EDGES, replace=False) for _ in range(N_ITEMS)]), axis=1
    )
    others += others >= np.arange(N_ITEMS)[:, np.newaxis]
    none = np.zeros(N_ITEMS, np.int32)
    arrays = ModelArrays(
        item_ids=catalogue.item_ids,
        indptr=np.arange(0, N_ITEMS * N_EDGES + 1, N_EDGES, dtype=np.int64),
        indices=others.ravel().astype(np.int32),
        weights=draw.integers(1 << 20, 1 << 30, others.size, np.int32),
        support=draw.choice(np.array([1, 5, 60, 200], np.int32), others.size, p=[0.03, 0.17, 0.3, 0.5]),
        row_source=none,
        popularity=draw.permutation(N_ITEMS).astype(np.int64) * WEIGHT_ONE,
        repeat=none,
        repeat_support=none,
        repeat_interval_days=none,
    )
    version = write_artefact(folder, arrays, Manifest(learner="cosine", n_customers=5_000))
    return Recommender(load_artefact(folder / version), catalogue)


def _request(catalogue: Catalogue, draw: np.random.Generator) -> Request:
    rare = draw.random() < _RARELY
    among = DEFAULT_PLACEMENTS if rare else [each for each in DEFAULT_PLACEMENTS if each.name in _USUAL]
    placement = among[draw.integers(len(among))]
    context = Context()
    if placement.anchored:
        page = int(draw.integers(N_ITEMS))
        context = Context(
            item_idx=page,
            basket=tuple(draw.integers(0, N_ITEMS, draw.integers(0, 3)).tolist()),
            categories=(int(catalogue.category[page]),),
        )
    on_site = Channel.APP if draw.random() < 0.3 else Channel.WEB
    return Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=placement,
        channel=_CHANNEL_OF.get(placement.name, on_site),
        count=min(int(draw.integers(3, 9)), placement.max_count),
        now_ms=NOW_MS - int(draw.integers(0, 90 * DAY_MS)),
        seed=draw.bytes(16),
        context=context,
        local_minute=int(draw.integers(0, 1_440)),
    )


def _choices(draw: np.random.Generator) -> Choices:
    events = [
        ConsentEvent(
            record_id=str(uuid.uuid4()),
            purpose=purpose,
            status=Status.CONSENT_GIVEN,
            at_ms=NOW_MS - 100 * DAY_MS,
            valid_until_ms=None,
            channels=None,
            data_categories=None,
            notice_id=None,
            notice_version="1",
            method="toggle",
            actor="data_subject",
            explicit=True,
            confirmed_override=False,
        )
        for purpose in _GIVEN
        if draw.random() < 0.85
    ]
    return Choices(replay(events))


def _known(request: Request, draw: np.random.Generator) -> Known:
    def did(n: int, kinds: Sequence[Kind], purpose: Purpose, days: int) -> Interactions:
        ages = draw.integers(1, days, n).tolist() if days else [0] * n
        items, chosen = draw.integers(0, N_ITEMS, n).tolist(), draw.choice(kinds, n).tolist()
        return Interactions.from_rows(
            [
                (0, item, kind, request.now_ms - age * DAY_MS - 60_000, Channel.WEB, purpose, 0, 0)
                for item, kind, age in zip(items, chosen, ages, strict=True)
            ]
        )

    shown = Exposures.of(
        Exposure(
            item_idx=int(draw.integers(N_ITEMS)),
            at_ms=request.now_ms - int(draw.integers(0, 20)) * DAY_MS,
            intent=Intent.CROSS_SELL,
            same_session=bool(draw.random() < 0.03),
            acted_on=bool(draw.random() < 0.1),
            decision=int(draw.integers(10)),
            interruptive=bool(draw.random() < 0.02),
            outbound=False,
        )
        for _ in range(60)
    )
    return Known(
        history=did(30, (Kind.PURCHASE, Kind.VIEW), Purpose.PROFILING, 300),
        session=did(4, (Kind.VIEW,), Purpose.LIMITED_CONTENT, 0),
        exposures=shown,
        reads=(("interactions", 34),),
    )
