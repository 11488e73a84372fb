"""A small shop with everything in it: all tiers and classes, gaps in the data, a real model.

Thirty-odd items, a recommender loaded from an artefact, and builders for what a decision reads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np

from engine.artefact import Manifest, ModelArrays, load_artefact, write_artefact
from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.interactions import DAY_MS, WEIGHT_ONE, Interactions
from engine.serving.recommender import NoModel, Recommender
from engine.vocabulary import Channel, Intent, Kind, Provenance
from guardrails.admit import Admission, admit
from guardrails.consent.events import ConsentEvent, Status
from guardrails.consent.ledger import Ledger, replay
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.decide import Decision, decide
from guardrails.exposures import Exposure, Exposures
from guardrails.house import House
from guardrails.log.record import SALT_BYTES, Record, build_record, open_body
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.policy.document import to_document, version_of
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits
from guardrails.request import Choices, Context, Known, Request, SubjectKind

NOW_MS = 20_000 * DAY_MS + 12 * 3_600_000
"""Noon, so that an hour more or less is the same day."""

PLACEMENTS = {placement.name: placement for placement in DEFAULT_PLACEMENTS}

STORAGE, LIMITED = KEY_OF[Purpose.FUNCTIONAL_STORAGE], KEY_OF[Purpose.LIMITED_CONTENT]
PROFILING, PROFILED = KEY_OF[Purpose.PROFILING], KEY_OF[Purpose.PROFILED_CONTENT]
OFFERS = KEY_OF[Purpose.TARGETED_OFFERS]
EVERYTHING = (STORAGE, PROFILING, PROFILED, OFFERS)
"""What a customer agrees to who agrees to all that is asked on the site itself."""

CLASSES = ("alcohol", "sexual_health", "tobacco_nicotine", "weight_body")
CATEGORIES = ("Drink", "Drink > Beer", "Food > Bread", "Food > Dairy", "Home", "Pharmacy", "Pharmacy > Tests")
BRANDS = ("Acme", "Globex", "Umbrella")

# Family, how many, category, brand, price of the first, tier, class, for adults only.
_FAMILIES: tuple[tuple[str, int, int, int, int, int, int, bool], ...] = (
    ("beer", 3, 1, 0, 150, 2, 0, True),
    ("bread", 5, 2, 0, 200, 0, NO_CODE, False),
    ("cigar", 2, 0, 1, 900, 2, 2, True),
    ("cream", 3, 5, 1, 500, 1, 3, False),
    ("lamp", 4, 4, 1, 3000, 0, NO_CODE, False),
    ("milk", 5, 3, 1, 100, 0, NO_CODE, False),
    ("mystery", 2, NO_CODE, NO_CODE, UNKNOWN_PRICE, 0, NO_CODE, False),
    ("soap", 4, 4, 2, 250, 0, NO_CODE, False),
    ("test", 3, 6, 2, 700, 3, 1, False),
    ("wool", 2, 4, NO_CODE, 400, 0, NO_CODE, False),
)
_SOLD_OUT = frozenset({"bread-4", "lamp-3"})
_DUE_AFTER_DAYS = {"bread": 14, "milk": 7, "beer": 10}


@cache
def a_catalogue() -> Catalogue:
    """The shop's items, prices rising within a family by a fifth at a time."""
    rows = [(family, number) for family in _FAMILIES for number in range(family[1])]
    item_ids = tuple(f"{family[0]}-{number}" for family, number in rows)
    return Catalogue(
        version="c" * 64,
        item_ids=item_ids,
        titles=tuple(f"{family[0].title()} no. {number}" for family, number in rows),
        item_no=np.arange(1, len(rows) + 1, dtype=np.int64) * 10,
        category=np.array([family[2] for family, _ in rows], np.int32),
        categories=CATEGORIES,
        brand=np.array([family[3] for family, _ in rows], np.int32),
        brands=BRANDS,
        price_minor=np.array([_price(family[4], number) for family, number in rows], np.int64),
        currency="EUR",
        available=np.array([item_id not in _SOLD_OUT for item_id in item_ids], np.bool_),
        tier=np.array([family[5] for family, _ in rows], np.int8),
        sensitive_class=np.array([family[6] for family, _ in rows], np.int16),
        sensitive_classes=CLASSES,
        age_restricted=np.array([family[7] for family, _ in rows], np.bool_),
        occasions=np.array([family[0] == "lamp" for family, _ in rows], np.int32),
        unclassified=np.array([family[0] == "mystery" for family, _ in rows], np.bool_),
        sponsored=np.zeros(len(rows), np.bool_),
        pressing=np.zeros(len(rows), np.bool_),
    )


def _price(first: int, number: int) -> int:
    return UNKNOWN_PRICE if first == UNKNOWN_PRICE else first + first * number // 5


def idx(item_id: str) -> int:
    """Catalogue row of an item."""
    return a_catalogue().idx_of_id[item_id]


@cache
def a_recommender() -> Recommender:
    """A real model: two items in three go together, some of them for very few customers."""
    item_ids = a_catalogue().item_ids
    n_items = len(item_ids)
    rng = np.random.default_rng(20)
    linked = (rng.random((n_items, n_items)) < 0.66) & ~np.eye(n_items, dtype=np.bool_)
    due_after = [_DUE_AFTER_DAYS.get(item_id.split("-")[0], 0) for item_id in item_ids]
    popularity = rng.permutation(n_items).astype(np.int64) * WEIGHT_ONE
    n_edges = int(linked.sum())
    arrays = ModelArrays(
        item_ids=item_ids,
        indptr=np.concatenate([[0], np.cumsum(linked.sum(axis=1))]).astype(np.int64),
        indices=np.nonzero(linked)[1].astype(np.int32),
        weights=rng.integers(1 << 20, 1 << 30, n_edges, np.int32),
        support=rng.choice(np.array([1, 5, 60, 200], np.int32), n_edges, p=[0.03, 0.17, 0.3, 0.5]),
        row_source=np.zeros(len(item_ids), np.int32),
        popularity=popularity,
        repeat=np.array([1 << 28 if days else 0 for days in due_after], np.int32),
        repeat_support=np.array([80 if days else 0 for days in due_after], np.int32),
        repeat_interval_days=np.array(due_after, np.int32),
    )
    with tempfile.TemporaryDirectory() as root:
        version = write_artefact(root, arrays, Manifest(learner="cosine", n_customers=500))
        return Recommender(load_artefact(f"{root}/{version}"), a_catalogue())


def a_house(limits: Limits | None = None, **overrides: Any) -> House:
    """The shop under the default policy."""
    limits = limits or Limits()
    usual = House(
        recommender=a_recommender(),
        catalogue=a_catalogue(),
        limits=limits,
        policy_version=version_of(to_document(Policy(limits=limits))),
    )
    return replace(usual, **overrides)


def a_house_without_a_model() -> House:
    """The shop before its first training."""
    return a_house(recommender=NoModel(a_catalogue()))


def an_empty_house() -> House:
    """A shop that sells nothing yet."""
    rows = np.zeros(len(a_catalogue().item_ids), np.bool_)
    columns = {name: getattr(a_catalogue(), name)[rows] for name in _CATALOGUE_COLUMNS}
    nothing = replace(a_catalogue(), item_ids=(), titles=(), **columns)
    return a_house(catalogue=nothing, recommender=NoModel(nothing))


_CATALOGUE_COLUMNS = (
    "item_no",
    "category",
    "brand",
    "price_minor",
    "available",
    "tier",
    "sensitive_class",
    "age_restricted",
    "occasions",
    "unclassified",
    "sponsored",
    "pressing",
)


def a_request(placement: str = "home", **overrides: Any) -> Request:
    """A logged-in customer on the shop's site."""
    usual = Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=PLACEMENTS[placement],
        channel=Channel.WEB,
        count=4,
        now_ms=NOW_MS,
        seed=bytes(range(16)),
    )
    return replace(usual, **overrides)


def on_page(item_id: str, *basket: str) -> Context:
    """The page of an item, with a basket."""
    category = int(a_catalogue().category[idx(item_id)])
    return Context(
        item_idx=idx(item_id),
        basket=tuple(idx(each) for each in basket),
        categories=() if category == NO_CODE else (category,),
    )


def an_event(purpose: str, status: Status = Status.CONSENT_GIVEN, **overrides: Any) -> ConsentEvent:
    """One choice of a customer, made ten days ago."""
    usual = ConsentEvent(
        record_id=f"consent-{purpose}",
        purpose=purpose,
        status=status,
        at_ms=NOW_MS - 10 * DAY_MS,
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
    return replace(usual, **overrides)


def a_ledger(*purposes: str, but: Iterable[ConsentEvent] = ()) -> Ledger:
    """A customer who agreed to ``purposes``; the events of ``but`` replace what they are about."""
    events = {purpose: an_event(purpose) for purpose in purposes} | {event.purpose: event for event in but}
    return replay(events.values())


def an_admission(request: Request, choices: Choices | None = None, house: House | None = None) -> Admission:
    """What the customer's choices permit; to everything on the site unless told otherwise."""
    house = house or a_house()
    choices = choices or Choices(a_ledger(*EVERYTHING))
    return admit(request, choices, house.catalogue.sensitive_classes, house.consent)


def decided(
    request: Request, choices: Choices | None = None, known: Known | None = None, house: House | None = None
) -> Decision:
    """Admit and decide in one go."""
    house = house or a_house()
    return decide(request, an_admission(request, choices, house), known or Known.nothing(), house)


def recorded(
    decision: Decision,
    request: Request,
    known: Known | None = None,
    house: House | None = None,
    **overrides: Any,
) -> Record:
    """The record of a decision, its salts and its id always the same."""
    given: dict[str, Any] = {
        "decision_id": "00000000-0000-4000-8000-000000000000",
        "secret": bytes(SALT_BYTES),
        "response": b"{}",
        "build": "b" * 64,
    }
    return build_record(
        decision, request, known or Known.nothing(), house or a_house(), **{**given, **overrides}
    )


def sections_of(record: Record) -> Mapping[str, bytes]:
    """The five sections of a record, without its salts."""
    return open_body(record.body)[1]


def did(
    item: str | int,
    kind: Kind = Kind.PURCHASE,
    *,
    age_days: int = 5,
    age_ms: int = 0,
    channel: Channel = Channel.WEB,
    purpose: Purpose = Purpose.PROFILING,
    is_gift: bool = False,
    provenance: Provenance = Provenance.OWN,
) -> tuple[int, ...]:
    """One thing a customer did, as a row of ``Interactions``."""
    item_idx = idx(item) if isinstance(item, str) else item
    at_ms = NOW_MS - age_days * DAY_MS - age_ms
    return (0, item_idx, int(kind), at_ms, int(channel), int(purpose), int(is_gift), int(provenance))


def just_did(item: str | int, kind: Kind = Kind.VIEW, **more: Any) -> tuple[int, ...]:
    """One thing a visitor did a minute ago, kept for this visit only."""
    return did(item, kind, **{"age_days": 0, "age_ms": 60_000, "purpose": Purpose.LIMITED_CONTENT, **more})


REGULAR = (did("bread-0"), did("milk-1"), did("soap-0"))
"""The past of a customer of whom the model knows enough to speak from it, and not one piece more."""

STROLLING = (just_did("soap-0"), just_did("wool-0"), just_did("lamp-1"))
"""The same of a visit."""


def knowing(
    history: Iterable[tuple[int, ...]] = (),
    session: Iterable[tuple[int, ...]] = (),
    exposures: Iterable[Exposure] = (),
) -> Known:
    """What the edge read."""
    return Known(
        history=Interactions.from_rows(list(history)),
        session=Interactions.from_rows(list(session)),
        exposures=Exposures.of(exposures),
        reads=(("interactions", 1),),
    )


def each_shown(exposures: Exposures) -> list[Exposure]:
    """Every suggestion that was shown, one by one."""
    columns = (getattr(exposures, each.name).tolist() for each in fields(Exposures))
    return [Exposure(*row) for row in zip(*columns, strict=True)]


def was_shown(item: str | int, **overrides: Any) -> Exposure:
    """One suggestion of an earlier visit that was not acted on."""
    usual = Exposure(
        item_idx=idx(item) if isinstance(item, str) else item,
        at_ms=NOW_MS - 2 * DAY_MS,
        intent=Intent.SIMILAR,
        same_session=False,
        acted_on=False,
        decision=1,
        interruptive=False,
        outbound=False,
    )
    return replace(usual, **overrides)
