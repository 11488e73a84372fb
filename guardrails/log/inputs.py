"""The inputs of a recorded decision that could have been otherwise: what each is, and who could change it.

An input is one thing that rules look at, as it stands in the record: a column of a candidate, a number of
the request, a consent, a limit of the policy. Every input is changed by itself, all others staying as they
were recorded.

What is not here nobody can change, or nobody may be asked to: an age below 18, what somebody excluded
themselves from, a signal against tracking, a fuller basket, a kinder classification of something sensitive,
a limit beyond the floor that ships, what an item tells of a class, where the customer lives. What is here
for one direction only moves that way: time goes on, a tier only rises, a life event is not made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import UNKNOWN_PRICE, Catalogue
from engine.vocabulary import Intent
from guardrails.admit import Admission
from guardrails.consent.check import CLOSED_TO_MINORS
from guardrails.consent.permission import Denial, LawfulBasis, Permission
from guardrails.consent.purposes import KEY_OF, Purpose, entry_of, outreach_key, sensitive_key
from guardrails.judge import WITHHOLDING, Judged
from guardrails.messages import Phrase
from guardrails.policy.again import SLATE_LIMITS, readers
from guardrails.policy.compiled import ShopRule
from guardrails.policy.descriptions import DESCRIPTIONS
from guardrails.policy.directions import DIRECTIONS, WRITTEN, Loosening, is_share
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import atoms
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance, Entry, SubjectKind
from guardrails.rules.base import MICRO, NEVER_DAYS, NO_EDGES, Rule, View

Value: TypeAlias = int | bool | str | tuple[str, ...] | None
"""What an input can be; ``None`` where it is not known, or never happened."""


class Who(StrEnum):
    """On whom it depends."""

    CUSTOMER = "customer"
    SHOP = "shop"
    TIME = "time"
    """Nobody: days pass, counts start again, more customers come."""


class ValueKind(StrEnum):
    """What the value of an input is."""

    FLAG = "flag"
    NUMBER = "number"
    SHARE = "share"
    """Millionths."""
    DAYS = "days"
    WORDS = "words"
    CONSENT = "consent"


NUMERIC = frozenset({ValueKind.NUMBER, ValueKind.SHARE, ValueKind.DAYS})


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """What is judged, and by what.

    Attributes:
        view: the candidates of one round.
        limits: the numbers of the policy.
        rules: what is asked of every candidate.
    """

    view: View
    limits: Limits
    rules: tuple[Rule, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One round as it was judged.

    Attributes:
        stand: what was judged.
        score: shape (n,), int64: the recorded scores.
        judged: what the rules said.
        shown: rows that came to be shown; of them it is looked for what would have withheld them.
        places: place of each rule by its id.
    """

    stand: Stand
    score: NDArray[np.int64]
    judged: Judged
    shown: frozenset[int]
    places: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Find the rules."""
        places = {rule.id: place for place, rule in enumerate(self.stand.rules)}
        object.__setattr__(self, "places", MappingProxyType(places))

    @cached_property
    def withholds(self) -> NDArray[np.bool_]:
        """Which rule withholds which candidate; shape (n_rules, n)."""
        return np.array([each.effect for each in self.judged.judgements]) >= WITHHOLDING

    @cached_property
    def marks(self) -> Mapping[str, tuple[int, ...]]:
        """Numbers that rules of the shop hold a field against, by field."""
        found: dict[str, set[int]] = {}
        for rule in self.stand.rules:
            if isinstance(rule, ShopRule):
                for atom in atoms(rule.house_rule.when):
                    values = atom.value if isinstance(atom.value, tuple) else (atom.value,)
                    numbers = {each for each in values if isinstance(each, int)}
                    found.setdefault(atom.field, set()).update(numbers)
        return {name: tuple(sorted(numbers)) for name, numbers in found.items()}

    def observed(self, rule_id: str, row: int) -> int:
        """Return what a rule said that it saw of a candidate."""
        return int(self.judged.judgements[self.places[rule_id]].observed[row])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Input:
    """One thing that could have been otherwise.

    Attributes:
        field: its name: as the schema of policies has it, where it does.
        what: what it says, in the source language.
        who: on whom it depends.
        kind: what its value is.
        readers: ids of the rules of the catalogue that look at it; rules of the shop may, each of them.
        now: its value for a row.
        options: values that it might have had for a row, under which the verdict may differ.
        column: column of the view, or its catalogue, that it is; empty where it holds for the whole round.
        write: the stand with another value (of a row, where ``of_row``); not for columns.
        of_row: it differs from candidate to candidate although it is no column.
        of_slate: rules of a whole list look at it.
    """

    field: str
    what: str
    who: Who
    kind: ValueKind
    readers: frozenset[str]
    now: Callable[[Case, int], Value]
    options: Callable[[Case, int], Iterable[Value]]
    column: str = ""
    write: Callable[[Stand, int, Any], Stand] | None = None
    of_row: bool = False
    of_slate: bool = False


def around(case: Case, name: str, *numbers: int) -> Iterator[int]:
    """Yield each number that a verdict may turn at, and those beside it."""
    for number in {*numbers, *case.marks.get(name, ())}:
        yield from (number - 1, number, number + 1)


# Columns of a candidate.

_NEVER = MappingProxyType(
    {"price_minor": UNKNOWN_PRICE, "min_support": NO_EDGES, "min_sensitive_support": NO_EDGES}
)
OF_CATALOGUE = frozenset({"price_minor", "tier", "sponsored", "pressing", "age_restricted"})

Turns: TypeAlias = Callable[[Case, int], Iterable[int]]
"""Numbers at which a verdict about a row may turn."""


def stored(column: str, value: Value) -> int:
    """Return how a column of the view holds a value."""
    return _NEVER.get(column, NEVER_DAYS) if value is None else int(value)  # type: ignore[arg-type]  # no column holds words


def _read(column: str, kind: ValueKind) -> Callable[[Case, int], Value]:
    never = _NEVER.get(column, NEVER_DAYS)

    def now(case: Case, row: int) -> Value:
        view = case.stand.view
        if column in OF_CATALOGUE:
            value = getattr(view.catalogue, column)[view.item_idx[row]]
        else:
            value = getattr(view, column)[row]
        if kind is ValueKind.FLAG:
            return bool(value)
        return None if value == never else int(value)

    return now


def _most(view: View, column: str) -> int:
    """Return the largest number that a column can hold: a rule of the shop may name any."""
    held = getattr(view.catalogue if column in OF_CATALOGUE else view, column)
    return int(np.iinfo(held.dtype).max)


def _what(name: str, otherwise: str = "") -> str:
    return FIELDS[name].description if name in FIELDS else otherwise


def _number(
    name: str,
    what: str,
    who: Who,
    column: str,
    read_by: str,
    turns: Turns,
    *,
    kind: ValueKind = ValueKind.NUMBER,
    only_up: bool = False,
    may_lapse: bool = False,
) -> Input:
    """Return a number of each candidate.

    ``only_up``: to let something through it is never less, for time goes on; ``may_lapse``: it may come to be
    forgotten.
    """
    now = _read(column, kind)

    def options(case: Case, row: int) -> Iterator[Value]:
        was, is_shown = now(case, row), row in case.shown
        most = _most(case.stand.view, column)
        for value in sorted(set(around(case, name, *turns(case, row)))):
            forward = was is None or value > int(was)  # type: ignore[arg-type]  # a number is never text
            if 0 <= value <= most and value != was and (is_shown or forward or not only_up):
                yield value
        if may_lapse and was is not None and not is_shown:
            yield None

    return Input(
        field=name,
        what=_what(name, what),
        who=who,
        kind=kind,
        readers=frozenset(read_by.split()),
        now=now,
        options=options,
        column=column,
    )


def _flag(name: str, what: str, who: Who, column: str, read_by: str, *, raised_only: bool = False) -> Input:
    """Return a mark of each candidate; ``raised_only`` where nobody is asked to take it off."""
    now = _read(column, ValueKind.FLAG)

    def options(case: Case, row: int) -> Iterator[Value]:
        was = now(case, row)
        if not raised_only or (row in case.shown and not was):
            yield not was

    return Input(
        field=name,
        what=_what(name, what),
        who=who,
        kind=ValueKind.FLAG,
        readers=frozenset(read_by.split()),
        now=now,
        options=options,
        column=column,
    )


def _prices(case: Case, row: int) -> Iterator[int]:
    """Yield prices at which a step up turns: that of the anchor, and those of the limits."""
    view, price = case.stand.view, case.stand.limits.price
    intent, anchor, basket = int(view.intent[row]), int(view.anchor_price_minor[row]), view.basket_minor
    if anchor > 0:
        shares = [0, *case.marks.get("candidate.price_step", ())]
        if intent == Intent.UPSELL:
            shares += [price.upsell_soft_from_micro, price.upsell_hard_micro]
        yield from (anchor + anchor * share // MICRO for share in shares)
    if basket > 0 and intent == Intent.CROSS_SELL:
        yield basket * price.addon_hard_of_basket_micro // MICRO
        yield 0


def _tiers(case: Case, row: int) -> Iterator[int]:
    was = int(case.stand.view.tier[row])
    return iter(range(was + 1, 4))


def _raised_tier() -> Input:
    """Return how sensitive an item is: a shop may raise it, never ask for less."""
    now = _read("tier", ValueKind.NUMBER)
    return Input(
        field="item.tier",
        what=_what("item.tier"),
        who=Who.SHOP,
        kind=ValueKind.NUMBER,
        readers=frozenset({"G04", "G05", "G08", "G10", "G11", "G23", "G31"}),
        now=now,
        options=lambda case, row: _tiers(case, row) if row in case.shown else (),
        column="tier",
    )


def _of_limits(*names: str) -> Turns:
    """Return that a verdict turns at these limits, written ``section.name``."""
    paths = [name.split(".") for name in names]
    return lambda case, _row: (getattr(getattr(case.stand.limits, one), other) for one, other in paths)


def _named_until(case: Case, _row: int) -> tuple[int, ...]:
    return (case.stand.limits.outbound.exact_hours // 24 - 1,)


_OF_CANDIDATES: tuple[Input, ...] = (
    _number("item.price_minor", "", Who.SHOP, "price_minor", "G17 G31", _prices),
    _number(
        "candidate.days_since_shown",
        "",
        Who.TIME,
        "days_since_shown",
        "G19",
        _of_limits("repeat.cooldown_days", "repeat.window_days"),
        kind=ValueKind.DAYS,
        only_up=True,
    ),
    _number(
        "candidate.n_ignored",
        "",
        Who.TIME,
        "n_ignored_short",
        "G19",
        lambda case, _row: (0, case.stand.limits.repeat.cooldown_after),
    ),
    _number(
        "candidate.n_ignored_long",
        Phrase("how often it was shown and ignored over a longer time"),
        Who.TIME,
        "n_ignored_long",
        "G19 G31",
        lambda case, _row: (0, case.stand.limits.repeat.hard_at),
    ),
    _number(
        "candidate.days_since_dismissed",
        Phrase("days since the customer waved it off"),
        Who.TIME,
        "dismissed_days",
        "G36",
        _of_limits("holds.dismissed_days"),
        kind=ValueKind.DAYS,
        only_up=True,
    ),
    _number(
        "candidate.days_since_returned",
        Phrase("days since it was sent back"),
        Who.TIME,
        "returned_days",
        "G16",
        _of_limits("holds.returned_item_days"),
        kind=ValueKind.DAYS,
        only_up=True,
    ),
    _number(
        "candidate.days_since_category_returned",
        Phrase("days since something of its category was sent back"),
        Who.TIME,
        "category_returned_days",
        "G16 G31",
        _of_limits("holds.returned_category_days"),
        kind=ValueKind.DAYS,
        only_up=True,
    ),
    _number(
        "candidate.days_since_looked_at",
        Phrase("days since the customer looked at it"),
        Who.TIME,
        "looked_at_days",
        "G22",
        _named_until,
        kind=ValueKind.DAYS,
        only_up=True,
        may_lapse=True,
    ),
    _number(
        "evidence.age",
        Phrase("age of what it was concluded from, as a share of how old that may be"),
        Who.TIME,
        "evidence_age_micro",
        "G21 G31",
        lambda _case, _row: (0, MICRO),
        kind=ValueKind.SHARE,
    ),
    _number(
        "evidence.n_customers",
        Phrase("how many customers stand behind it"),
        Who.TIME,
        "min_support",
        "G24",
        _of_limits("support.edge"),
    ),
    _number(
        "evidence.n_customers_sensitive",
        Phrase("how many customers stand behind what is sensitive about it"),
        Who.TIME,
        "min_sensitive_support",
        "G24",
        _of_limits("support.sensitive_edge"),
    ),
    _flag("item.sponsored", "", Who.SHOP, "sponsored", "G04 G08"),
    _flag("item.pressing", Phrase("its title presses the reader"), Who.SHOP, "pressing", "G30"),
    _raised_tier(),
    _flag("item.age_restricted", "", Who.SHOP, "age_restricted", "G27", raised_only=True),
    _flag(
        "candidate.wanted",
        Phrase("the customer put it into the basket or on a wish list"),
        Who.CUSTOMER,
        "wanted",
        "G22",
    ),
    _flag(
        "candidate.dismissed_nearby",
        Phrase("the customer muted or waved off something of its kind"),
        Who.CUSTOMER,
        "dismissed_nearby",
        "G31",
    ),
)


# What holds for the whole round.


Thing = TypeVar("Thing")

Options: TypeAlias = Callable[[Case, int, Any], Iterable[Value]]
"""What something might have been for a row, given what it was."""


def _at(thing: Any, path: Sequence[str]) -> Any:
    for name in path:
        thing = getattr(thing, name)
    return thing


def _with(thing: Thing, path: Sequence[str], value: Any) -> Thing:
    """Return a frozen thing with one of its inner values replaced."""
    first, *rest = path
    inner = _with(getattr(thing, first), rest, value) if rest else value
    return replace(thing, **{first: inner})  # type: ignore[type-var]  # all that is on the way is a dataclass


def _whole(
    name: str,
    what: str,
    who: Who,
    path: str,
    read_by: str,
    options: Options,
    *,
    kind: ValueKind = ValueKind.FLAG,
    of_slate: bool = False,
    as_read: Callable[[Any], Value] = lambda value: value,
    as_written: Callable[[Any], Any] = lambda value: value,
) -> Input:
    """Return something of the request or the admission, found at a path of a stand."""
    steps = path.split(".")

    def now(case: Case, _row: int) -> Value:
        return as_read(_at(case.stand, steps))

    return Input(
        field=name,
        what=_what(name, what),
        who=who,
        kind=kind,
        readers=frozenset(read_by.split()),
        now=now,
        options=lambda case, row: options(case, row, now(case, row)),
        write=lambda stand, _row, value: _with(stand, steps, as_written(value)),
        of_slate=of_slate,
    )


def _either(_case: Case, _row: int, was: Any) -> tuple[bool, ...]:
    return (not was,)


def _over(case: Case, row: int, was: Any) -> tuple[bool, ...]:
    return (False,) if was and row not in case.shown else ()


def _counted(
    name: str, *limits: str, least: int = 0, greatest: int | None = None, others: tuple[int, ...] = ()
) -> Options:
    """Return numbers around limits; none where it is not known, or nobody may count."""
    turns = _of_limits(*limits)

    def options(case: Case, row: int, was: Any) -> Iterator[int]:
        if was is not None and was >= 0:
            for value in sorted(set(around(case, name, *turns(case, row), *others))):
                if value != was and value >= least and (greatest is None or value <= greatest):
                    yield value

    return options


def _days_on(case: Case, row: int, was: Any) -> Iterator[int]:
    """Yield days since a complaint: time goes on."""
    limit = case.stand.limits.holds.complaint_days
    later = (each for each in (limit, limit + 1) if row in case.shown or (was is not None and each > was))
    return (each for each in later if each != was)


def _ages(case: Case, row: int, was: Any) -> tuple[str, ...]:
    """Return what might be known of an age; of a minor nothing else, and nobody becomes one."""
    unproven = (AgeAssurance.UNKNOWN.value, AgeAssurance.SELF_DECLARED_ADULT.value)
    verified = AgeAssurance.VERIFIED_ADULT.value
    if row in case.shown:
        return unproven[:1] if was == verified else ()
    return (verified,) if was in unproven else ()


def _entries(case: Case, row: int, was: Any) -> tuple[str, ...]:
    exact, search = Entry.EXACT_SEARCH.value, Entry.SEARCH.value
    if row in case.shown:
        return () if was == exact else (exact,)
    return (search,) if was == exact else ()


def _none_at_all(case: Case, row: int, was: Any) -> tuple[tuple[str, ...], ...]:
    return ((),) if was and row not in case.shown else ()


def _unmuted_occasions(stand: Stand, _row: int, value: tuple[str, ...]) -> Stand:
    """Mute no occasion, and so none nearby."""
    without = _with(stand, ("view", "admission", "muted", "occasions"), frozenset(value))
    nowhere = np.zeros_like(stand.view.near_muted_occasion)
    return replace(without, view=replace(without.view, near_muted_occasion=nowhere))


def _mute(stand: Stand, row: int, value: Value) -> Stand:
    view = stand.view
    item = view.catalogue.item_ids[int(view.item_idx[row])]
    muted = view.admission.muted.items
    items = muted | {item} if value else muted - {item}
    return _with(stand, ("view", "admission", "muted", "items"), items)


def _is_muted(case: Case, row: int) -> bool:
    view = case.stand.view
    return view.catalogue.item_ids[int(view.item_idx[row])] in view.admission.muted.items


def _sorted(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts))


_HOLDING = "view.admission.holding"
_SHOWN_BY = "view.request.presentation"

_OF_ROUNDS: tuple[Input, ...] = (
    _whole("customer.open_complaint", "", Who.SHOP, f"{_HOLDING}.complaint_open", "G15", _either),
    _whole("customer.open_delivery_delay", "", Who.SHOP, f"{_HOLDING}.delivery_late", "G15", _either),
    _whole(
        "customer.days_since_complaint",
        Phrase("days since the last complaint was closed"),
        Who.TIME,
        f"{_HOLDING}.complaint_closed_days",
        "G15",
        _days_on,
        kind=ValueKind.DAYS,
    ),
    _whole("customer.payment_failed", "", Who.TIME, f"{_HOLDING}.payment_failed", "G26 G31", _either),
    _whole(
        "customer.topics_rest",
        Phrase("certain topics rest for the customer"),
        Who.TIME,
        f"{_HOLDING}.topics",
        "G14",
        _over,
    ),
    _whole(
        "customer.offers_rest",
        Phrase("offers rest for the customer"),
        Who.TIME,
        f"{_HOLDING}.offers",
        "G14",
        _over,
    ),
    _whole(
        "request.local_minute",
        "",
        Who.TIME,
        "view.request.local_minute",
        "G28 G31",
        _counted(
            "request.local_minute", "quiet.from_minute", "quiet.to_minute", greatest=1439, others=(300,)
        ),
        kind=ValueKind.NUMBER,
    ),
    *(
        _whole(
            name,
            what,
            Who.TIME,
            f"view.{column}",
            read_by,
            _counted(name, *limits),
            kind=ValueKind.NUMBER,
            of_slate=of_slate,
            as_read=lambda value: None if value < 0 else value,
        )
        for name, what, column, read_by, limits, of_slate in (
            ("contact.n_messages_day", "", "n_outbound_day", "G20", ("frequency.outbound_day",), False),
            ("contact.n_messages_week", "", "n_outbound_week", "G20", ("frequency.outbound_week",), False),
            (
                "contact.n_interruptions_visit",
                Phrase("how often the customer was interrupted in this visit"),
                "n_interruptive_session",
                "G20",
                ("frequency.interruptive_session",),
                False,
            ),
            (
                "contact.n_interruptions_week",
                Phrase("how often the customer was interrupted in the last seven days"),
                "n_interruptive_week",
                "G20",
                ("frequency.interruptive_week",),
                False,
            ),
            ("visit.n_offers", "", "n_inline_upsells_session", "G20", ("frequency.inline_session",), True),
            (
                "visit.n_upsells",
                Phrase("upsells shown in this visit"),
                "n_upsell_steps_session",
                "G17",
                ("price.upsell_steps_session",),
                True,
            ),
            (
                "visit.n_interruptions_dismissed",
                Phrase("interruptions that the customer waved off in this visit"),
                "n_interruptive_dismissed_session",
                "G30",
                (),
                False,
            ),
            (
                "evidence.n_pieces",
                Phrase("how many pieces of evidence are known of the customer"),
                "n_supported",
                "G33",
                ("knowledge.min_pieces",),
                False,
            ),
        )
    ),
    _whole(
        "visit.n_pages",
        "",
        Who.CUSTOMER,
        "view.request.visit.n_pages",
        "G32",
        _counted("visit.n_pages", "errand.max_pages", least=1),
        kind=ValueKind.NUMBER,
    ),
    _whole(
        "visit.basket_after_s",
        "",
        Who.CUSTOMER,
        "view.request.visit.basket_after_s",
        "G32",
        _counted("visit.basket_after_s", "errand.max_seconds"),
        kind=ValueKind.NUMBER,
    ),
    _whole(
        "visit.entry",
        "",
        Who.CUSTOMER,
        "view.request.visit.entry",
        "G32",
        _entries,
        kind=ValueKind.WORDS,
        as_read=lambda value: None if value is None else value.value,
        as_written=Entry,
    ),
    _whole(
        "placement.interruptive",
        Phrase("the place interrupts"),
        Who.SHOP,
        "view.request.placement.interruptive",
        "G20 G23 G30 G31 G32",
        _either,
        of_slate=True,
    ),
    _whole(
        "placement.public",
        Phrase("the place can be seen by others"),
        Who.SHOP,
        "view.request.placement.public",
        "G05 G10 G31",
        _either,
    ),
    _whole(
        "placement.prominence",
        Phrase("how prominent the place is, as a share"),
        Who.SHOP,
        "view.request.placement.prominence_micro",
        "G31",
        _counted("placement.prominence", greatest=MICRO, others=(0, MICRO)),
        kind=ValueKind.SHARE,
    ),
    _whole(
        "presentation.patterns",
        Phrase("what presses in the way it is shown"),
        Who.SHOP,
        f"{_SHOWN_BY}.patterns",
        "G30",
        _none_at_all,
        kind=ValueKind.WORDS,
        as_read=_sorted,
        as_written=frozenset,
    ),
    _whole(
        "presentation.personalised_price",
        Phrase("prices are set for this customer alone"),
        Who.SHOP,
        f"{_SHOWN_BY}.personalised_price",
        "G04 G18",
        _either,
    ),
    _whole(
        "presentation.price_disclosed",
        Phrase("it is said that prices are set for this customer alone"),
        Who.SHOP,
        f"{_SHOWN_BY}.price_disclosed",
        "G18",
        _either,
    ),
    _whole(
        "consent.notice_named",
        Phrase("the consent names the notice it was given under"),
        Who.SHOP,
        "view.noticed",
        "G31",
        _either,
    ),
    _whole(
        "request.count",
        Phrase("how many suggestions are asked for"),
        Who.SHOP,
        "view.request.count",
        "",
        lambda case, row, was: (
            () if row in case.shown else range(was + 1, case.stand.view.request.placement.max_count + 1)
        ),
        kind=ValueKind.NUMBER,
        of_slate=True,
    ),
    _whole(
        "customer.shared_device", "", Who.CUSTOMER, "view.admission.shared_audience", "G05 G11 G31", _either
    ),
    _whole(
        "customer.recognised_only",
        Phrase("the customer is recognised but not logged in"),
        Who.CUSTOMER,
        "view.request.recognised_only",
        "G31",
        _either,
    ),
    _whole(
        "customer.age_assurance",
        "",
        Who.CUSTOMER,
        "view.admission.age_assurance",
        "G04 G18 G27",
        _ages,
        kind=ValueKind.WORDS,
        as_read=lambda value: str(value.value),
        as_written=AgeAssurance,
    ),
    _whole("customer.non_profiled", "", Who.CUSTOMER, "view.admission.non_profiled", "G29", _either),
    Input(
        field="customer.muted_occasions",
        what=Phrase("occasions that the customer muted"),
        who=Who.CUSTOMER,
        kind=ValueKind.WORDS,
        readers=frozenset({"G13", "G31"}),
        now=lambda case, _row: _sorted(case.stand.view.admission.muted.occasions),
        options=lambda case, row: _none_at_all(case, row, case.stand.view.admission.muted.occasions),
        write=_unmuted_occasions,
    ),
)

_MUTED = Input(
    field="customer.muted",
    what=Phrase("the customer muted it"),
    who=Who.CUSTOMER,
    kind=ValueKind.FLAG,
    readers=frozenset({"G12"}),
    now=_is_muted,
    options=lambda case, row: (not _is_muted(case, row),),
    write=_mute,
    of_row=True,
)


# Consents.

GRANTED, WITHDRAWN = "GRANTED", Denial.WITHDRAWN.value
_ASKABLE = frozenset(Denial) - {
    Denial.MINOR,
    Denial.RESTRICTED,
    Denial.NO_SUBJECT,
    Denial.UNREADABLE,
    Denial.SIGNAL_OPT_OUT,
}
"""Denials that a customer can end by agreeing, and that no law and no signal of theirs stands behind."""

_OF_CONSENT = frozenset({"G01", "G02", "G03"})
_OF_CLASSES = frozenset({"G05", "G06", "G10"})


def _permission_of(admission: Admission, purpose: str) -> Permission | None:
    return next((each for each in admission.permissions if each.purpose == purpose), None)


def _state(permission: Permission | None) -> str | None:
    if permission is None:
        return None
    if permission.basis is LawfulBasis.SOFT_OPT_IN:
        return permission.basis.value.upper()
    return GRANTED if permission else (permission.because or Denial.PENDING).value


def _consents(case: Case, row: int, purpose: str) -> tuple[str, ...]:
    """Return what a consent might have been: withdrawn, or granted where nothing forbids to ask."""
    admission = case.stand.view.admission
    permission = _permission_of(admission, purpose)
    if row in case.shown:
        return (WITHDRAWN,) if permission else ()
    is_minor = admission.age_assurance is AgeAssurance.MINOR
    if is_minor and entry_of(purpose).purpose in CLOSED_TO_MINORS:
        return ()
    if permission and permission.basis is not LawfulBasis.SOFT_OPT_IN:
        return ()
    nobody = case.stand.view.request.subject_kind is SubjectKind.NONE
    may_ask = permission is None or permission.because is None or permission.because in _ASKABLE
    return (GRANTED,) if may_ask and not nobody else ()


def _with_consent(stand: Stand, purpose: str, state: str) -> Stand:
    """Return a stand in which a purpose was agreed to, or taken back, and what follows from that."""
    view, granted = stand.view, state == GRANTED
    permission = Permission(
        purpose,
        permitted=granted,
        because=None if granted else Denial(state),
        basis=entry_of(purpose).basis if granted else LawfulBasis.NONE,
    )
    before = view.admission
    permissions = (*(each for each in before.permissions if each.purpose != purpose), permission)
    admission = replace(before, permissions=permissions)
    if purpose == outreach_key(view.request.channel):
        view = replace(view, outside_outreach=view.outside_outreach & (not granted))
        admission = replace(admission, outreach=permission)
    if purpose == KEY_OF[Purpose.TARGETED_OFFERS]:
        admission = replace(admission, offers=permission)
    if purpose == KEY_OF[Purpose.ENRICHMENT]:
        admission = replace(admission, enrichment=permission)
    if purpose == KEY_OF[Purpose.PERSONALISED_PRICE]:
        admission = replace(admission, pricing=permission)
    if purpose.startswith(KEY_OF[Purpose.SENSITIVE]):
        name = frozenset({purpose.removeprefix(KEY_OF[Purpose.SENSITIVE])})
        classes = before.sensitive_granted
        admission = replace(admission, sensitive_granted=classes | name if granted else classes - name)
    if entry_of(purpose).purpose in _FOR_HISTORY:
        admission = _with_history(admission, view)
    return replace(stand, view=replace(view, admission=admission))


_FOR_HISTORY = (Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.TARGETED_OFFERS)


def _with_history(admission: Admission, view: View) -> Admission:
    """Return an admission that may read history where every purpose stands that it needs."""
    needed = _FOR_HISTORY if view.request.placement.anchored else _FOR_HISTORY[:2]
    asked = [_permission_of(admission, KEY_OF[purpose]) for purpose in needed]
    known = [each for each in asked if each is not None]
    missing = next((each for each in known if not each), None)
    may_read = (
        len(known) == len(needed)
        and missing is None
        and view.request.subject_kind is SubjectKind.ACCOUNT
        and not admission.non_profiled
    )
    first = missing if missing is not None else next(iter(known), admission.history)
    return replace(admission, history=first, may_read_history=may_read)


_TIERS_TOLD = frozenset({"G11", "G23", "G31"})
"""Rules that may find something more sensitive where the shop speaks first."""

_ALSO_READ_BY: Mapping[Purpose, frozenset[str]] = MappingProxyType(
    {
        Purpose.COMMUNICATIONS: _TIERS_TOLD,
        Purpose.SHARING: _TIERS_TOLD,
        Purpose.ENRICHMENT: frozenset({"G09"}),
        Purpose.PERSONALISED_PRICE: frozenset({"G18"}),
    }
)


def _consent(purpose: str) -> Input:
    entry = entry_of(purpose)
    is_class = entry.purpose is Purpose.SENSITIVE
    also = _ALSO_READ_BY.get(entry.purpose, frozenset())
    name = purpose.removeprefix(entry.key)

    def options(case: Case, row: int) -> tuple[str, ...]:
        view = case.stand.view
        if is_class and name != _class_of(view, row):
            return ()
        if is_class and row not in case.shown and name in view.admission.sensitive_granted:
            return ()
        return _consents(case, row, purpose)

    return Input(
        field=f"consent.{purpose}",
        what=entry.meaning,
        who=Who.CUSTOMER,
        kind=ValueKind.CONSENT,
        readers=_OF_CLASSES if is_class else _OF_CONSENT | also,
        now=lambda case, _row: _state(_permission_of(case.stand.view.admission, purpose)),
        options=options,
        write=lambda stand, _row, value: _with_consent(stand, purpose, value),
    )


def _class_of(view: View, row: int) -> str | None:
    code = int(view.sensitive_class[row])
    return None if code < 0 else view.catalogue.sensitive_classes[code]


_PURPOSES = (
    Purpose.PROFILING,
    Purpose.PROFILED_CONTENT,
    Purpose.TARGETED_OFFERS,
    Purpose.ENRICHMENT,
    Purpose.PERSONALISED_PRICE,
)


def _consents_of(view: View) -> Iterator[Input]:
    yield from (_consent(KEY_OF[purpose]) for purpose in _PURPOSES)
    outreach = outreach_key(view.request.channel)
    if outreach is not None:
        yield _consent(outreach)
    codes = np.unique(view.sensitive_class[view.sensitive_class >= 0]).tolist()
    yield from (_consent(sensitive_key(view.catalogue.sensitive_classes[code])) for code in codes)


# Limits and rules of the shop.

_JUDGED_BY = (
    *(("support", "edge"), ("support", "sensitive_edge")),
    *(("score", "show_micro"), ("score", "with_reason_micro"), ("score", "generalise_micro")),
    *(("repeat", "cooldown_after"), ("repeat", "cooldown_days"), ("repeat", "hard_at")),
    *(("frequency", "interruptive_session"), ("frequency", "interruptive_week")),
    *(("frequency", "inline_page"), ("frequency", "inline_session")),
    *(("frequency", "outbound_day"), ("frequency", "outbound_week")),
    *(("price", "upsell_hard_micro"), ("price", "addon_hard_of_basket_micro")),
    ("price", "upsell_steps_session"),
    *(("holds", "returned_item_days"), ("holds", "returned_category_days")),
    *(("holds", "dismissed_days"), ("holds", "complaint_days")),
    *(("knowledge", "min_pieces"), ("inference", "lift_max_micro")),
    *(("quiet", "from_minute"), ("quiet", "to_minute")),
    *(("errand", "max_pages"), ("errand", "max_seconds")),
    *(("variety", "selling_share_micro"), ("variety", "min_categories"), ("variety", "from_count")),
    ("outbound", "exact_hours"),
)
"""Limits that candidates, or a list, are held against. Others decide what is read and counted before."""

_WRITTEN = {limit: text for text, limit in WRITTEN.items()}
_FLOOR = Limits()


def _limit(section: str, name: str) -> Input:
    direction = DIRECTIONS[section, name]
    path = ("limits", section, name)

    def now(case: Case, _row: int) -> int:
        return int(_at(case.stand, path))

    def options(case: Case, row: int) -> Iterator[int]:
        was, floor = now(case, row), int(_at(_FLOOR, path[1:]))
        values = {floor, *(each + step for each in _seen(case, row, section, name) for step in (-1, 0, 1))}
        for value in sorted(values):
            if not direction.least <= value <= direction.greatest:
                continue
            if row in case.shown:
                may_be = direction.is_looser(was, value)
            else:
                is_free = direction.loosening is not Loosening.NEVER or not direction.is_looser(value, floor)
                may_be = direction.is_looser(value, was) and is_free
            if may_be:
                yield value

    return Input(
        field=f"policy.{_WRITTEN[section, name]}",
        what=DESCRIPTIONS[section, name],
        who=Who.SHOP,
        kind=ValueKind.SHARE if is_share(section, name) else ValueKind.NUMBER,
        readers=readers((section, name)),
        now=now,
        options=options,
        write=lambda stand, _row, value: _with(stand, path, value),
        of_slate=(section, name) in SLATE_LIMITS,
    )


_COLUMN_OF = MappingProxyType(
    {
        ("support", "edge"): "min_support",
        ("support", "sensitive_edge"): "min_sensitive_support",
        ("repeat", "cooldown_after"): "n_ignored_short",
        ("repeat", "cooldown_days"): "days_since_shown",
        ("repeat", "hard_at"): "n_ignored_long",
        ("holds", "returned_item_days"): "returned_days",
        ("holds", "returned_category_days"): "category_returned_days",
        ("holds", "dismissed_days"): "dismissed_days",
    }
)
"""Columns that a limit is held against as they stand."""

_SCALAR_OF = MappingProxyType(
    {
        ("frequency", "interruptive_session"): "n_interruptive_session",
        ("frequency", "interruptive_week"): "n_interruptive_week",
        ("frequency", "inline_session"): "n_inline_upsells_session",
        ("frequency", "outbound_day"): "n_outbound_day",
        ("frequency", "outbound_week"): "n_outbound_week",
        ("price", "upsell_steps_session"): "n_upsell_steps_session",
        ("knowledge", "min_pieces"): "n_supported",
    }
)
"""Numbers of the request that a limit is held against as they stand."""


def _seen(case: Case, row: int, section: str, name: str) -> tuple[int, ...]:
    """Return what a limit is held against, in its own unit; the least and the most a list can hold."""
    view, limit = case.stand.view, (section, name)
    if limit in _COLUMN_OF:
        return (int(getattr(view, _COLUMN_OF[limit])[row]),)
    if limit in SLATE_LIMITS:
        most = MICRO if is_share(section, name) else view.request.placement.max_count
        happened = int(getattr(view, _SCALAR_OF[limit])) if limit in _SCALAR_OF else 0
        return (0, int(_at(case.stand.limits, limit)), happened, most)
    if limit in _SCALAR_OF:
        return (int(getattr(view, _SCALAR_OF[limit])),)
    if section == "quiet":
        return () if view.request.local_minute is None else (view.request.local_minute,)
    if section == "errand":
        told = view.request.visit.n_pages if name == "max_pages" else view.request.visit.basket_after_s
        return () if told is None else (told,)
    reader = DIRECTIONS[limit].rule_id
    observed = case.observed(reader, row) if reader in case.places else 0
    return ((observed + 1) * 24,) if section == "outbound" else (observed,)


def _switched_off(rule: Rule) -> Input:
    """Return a rule of the shop itself, which the shop may take back."""
    return Input(
        field=f"policy.rule.{rule.id}",
        what=rule.name,
        who=Who.SHOP,
        kind=ValueKind.WORDS,
        readers=frozenset({rule.id}),
        now=lambda _case, _row: "enforce",
        options=lambda case, row: () if row in case.shown else ("off",),
        write=lambda stand, _row, _value: replace(
            stand, rules=tuple(each for each in stand.rules if each.id != rule.id)
        ),
    )


_LIMITS = tuple(_limit(*limit) for limit in _JUDGED_BY)


def inputs_of(case: Case) -> tuple[Input, ...]:
    """Return every input of a round, those first that are named first where several would do."""
    shops = (_switched_off(rule) for rule in case.stand.rules if isinstance(rule, ShopRule))
    return (
        *_OF_CANDIDATES,
        *_OF_ROUNDS,
        *_consents_of(case.stand.view),
        *_LIMITS,
        *shops,
        _MUTED,
    )


_ROWS_OF_CATALOGUE = tuple(
    each.name for each in fields(Catalogue) if isinstance(each.type, str) and each.type.startswith("NDArray")
)
_ROWS_OF_VIEW = tuple(
    each.name
    for each in fields(View)
    if isinstance(each.type, str) and each.type.startswith("NDArray") and each.name != "item_idx"
)


def laid_out(stand: Stand, rows: NDArray[np.int64], changed: Mapping[str, Mapping[int, Value]]) -> Stand:
    """Return a stand whose candidates are some rows, any of them several times, with columns changed.

    Args:
        stand: what was judged.
        rows: shape (k,): rows of its candidates.
        changed: by column, the value of each place of ``rows`` that differs.
    """
    view = stand.view
    columns = {name: getattr(view, name)[rows] for name in _ROWS_OF_VIEW}
    item_idx, catalogue = view.item_idx[rows], view.catalogue
    if not OF_CATALOGUE.isdisjoint(changed):
        catalogue, item_idx = _appended(catalogue, item_idx, changed)
    for name, values in changed.items():
        if name not in OF_CATALOGUE:
            for place, value in values.items():
                columns[name][place] = stored(name, value)
    return replace(stand, view=replace(view, item_idx=item_idx, catalogue=catalogue, **columns))


def _appended(
    catalogue: Catalogue, item_idx: NDArray[np.int32], changed: Mapping[str, Mapping[int, Value]]
) -> tuple[Catalogue, NDArray[np.int32]]:
    """Append rows to a catalogue, changed as said; return it with where they stand."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(catalogue, name), getattr(catalogue, name)[item_idx]])
        for name in _ROWS_OF_CATALOGUE
    }
    n = catalogue.n_items
    for name in OF_CATALOGUE & changed.keys():
        for place, value in changed[name].items():
            columns[name][n + place] = stored(name, value)
    ids = tuple(chain(catalogue.item_ids, (catalogue.item_ids[idx] for idx in item_idx.tolist())))
    appended = replace(catalogue, item_ids=ids, titles=ids, **columns)
    return appended, np.arange(n, n + item_idx.size, dtype=np.int32)
