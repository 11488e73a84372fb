"""What hypothesis draws decisions from: requests, choices, and things a customer did.

``things`` are admissible by construction in an ``agreeing`` scene; every flaw of ``HISTORY_FLAWS`` and
``SESSION_FLAWS`` spoils exactly one property of them, so that they are inadmissible by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from support import shops
from support.shops import NOW_MS, OFFERS, PLACEMENTS, PROFILED, PROFILING, STORAGE, did, just_did

from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent, Kind, Provenance
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Status
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key, sensitive_key
from guardrails.decide import Decision, decide
from guardrails.holding import Hold, HoldKind
from guardrails.house import House
from guardrails.messages import LANGUAGES
from guardrails.policy.limits import EvidenceLimits, Limits, ScoreLimits
from guardrails.request import (
    AgeAssurance,
    Choices,
    Context,
    Entry,
    Known,
    Mute,
    MuteScope,
    Pattern,
    Presentation,
    Request,
    SubjectKind,
    Visit,
)

NAMED_CHANNELS = frozenset({Channel.WEB, Channel.APP})
NAMED_DATA = frozenset(
    {"user.behavior.purchase_history", "user.behavior.browsing_history", "user.behavior.returns"}
)
MUTES = (
    Mute(MuteScope.ITEM, "milk-0", None),
    Mute(MuteScope.BRAND, "Umbrella", NOW_MS + DAY_MS),
    Mute(MuteScope.CATEGORY, "Pharmacy", None),
    Mute(MuteScope.SENSITIVE_CLASS, "sexual_health", None),
    Mute(MuteScope.ITEM, "bread-0", NOW_MS),  # has ended: mutes nothing
)
HOLDS = tuple(
    Hold(kind, "alcohol" if kind is HoldKind.EXCLUSION else "", NOW_MS - 9 * DAY_MS, until_ms)
    for kind in HoldKind
    for until_ms in (None, NOW_MS - 8 * DAY_MS, NOW_MS - 7 * DAY_MS, NOW_MS, NOW_MS + 1)
)
MUTED = ("cream-0", "milk-0", "soap-3", "test-1")
SENSITIVE = ("beer-0", "beer-1", "beer-2")
SENSITIVE_AGREED = ("cigar-0", "cigar-1")
USABLE = (
    "bread-0",
    "bread-1",
    "bread-4",
    "cigar-0",
    "lamp-0",
    "lamp-2",
    "milk-1",
    "milk-2",
    "milk-4",
    "mystery-0",
)

WATCHFUL = Limits(
    score=ScoreLimits(show_micro=100_000, with_reason_micro=160_000, generalise_micro=1_000_000)
)
"""Limits under which much is too exact as it stands, so that categories and brands stand in for it."""

_LIMITS = EvidenceLimits()
_MAX_AGE_DAYS = {
    Kind.VIEW: _LIMITS.view_days,
    Kind.PURCHASE: _LIMITS.purchase_days,
    Kind.RETURN: _LIMITS.return_days,
}


@dataclass(frozen=True)
class Scene:
    """All that a decision is made from."""

    request: Request
    choices: Choices
    known: Known
    house: House

    def decide(self, known: Known | None = None) -> Decision:
        admission = shops.an_admission(self.request, self.choices, self.house)
        return decide(self.request, admission, known or self.known, self.house)

    def slate(self, known: Known | None = None) -> bytes:
        """Return everything said and considered, as bytes: all but what was counted as kept out."""
        decision = self.decide(known)
        sections = shops.sections_of(shops.recorded(decision, self.request, known or self.known, self.house))
        said = [sections[name] for name in ("req", "cand", "rules", "out")]
        return b"\n".join([*said, repr(decision.suggestions).encode()])


def things(**spoilt: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw one thing from the customer's past; admissible but for what is spoilt."""
    usual: dict[str, st.SearchStrategy[Any]] = {
        "item": st.sampled_from(USABLE),
        "kind": st.sampled_from([Kind.PURCHASE, Kind.PURCHASE, Kind.VIEW, Kind.RETURN]),
        "age_days": st.integers(1, 29),
        "channel": st.sampled_from(sorted(NAMED_CHANNELS)),
        "purpose": st.just(Purpose.PROFILING),
        "is_gift": st.just(False),
    }
    return st.builds(did, **{**usual, **spoilt})


def doings(**spoilt: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw one thing of this visit; admissible but for what is spoilt."""
    usual: dict[str, st.SearchStrategy[Any]] = {
        "item": st.sampled_from(USABLE),
        "kind": st.sampled_from([Kind.VIEW, Kind.CART, Kind.REMOVE_FROM_CART, Kind.RETURN]),
        "age_ms": st.integers(0, 11 * 3_600_000),
        "purpose": st.sampled_from([Purpose.LIMITED_CONTENT, Purpose.PROFILING]),
    }
    return st.builds(just_did, **{**usual, **spoilt})


@st.composite
def _too_old(draw: st.DrawFn) -> tuple[int, ...]:
    kind = draw(st.sampled_from(sorted(_MAX_AGE_DAYS)))
    return draw(
        things(kind=st.just(kind), age_days=st.integers(1, 400).map(lambda days: _MAX_AGE_DAYS[kind] + days))
    )


HISTORY_FLAWS: dict[str, st.SearchStrategy[tuple[int, ...]]] = {
    "collected for something else": things(purpose=st.sampled_from([*set(Purpose) - {Purpose.PROFILING}])),
    "collected through a channel that the grant does not name": things(
        channel=st.sampled_from([*set(Channel) - NAMED_CHANNELS])
    ),
    "data that the grant does not name": things(
        kind=st.sampled_from([Kind.CART, Kind.WISHLIST, Kind.RATING])
    ),
    "sensitive without the consent of its class": things(item=st.sampled_from(SENSITIVE)),
    "sensitive and more than a month old": things(
        item=st.sampled_from(SENSITIVE_AGREED), kind=st.just(Kind.PURCHASE), age_days=st.integers(31, 300)
    ),
    "a gift": things(is_gift=st.just(True)),
    "muted": things(item=st.sampled_from(MUTED)),
    "from a sister shop without consent to that": things(provenance=st.just(Provenance.SISTER)),
    "from another device or a third party without consent to that": things(
        provenance=st.sampled_from([Provenance.LINKED, Provenance.THIRD_PARTY])
    ),
    "too old": _too_old(),
    "about an item that nobody sells": things(item=st.just(-1)),
}

SESSION_FLAWS: dict[str, st.SearchStrategy[tuple[int, ...]]] = {
    "collected for something else": doings(
        purpose=st.sampled_from([*set(Purpose) - {Purpose.LIMITED_CONTENT, Purpose.PROFILING}])
    ),
    "sensitive without the consent of its class": doings(item=st.sampled_from(SENSITIVE)),
    "a gift": doings(is_gift=st.just(True)),
    "muted": doings(item=st.sampled_from(MUTED)),
    "from a sister shop without consent to that": doings(provenance=st.just(Provenance.SISTER)),
    "of an earlier visit": doings(age_ms=st.integers(12 * 3_600_000 + 1, 30 * DAY_MS)),
    "about an item that nobody sells": doings(item=st.just(-1)),
}


def _gone(purpose: str, status: Status = Status.CONSENT_WITHDRAWN, **more: Any) -> ConsentEvent:
    return shops.an_event(purpose, status, **more)


_LAPSED = {"at_ms": NOW_MS - 500 * DAY_MS}

NO_HISTORY: dict[str, tuple[ConsentEvent, ...]] = {
    "never given": (_gone(PROFILING, Status.CONSENT_REQUESTED),),
    "refused": (_gone(PROFILING, Status.CONSENT_REFUSED),),
    "expired": (_gone(PROFILING, Status.CONSENT_GIVEN, **_LAPSED),),
    "withdrawn": (_gone(PROFILING),),
    "objected to": (_gone(PROFILED, Status.OBJECTION_RAISED),),
    "only to keep it": (_gone(PROFILED, Status.CONSENT_REFUSED),),
    "for another channel": (_gone(PROFILED, Status.CONSENT_GIVEN, channels=frozenset({Channel.IN_STORE})),),
    "restricted": (_gone(WHOLE_SUBJECT, Status.RESTRICTED),),
}
"""Choices under which nothing of the customer's past is evidence, by what stands in the way."""

NO_SESSION: dict[str, tuple[ConsentEvent, ...]] = {
    "storage refused": (_gone(STORAGE, Status.CONSENT_REFUSED),),
    "storage expired": (_gone(STORAGE, Status.CONSENT_GIVEN, **_LAPSED),),
    "objected to": (_gone(shops.LIMITED, Status.OBJECTION_RAISED),),
}

_PROFILING_GRANT = shops.an_event(PROFILING, channels=NAMED_CHANNELS, data_categories=NAMED_DATA)
_AGREED = {
    STORAGE: shops.an_event(STORAGE),
    PROFILING: _PROFILING_GRANT,
    PROFILED: shops.an_event(PROFILED),
    OFFERS: shops.an_event(OFFERS),
    sensitive_key("tobacco_nicotine"): shops.an_event(sensitive_key("tobacco_nicotine")),
}


def agreeing(*but: ConsentEvent, **more: Any) -> Choices:
    """A customer who agreed to everything on the site, within limits, and muted a few things."""
    events = _AGREED | {event.purpose: event for event in but}
    return Choices(ledger=shops.replay(events.values()), mutes=MUTES, **more)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw what may be asked on the site itself for a logged-in customer."""
    placement = PLACEMENTS[
        draw(st.sampled_from(["home", "product_page", "cart", "search", "modal", "in_store"]))
    ]
    page = draw(st.none() | st.sampled_from(["lamp-1", "bread-1", "beer-1", "mystery-1", "cream-1"]))
    basket = draw(st.lists(st.sampled_from(["soap-0", "milk-3", "test-0", "lamp-0"]), max_size=2))
    context = Context(basket=tuple(shops.idx(item) for item in basket))
    return shops.a_request(
        placement=placement.name,
        context=context if page is None else shops.on_page(page, *basket),
        count=draw(st.integers(1, 6)),
        channel=draw(st.sampled_from([Channel.WEB, Channel.APP])),
        shared_device=draw(st.booleans()),
        recognised_only=draw(st.booleans()),
        language=draw(st.sampled_from(LANGUAGES)),
    )


def exposures(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a suggestion that was shown before."""
    usual: dict[str, st.SearchStrategy[Any]] = {
        "item": st.sampled_from(shops.a_catalogue().item_ids),
        "at_ms": st.integers(0, 40).map(lambda days: NOW_MS - days * DAY_MS),
        "intent": st.sampled_from(Intent),
        "same_session": st.booleans(),
        "acted_on": st.booleans(),
        "decision": st.integers(1, 4),
        "interruptive": st.booleans(),
        "outbound": st.booleans(),
        "dismissed": st.booleans(),
    }
    return st.builds(shops.was_shown, **{**usual, **given})


def readings(max_size: int = 8) -> st.SearchStrategy[Known]:
    """Draw what was read: admissible things and flawed ones side by side, and often enough to go by."""
    return st.builds(
        shops.knowing,
        history=_with(shops.REGULAR, things() | st.one_of(*HISTORY_FLAWS.values()), max_size),
        session=_with(shops.STROLLING, doings() | st.one_of(*SESSION_FLAWS.values()), 3),
        exposures=st.lists(exposures(), max_size=4),
    )


def _with(
    enough: tuple[tuple[int, ...], ...], each: st.SearchStrategy[tuple[int, ...]], max_size: int
) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Draw a list that starts with ``enough`` in one case of two."""
    some = st.lists(each, max_size=max_size)
    return some | some.map(lambda found: [*enough, *found])


@st.composite
def scenes(draw: st.DrawFn, choices: Choices | None = None) -> Scene:
    """Draw a decision to be made, for a customer who agreed unless told otherwise."""
    return Scene(
        request=draw(requests()),
        choices=choices or agreeing(),
        known=draw(readings()),
        house=shops.a_house(),
    )


@st.composite
def watchful_scenes(draw: st.DrawFn) -> Scene:
    """Draw a decision of a shop to which much is too exact, for a customer with a past."""
    lately = things(kind=st.just(Kind.PURCHASE), age_days=st.integers(1, 9), channel=st.just(Channel.WEB))
    request = draw(requests())
    return Scene(
        request=replace(
            request,
            placement=PLACEMENTS["home"],
            channel=Channel.WEB,
            context=draw(st.sampled_from([Context(), request.context])),
            recognised_only=False,
            shared_device=False,
        ),
        choices=agreeing(),
        known=shops.knowing(
            draw(st.lists(lately, min_size=4, max_size=8)), exposures=draw(st.lists(exposures(), max_size=2))
        ),
        house=shops.a_house(WATCHFUL, n_considered=draw(st.integers(2, 6))),
    )


@st.composite
def any_choices(draw: st.DrawFn) -> Choices:
    """Draw any mixture of consents, none and all of them included."""
    denied = [event for events in (*NO_HISTORY.values(), *NO_SESSION.values()) for event in events]
    contacts = [
        shops.an_event(communications_key(Channel.EMAIL)),
        shops.an_event(communications_key(Channel.PUSH)),
    ]
    classes = [shops.an_event(sensitive_key(name)) for name in shops.CLASSES]
    offers = [shops.an_event(OFFERS, Status.CONSENT_REFUSED), shops.an_event(OFFERS, **_LAPSED)]
    others = [shops.an_event(KEY_OF[each]) for each in (Purpose.ENRICHMENT, Purpose.PERSONALISED_PRICE)]
    events = draw(st.lists(st.sampled_from([*denied, *contacts, *classes, *offers, *others]), max_size=5))
    choices = agreeing(
        *events,
        age_assurance=draw(st.sampled_from(AgeAssurance)),
        shared_device=draw(st.booleans()),
        jurisdiction=draw(st.sampled_from([None, "DK", "US-WA"])),
    )
    occasions = draw(st.sampled_from([(), (Mute(MuteScope.OCCASION, "mothers_day", None),)]))
    return replace(
        choices,
        mutes=draw(st.sampled_from([(), MUTES])) + occasions,
        non_profiled=draw(st.booleans()),
        holds=tuple(draw(st.lists(st.sampled_from(HOLDS), max_size=2))),
    )


def visits() -> st.SearchStrategy[Visit]:
    """Draw how a visit has gone so far, as far as the shop says."""
    return st.builds(
        Visit,
        n_pages=st.sampled_from([None, 1, 3, 4]),
        basket_after_s=st.sampled_from([None, 20, 120, 121]),
        entry=st.sampled_from([None, *Entry]),
    )


def presentations() -> st.SearchStrategy[Presentation]:
    """Draw what is going to stand around the suggestions."""
    patterns = st.frozensets(st.sampled_from(Pattern), max_size=1)
    return st.builds(Presentation, patterns, st.booleans(), st.booleans())


@st.composite
def any_scenes(draw: st.DrawFn) -> Scene:
    """Draw any decision at all: any subject, placement, channel, choices and reading."""
    asked, placement = draw(requests()), draw(st.sampled_from(sorted(PLACEMENTS)))
    request = replace(
        asked,
        context=replace(asked.context, occasion=draw(st.sampled_from([None, "mothers_day", "easter"]))),
        visit=draw(visits()),
        presentation=draw(st.sampled_from([Presentation(), draw(presentations())])),
        local_minute=draw(st.sampled_from([None, 0, 479, 480, 1259, 1260])),
        placement=PLACEMENTS[placement],
        subject_kind=draw(st.sampled_from(SubjectKind)),
        channel=draw(st.sampled_from(Channel)),
        gpc=draw(st.booleans()),
        non_profiled=draw(st.integers(0, 4)) == 0,
    )
    houses = [shops.a_house(), shops.a_house(n_considered=5), shops.a_house_without_a_model()]
    return Scene(request, draw(any_choices()), draw(readings()), draw(st.sampled_from(houses)))
