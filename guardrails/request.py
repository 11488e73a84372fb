"""What was asked, and what the edge read to answer it: the inputs of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.interactions import Interactions
from engine.vocabulary import Channel, Intent
from guardrails.consent.ages import AgeBand
from guardrails.consent.check import Question
from guardrails.consent.ledger import Ledger
from guardrails.exposures import NONE_SHOWN, Exposures
from guardrails.holding import Hold
from guardrails.messages import SOURCE

OVERHEARD = (
    Channel.SMS,
    Channel.PUSH,
    Channel.POST,
    Channel.PHONE,
    Channel.IN_STORE,
    Channel.OFFSITE_ADS,
)
"""Channels that end where others may look on or listen in."""


class SubjectKind(StrEnum):
    """Whom a decision is for."""

    ACCOUNT = "account"
    DEVICE = "device"
    SESSION = "session"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where suggestions are shown.

    Attributes:
        name: the placement's name, e.g. ``"product_page"``.
        prominence_micro: how obtrusive it is, 0 to 1,000,000 (the creepiness score's placement term).
        interruptive: whether it stops the customer (modal, push, checkout overlay).
        anchored: whether what is shown there goes with a page item or a basket, and so sells on.
        public: whether others than the customer may see it (lock screen, post, in-store screen).
        max_count: most suggestions it holds.
        intents: intents that may appear there.
    """

    name: str
    prominence_micro: int
    interruptive: bool
    anchored: bool
    public: bool
    max_count: int
    intents: frozenset[Intent]


@dataclass(frozen=True, slots=True)
class Context:
    """What the page itself says; nobody's data.

    Attributes:
        item_idx: catalogue row of the item on the page, if the page shows one.
        basket: catalogue rows in the basket, in the order given.
        categories: codes of the categories the page is about: the page item's own, or those that a
            search matched.
        occasion: name of the occasion that the page or the message is about, such as a feast.
    """

    item_idx: int | None = None
    basket: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    occasion: str | None = None

    @property
    def anchors(self) -> tuple[int, ...]:
        """The page item and the basket, page item first, no row twice."""
        page = () if self.item_idx is None else (self.item_idx,)
        return tuple(dict.fromkeys(page + self.basket))


class Entry(StrEnum):
    """How a visit began, as the shop tells it."""

    HOME = "home"
    CATEGORY = "category"
    SEARCH = "search"
    EXACT_SEARCH = "exact_search"
    PRODUCT = "product"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True)
class Visit:
    """What the shop tells of the visit so far; ``None`` where it does not say.

    Attributes:
        n_pages: pages opened, this one included.
        basket_after_s: seconds from the first page to the first thing put into the basket.
        entry: how the visit began; ``EXACT_SEARCH`` is a search for one certain product.
    """

    n_pages: int | None = None
    basket_after_s: int | None = None
    entry: Entry | None = None


class Pattern(StrEnum):
    """Ways of presenting suggestions that press (DSA 25; UCPD annex I)."""

    UNVERIFIED_SCARCITY = "unverified_scarcity"
    UNVERIFIED_URGENCY = "unverified_urgency"
    PRESELECTED = "preselected"
    REPEATED_PROMPT = "repeated_prompt"
    GUILT = "guilt"


@dataclass(frozen=True, slots=True)
class Presentation:
    """What the shop is going to put around the suggestions.

    Attributes:
        patterns: ways of presenting that it says it uses.
        personalised_price: prices were set for this customer alone.
        price_disclosed: it is said beside the price that it was (CRD 6(1)(ea)).
    """

    patterns: frozenset[Pattern] = frozenset()
    personalised_price: bool = False
    price_disclosed: bool = False


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where a list goes on that began with another decision.

    Attributes:
        decision_id: the decision that it goes on from.
        before: ids of the items that were shown on all pages before, in the order shown.
    """

    decision_id: str
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One call for suggestions, with the clock and the seed it is answered under.

    Attributes:
        subject_kind: whom it is for.
        placement: where the slate is shown.
        channel: through which channel.
        count: most suggestions wanted, at least 1.
        now_ms: the clock: milliseconds since the epoch.
        seed: 16 bytes all randomness derives from.
        context: page, basket, categories.
        non_profiled: the customer asked for suggestions without a profile.
        gpc: the ``Sec-GPC: 1`` header was sent (Global Privacy Control).
        shared_device: the shop says others use this device or account.
        recognised_only: the customer is recognised but not logged in.
        language: which language reasons are given in, one of ``guardrails.messages.LANGUAGES``.
        visit: how the visit has gone so far.
        presentation: what is going to stand around the suggestions.
        local_minute: minute of the day where the customer is, 0 to 1439; ``None`` where not known.
        within: category paths to keep to, with all below them; empty for the whole shop.
        continues: the list that this is a further page of; ``None`` for a new one.
    """

    subject_kind: SubjectKind
    placement: Placement
    channel: Channel
    count: int
    now_ms: int
    seed: bytes
    context: Context = field(default_factory=Context)
    non_profiled: bool = False
    gpc: bool = False
    shared_device: bool = False
    recognised_only: bool = False
    language: str = SOURCE
    visit: Visit = field(default_factory=Visit)
    presentation: Presentation = field(default_factory=Presentation)
    local_minute: int | None = None
    within: tuple[str, ...] = ()
    continues: Continuation | None = None

    @property
    def shown_before(self) -> tuple[str, ...]:
        """Ids of the items that earlier pages of the same list have shown."""
        return () if self.continues is None else self.continues.before

    @property
    def overheard(self) -> bool:
        """Whether the place or the channel lets others look on or listen in."""
        return self.placement.public or self.channel in OVERHEARD


class MuteScope(StrEnum):
    """What a mute covers."""

    ITEM = "item"
    BRAND = "brand"
    CATEGORY = "category"
    SENSITIVE_CLASS = "sensitive_class"
    OCCASION = "occasion"


@dataclass(frozen=True, slots=True)
class Mute:
    """One thing a customer does not want to see.

    Attributes:
        scope: what kind of thing.
        value: item id, brand name, category path (covers everything below it), class name or name
            of an occasion.
        until_ms: when it ends; ``None`` until the customer lifts it.
    """

    scope: MuteScope
    value: str
    until_ms: int | None


class AgeAssurance(StrEnum):
    """What the shop knows of a customer's age."""

    UNKNOWN = "unknown"
    SELF_DECLARED_ADULT = "self_declared_adult"
    VERIFIED_ADULT = "verified_adult"
    MINOR = "minor"


@dataclass(frozen=True, slots=True)
class Choices:
    """The customer's own instructions: read first, whatever else may be read.

    Attributes:
        ledger: where every purpose stands; ``None`` when it could not be read.
        mutes: what the customer does not want to see.
        age_assurance: what is known of the customer's age.
        non_profiled: the customer switched profiling off for good.
        shared_device: the account is marked as shared, or several use the device.
        age_band: how old a minor is, if that is known.
        jurisdiction: code of the place where the customer lives; ``None`` when not known.
        limit_sensitive: sensitive information serves the order and nothing else, whatever was
            agreed to before (California Civil Code 1798.121).
        history_from_ms: what was collected for a profile before was withdrawn, and is on its way out
            of the store; a consent given since does not bring it back.
        holds: reasons to hold back, those that have ended among them.
    """

    ledger: Ledger | None
    mutes: tuple[Mute, ...] = ()
    age_assurance: AgeAssurance = AgeAssurance.UNKNOWN
    non_profiled: bool = False
    shared_device: bool = False
    age_band: AgeBand | None = None
    jurisdiction: str | None = None
    limit_sensitive: bool = False
    history_from_ms: int = 0
    holds: tuple[Hold, ...] = ()

    @property
    def minor(self) -> bool:
        """Whether the customer is known to be under 18."""
        return self.age_assurance is AgeAssurance.MINOR

    def question(self, purpose: str, at_ms: int, channel: Channel | None = None, *, gpc: bool) -> Question:
        """Return a question to the ledger with all that is known of the customer beside it."""
        return Question(
            purpose=purpose,
            at_ms=at_ms,
            channel=channel,
            gpc=gpc,
            minor=self.minor,
            age_band=self.age_band,
            jurisdiction=self.jurisdiction,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What the edge read under an admission: never more than it permits to read.

    Attributes:
        history: the customer's own interactions, each under the purpose it was collected for.
        session: the interactions of this visit.
        exposures: what was shown before.
        reads: how many reads each store saw, by store name, for the record.
        profiling: something kept of the customer beyond this visit was read (GDPR 4(4)).
    """

    history: Interactions
    session: Interactions
    exposures: Exposures = NONE_SHOWN
    reads: tuple[tuple[str, int], ...] = ()
    profiling: bool = False

    @classmethod
    def nothing(cls) -> Known:
        """Return an empty reading."""
        return cls(history=Interactions.empty(), session=Interactions.empty())
