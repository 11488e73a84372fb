"""Views built from plain words: one row a candidate, harmless unless a test says otherwise."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.vocabulary import Basis, Channel, Intent, Provenance, Source
from guardrails.admit import Admission, Muted
from guardrails.consent.permission import Denial, LawfulBasis, Permission
from guardrails.holding import Holding
from guardrails.request import (
    AgeAssurance,
    Context,
    Entry,
    Pattern,
    Placement,
    Presentation,
    Request,
    SubjectKind,
    Visit,
)
from guardrails.rules.base import MICRO, NEVER_DAYS, NO_EDGES, NOT_COUNTED, Judgement, View

CLASSES = ("alcohol", "health", "tobacco_nicotine", "bereavement", "parenthood", "pregnancy_fertility")
CATEGORIES = ("Candy", "Medicine", "Medicine > Tests")
BRANDS = ("Acme", "Umbrella")
N_MIXED = 60

_COLUMNS: dict[str, tuple[Any, Any]] = {
    "intent": (np.int8, Intent.SIMILAR),
    "source": (np.int8, Source.GOES_WITH),
    "from_history": (np.bool_, False),
    "from_visit": (np.bool_, False),
    "evidence_provenance": (np.int8, Provenance.OWN),
    "telling_lift_micro": (np.int64, 0),
    "evidence_tier": (np.int8, 0),
    "min_support": (np.int32, NO_EDGES),
    "min_sensitive_support": (np.int32, NO_EDGES),
    "evidence_age_micro": (np.int64, 0),
    "evidence_channel_other": (np.bool_, False),
    "same_item": (np.bool_, False),
    "same_kind": (np.bool_, False),
    "looked_at_days": (np.int32, NEVER_DAYS),
    "wanted": (np.bool_, False),
    "same_visit": (np.bool_, True),
    "stated": (np.bool_, False),
    "dismissed_nearby": (np.bool_, False),
    "near_muted_occasion": (np.bool_, False),
    "reason_available": (np.bool_, True),
    "outside_outreach": (np.bool_, False),
    "anchor_price_minor": (np.int64, 1000),
    "n_ignored_short": (np.int32, 0),
    "n_ignored_long": (np.int32, 0),
    "days_since_shown": (np.int32, NEVER_DAYS),
    "dismissed_days": (np.int32, NEVER_DAYS),
    "returned_days": (np.int32, NEVER_DAYS),
    "category_returned_days": (np.int32, NEVER_DAYS),
}
_CATALOGUE_COLUMNS: dict[str, tuple[Any, Any]] = {
    "category": (np.int32, 0),
    "brand": (np.int32, 0),
    "price_minor": (np.int64, 1000),
    "tier": (np.int8, 0),
    "sensitive_class": (np.int16, -1),
    "age_restricted": (np.bool_, False),
    "occasions": (np.int32, 0),
    "unclassified": (np.bool_, False),
    "sponsored": (np.bool_, False),
    "pressing": (np.bool_, False),
}
_SCALARS: dict[str, Any] = {
    "latent": False,
    "basket_minor": -1,
    "n_interruptive_session": 0,
    "n_interruptive_week": 0,
    "n_inline_upsells_session": 0,
    "n_upsell_steps_session": 0,
    "n_outbound_day": 0,
    "n_outbound_week": 0,
    "n_interruptive_dismissed_session": 0,
    "n_supported": 10,
    "top_score": 1 << 40,
    "usefulness_floor": 0,
    "noticed": True,
    "category_bound": False,
    "recent_category": -1,
    "basis": Basis.PROFILE,
}


def granted(purpose: str = "marketing.advertising.first_party.targeted") -> Permission:
    """A purpose that stands."""
    return Permission(purpose, permitted=True, because=None, basis=LawfulBasis.CONSENT)


def denied(because: Denial, purpose: str = "marketing.advertising.first_party.targeted") -> Permission:
    """A purpose that does not."""
    return Permission(purpose, permitted=False, because=because)


def a_placement(**overrides: Any) -> Placement:
    """A quiet place on a product page."""
    quiet = Placement(
        name="product_page",
        prominence_micro=300_000,
        interruptive=False,
        anchored=True,
        public=False,
        max_count=10,
        intents=frozenset(Intent),
    )
    return replace(quiet, **overrides)


def a_request(**overrides: Any) -> Request:
    """A logged-in customer on the shop's site."""
    usual = Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=a_placement(),
        channel=Channel.WEB,
        count=5,
        now_ms=1_700_000_000_000,
        seed=bytes(16),
    )
    return replace(usual, **overrides)


def an_admission(**overrides: Any) -> Admission:
    """A customer who agreed to everything but sensitive classes."""
    usual = Admission(
        permissions=(),
        covering=(),
        history=granted(),
        may_read_history=True,
        may_read_session=True,
        may_use_context=True,
        offers=granted(),
        outreach=None,
        age_assurance=AgeAssurance.UNKNOWN,
    )
    return replace(usual, **overrides)


def a_view(n: int = 1, *, page: dict[str, int] | None = None, **overrides: Any) -> View:
    """Build a view of ``n`` candidates; candidate i is catalogue row i.

    Args:
        n: how many candidates.
        page: catalogue columns of an item on the page (row ``n``); no page item when left out.
        **overrides: any column of the view or of the catalogue, a scalar for all candidates or a
            list; any field of the request, the placement or the admission (``non_profiled`` is said to
            both); ``occasion``, what the page is about.
    """
    given = dict(overrides)
    columns = {name: _column(given, name, n, how) for name, how in _COLUMNS.items()}
    catalogue = _catalogue(given, n, page)
    scalars = {name: given.pop(name, usual) for name, usual in _SCALARS.items()}
    placement = a_placement(**_taken(given, Placement))
    context = Context(item_idx=None if page is None else n, occasion=given.pop("occasion", None))
    non_profiled = given.pop("non_profiled", False)
    request = a_request(
        placement=placement, context=context, non_profiled=non_profiled, **_taken(given, Request)
    )
    admission = an_admission(non_profiled=non_profiled, **_taken(given, Admission))
    if given:
        raise TypeError(f"a view has no {sorted(given)}")
    return View(
        request=request,
        admission=admission,
        catalogue=catalogue,
        item_idx=np.arange(n, dtype=np.int32),
        **columns,
        **scalars,
    )


def a_view_of_nobody(n: int = 1, **overrides: Any) -> View:
    """Candidates that nothing is known of, for somebody nothing is known of: every input is missing.

    They are what sells well on a page of the shop, unless told otherwise.
    """
    unknown: dict[str, Any] = {
        "basis": Basis.POPULAR,
        "subject_kind": SubjectKind.NONE,
        "intent": Intent.POPULAR,
        "source": Source.POPULAR,
        "same_visit": False,
        "reason_available": False,
        "anchor_price_minor": UNKNOWN_PRICE,
        "category": NO_CODE,
        "brand": NO_CODE,
        "price_minor": UNKNOWN_PRICE,
        "unclassified": True,
        "n_interruptive_session": NOT_COUNTED,
        "n_interruptive_week": NOT_COUNTED,
        "n_outbound_day": NOT_COUNTED,
        "n_outbound_week": NOT_COUNTED,
        "n_supported": 0,
        "top_score": 0,
        "noticed": False,
        "history": denied(Denial.UNREADABLE),
        "offers": denied(Denial.UNREADABLE),
        "may_read_history": False,
        "may_read_session": False,
        "may_use_context": False,
    }
    return a_view(n, **{**unknown, **overrides})


def a_mixed_view(seed: int) -> View:
    """Candidates and a situation drawn by chance; every column varies, so does the situation."""
    rng = np.random.default_rng(seed)

    def flags():
        return rng.random(N_MIXED) < 0.4

    def days():
        return np.where(rng.random(N_MIXED) < 0.5, NEVER_DAYS, rng.integers(0, 200, N_MIXED))

    def support():
        return np.where(rng.random(N_MIXED) < 0.5, NO_EDGES, rng.integers(0, 40, N_MIXED))

    return a_view(
        N_MIXED,
        page={"category": 1, "sensitive_class": 1},
        intent=rng.choice(list(Intent), N_MIXED),
        source=rng.choice(list(Source), N_MIXED),
        from_history=flags(),
        evidence_tier=rng.integers(0, 4, N_MIXED),
        min_support=support(),
        min_sensitive_support=support(),
        evidence_age_micro=rng.integers(0, MICRO + 1, N_MIXED),
        evidence_channel_other=flags(),
        same_item=flags(),
        same_kind=flags(),
        from_visit=flags(),
        evidence_provenance=rng.choice(list(Provenance), N_MIXED),
        telling_lift_micro=rng.integers(0, 4 * MICRO, N_MIXED),
        looked_at_days=days(),
        wanted=flags(),
        dismissed_days=days(),
        same_visit=flags(),
        stated=flags(),
        dismissed_nearby=flags(),
        near_muted_occasion=flags(),
        reason_available=flags(),
        outside_outreach=flags(),
        anchor_price_minor=rng.integers(-1, 2000, N_MIXED),
        n_ignored_short=rng.integers(0, 5, N_MIXED),
        n_ignored_long=rng.integers(0, 7, N_MIXED),
        days_since_shown=days(),
        returned_days=days(),
        category_returned_days=days(),
        category=rng.integers(-1, 3, N_MIXED),
        price_minor=rng.integers(-1, 3000, N_MIXED),
        tier=rng.integers(0, 4, N_MIXED),
        sensitive_class=rng.integers(-1, len(CLASSES), N_MIXED),
        age_restricted=flags(),
        occasions=rng.integers(0, 8, N_MIXED),
        unclassified=flags(),
        sponsored=flags(),
        pressing=flags(),
        latent=bool(rng.integers(2)),
        basket_minor=int(rng.integers(-1, 5000)),
        n_inline_upsells_session=int(rng.integers(0, 8)),
        n_upsell_steps_session=int(rng.integers(0, 2)),
        n_interruptive_week=int(rng.integers(-1, 3)),
        channel=Channel(rng.choice([Channel.WEB, Channel.EMAIL, Channel.PUSH, Channel.IN_STORE])),
        outreach=rng.choice([None, granted(), denied(Denial.EXPIRED), denied(Denial.WITHDRAWN)]),
        offers=rng.choice([granted(), denied(Denial.PENDING), denied(Denial.NOTICE_OUTDATED)]),
        enrichment=rng.choice([None, granted(), denied(Denial.DENIED)]),
        pricing=rng.choice([None, granted(), denied(Denial.DENIED)]),
        muted=muted(occasions=["mothers_day"]) if rng.integers(2) else muted(),
        occasion=rng.choice([None, "mothers_day", "easter"]),
        gpc=bool(rng.integers(2)),
        public=bool(rng.integers(2)),
        interruptive=bool(rng.integers(2)),
        shared_audience=bool(rng.integers(2)),
        age_assurance=AgeAssurance(rng.choice(list(AgeAssurance))),
        sensitive_granted=frozenset({"health"}) if rng.integers(2) else frozenset(),
        basis=Basis(rng.choice(list(Basis)[1:])),
        n_supported=int(rng.integers(0, 6)),
        top_score=int(rng.integers(0, 100)),
        usefulness_floor=int(rng.integers(0, 50)),
        noticed=bool(rng.integers(2)),
        category_bound=bool(rng.integers(2)),
        recent_category=int(rng.integers(-1, 3)),
        n_interruptive_dismissed_session=int(rng.integers(0, 2)),
        holding=a_mixed_holding(rng),
        non_profiled=bool(rng.integers(2)),
        visit=Visit(
            n_pages=rng.choice([None, 1, 3, 4]),
            basket_after_s=rng.choice([None, 20, 120, 121]),
            entry=rng.choice([None, *Entry]),
        ),
        presentation=Presentation(
            patterns=frozenset(rng.choice(list(Pattern), rng.integers(0, 2)).tolist()),
            personalised_price=bool(rng.integers(2)),
            price_disclosed=bool(rng.integers(2)),
        ),
        local_minute=rng.choice([None, 0, 479, 480, 1259, 1260]),
    )


def a_mixed_holding(rng: np.random.Generator) -> Holding:
    """Something that is held back, drawn by chance."""
    return Holding(
        complaint_open=rng.random() < 0.2,
        complaint_closed_days=rng.choice([None, 0, 7, 8]),
        delivery_late=rng.random() < 0.2,
        payment_failed=rng.random() < 0.2,
        topics=rng.random() < 0.2,
        offers=rng.random() < 0.2,
        excluded=frozenset({"alcohol"}) if rng.integers(2) else frozenset(),
    )


def one_of(view: View, row: int) -> View:
    """The same view with one candidate left."""
    only = np.array([row])
    return replace(
        view, item_idx=view.item_idx[only], **{name: getattr(view, name)[only] for name in _COLUMNS}
    )


def none_of(view: View) -> View:
    """The same view with no candidate left."""
    return replace(view, item_idx=view.item_idx[:0], **{name: getattr(view, name)[:0] for name in _COLUMNS})


def columns_of(thing: View | Judgement) -> dict[str, np.ndarray]:
    """Copies of every array that a view (its catalogue's too) or a judgement holds."""
    arrays = {f.name: getattr(thing, f.name) for f in fields(thing)}
    if isinstance(thing, View):
        arrays |= {f"catalogue.{f.name}": getattr(thing.catalogue, f.name) for f in fields(Catalogue)}
    return {name: array.copy() for name, array in arrays.items() if isinstance(array, np.ndarray)}


def muted(**scopes: list[str]) -> Muted:
    """What is muted, by scope: items, brands, categories, classes, occasions."""
    return Muted(**{scope: frozenset(values) for scope, values in scopes.items()})


def _catalogue(given: dict[str, Any], n: int, page: dict[str, int] | None) -> Catalogue:
    columns = {name: _column(given, name, n, how) for name, how in _CATALOGUE_COLUMNS.items()}
    rows = n + 1
    for name, (dtype, usual) in _CATALOGUE_COLUMNS.items():
        columns[name] = np.append(columns[name], (page or {}).get(name, usual)).astype(dtype)
    item_ids = tuple(f"item-{row:05d}" for row in range(rows))
    return Catalogue(
        version="0" * 64,
        item_ids=item_ids,
        titles=item_ids,
        item_no=np.arange(rows, dtype=np.int64),
        categories=CATEGORIES,
        brands=BRANDS,
        currency="EUR",
        available=np.ones(rows, np.bool_),
        sensitive_classes=CLASSES,
        **columns,
    )


def _column(given: dict[str, Any], name: str, n: int, how: tuple[Any, Any]) -> np.ndarray:
    dtype, usual = how
    return np.broadcast_to(np.asarray(given.pop(name, usual), dtype), (n,)).copy()


def _taken(given: dict[str, Any], record: type) -> dict[str, Any]:
    names = [f.name for f in fields(record) if f.name in given]
    return {name: given.pop(name) for name in names}
