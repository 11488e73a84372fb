"""Interests: what is inferred of a customer at this moment, from which pieces of evidence.

Nothing of it is stored. It is worked out as it would be for an answer: the same admission, the same
selection, the same weights (GDPR 15(1)(h)). So what may not be used is not here either, and what is
set right is gone from here as it is from the next answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from api.settings import Settings
from api.storage.consents import read_choices
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.reading import read_known
from api.storage.rights import CorrectionScope
from api.storage.versions import policy_in_force
from engine.catalogue import Catalogue
from engine.interactions import Weighting
from engine.serving.candidates import Evidence
from engine.vocabulary import Channel, Kind
from guardrails.admit import admit, select
from guardrails.consent.permission import Denial
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import Limits
from guardrails.request import Placement, Request, SubjectKind
from guardrails.rules.base import MICRO

MAX_INTERESTS = 50
"""Most interests that are named, the strongest first."""

_A_PAGE = Placement(
    name="interests",
    prominence_micro=0,
    interruptive=False,
    anchored=False,
    public=False,
    max_count=1,
    intents=frozenset(),
)
_SEED = bytes(16)  # nothing here is drawn by lot


@dataclass(frozen=True, slots=True, eq=False)
class Basics:
    """What interests are worked out with.

    Attributes:
        catalogue: what the shop sells.
        limits: how old evidence may be.
        weighting: what an interaction is worth.
        consent: how consent is checked.
    """

    catalogue: Catalogue
    limits: Limits
    weighting: Weighting
    consent: ConsentSettings


def read_basics(conn: Connection, settings: Settings) -> Basics:
    """Return what is in force, read from the store, where no house is loaded."""
    policy, _ = policy_in_force(conn)
    return Basics(
        catalogue=load_catalogue(conn, settings.consent.raised_classes),
        limits=policy.limits,
        weighting=Weighting(),
        consent=consent_in_force(conn, settings.consent),
    )


@dataclass(frozen=True, slots=True)
class Interest:
    """One thing that is inferred.

    Attributes:
        scope: a category or a brand.
        value: its name.
        share_micro: share of all weight that counts now, in millionths.
        n_pieces: pieces of evidence behind it.
    """

    scope: CorrectionScope
    value: str
    share_micro: int
    n_pieces: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence: everything of one kind that was done with one item.

    Attributes:
        item_id: the shop's key; ``None`` when the item is sensitive and is not named.
        title: its title, likewise.
        kind: what was done with it.
        age_days: whole days since it was last done.
        channel: where.
        share_micro: share of all weight that counts now, in millionths.
    """

    item_id: str | None
    title: str | None
    kind: Kind
    age_days: int
    channel: Channel
    share_micro: int


@dataclass(frozen=True, slots=True)
class Interests:
    """All that is inferred of a customer now.

    Attributes:
        used: whether the profile may be used.
        because: why not; ``None`` when it may, and when the customer switched it off.
        interests: strongest first.
        pieces: the evidence, strongest first.
        n_unnamed: pieces of sensitive items, which are counted and not named.
    """

    used: bool
    because: Denial | None
    interests: tuple[Interest, ...] = ()
    pieces: tuple[Piece, ...] = ()
    n_unnamed: int = 0


def read_interests(
    conn: Connection,
    subject_key: bytes,
    basics: Basics,
    now_ms: int,
    *,
    channel: Channel = Channel.WEB,
    gpc: bool = False,
    name_all: bool = False,
) -> Interests:
    """Work out what is inferred of a customer.

    Args:
        conn: a reading connection.
        subject_key: the customer.
        basics: catalogue, limits, weights and consent settings in force.
        now_ms: the clock, milliseconds since the epoch.
        channel: where it would be used.
        gpc: the request carries ``Sec-GPC: 1``.
        name_all: name the pieces of sensitive items too.
    """
    choices, customer_no = read_choices(conn, subject_key)
    request = Request(SubjectKind.ACCOUNT, _A_PAGE, channel, 1, now_ms, _SEED, gpc=gpc)
    admission = admit(request, choices, basics.catalogue.sensitive_classes, basics.consent)
    if not admission.may_read_history:
        return Interests(used=False, because=admission.history.because)
    known = read_known(conn, admission, request, customer_no, None, basics.catalogue, basics.limits)
    admitted = select(request, admission, known, basics.catalogue, basics.limits.evidence, basics.weighting)
    return inferred(admitted.evidence, basics.catalogue, name_all=name_all)


def inferred(evidence: Evidence, catalogue: Catalogue, *, name_all: bool = False) -> Interests:
    """Add up what evidence says of categories and brands.

    Items of any sensitive tier are counted and not named, as in reasons: a list of interests is
    looked at over somebody's shoulder. The export names every piece.
    """
    total = max(int(evidence.weight.sum()), 1)
    harmless = catalogue.tier[evidence.item_idx] == 0
    strongest_first = np.lexsort((evidence.item_idx, -evidence.weight)).tolist()
    named = evidence.where(harmless)
    return Interests(
        used=True,
        because=None,
        interests=_added_up(named, catalogue, total),
        pieces=tuple(
            _piece(evidence, row, name_all or bool(harmless[row]), catalogue, total)
            for row in strongest_first
        ),
        n_unnamed=int(np.count_nonzero(~harmless)),
    )


def _added_up(evidence: Evidence, catalogue: Catalogue, total: int) -> tuple[Interest, ...]:
    weight: Counter[tuple[CorrectionScope, str]] = Counter()
    n_pieces: Counter[tuple[CorrectionScope, str]] = Counter()
    codes = (
        (CorrectionScope.CATEGORY, catalogue.category, catalogue.categories),
        (CorrectionScope.BRAND, catalogue.brand, catalogue.brands),
    )
    for scope, column, names in codes:
        for code, each in zip(column[evidence.item_idx].tolist(), evidence.weight.tolist(), strict=True):
            if code >= 0:
                weight[scope, names[code]] += each
                n_pieces[scope, names[code]] += 1
    strongest_first = sorted(weight, key=lambda key: (-weight[key], key))[:MAX_INTERESTS]
    return tuple(
        Interest(scope, value, weight[scope, value] * MICRO // total, n_pieces[scope, value])
        for scope, value in strongest_first
    )


def _piece(
    evidence: Evidence,
    row: int,
    nameable: bool,  # noqa: FBT001  a fact about the row
    catalogue: Catalogue,
    total: int,
) -> Piece:
    item_idx = int(evidence.item_idx[row])
    return Piece(
        item_id=catalogue.item_ids[item_idx] if nameable else None,
        title=catalogue.titles[item_idx] if nameable else None,
        kind=Kind(int(evidence.kind[row])),
        age_days=int(evidence.age_days[row]),
        channel=Channel(int(evidence.channel[row])),
        share_micro=int(evidence.weight[row]) * MICRO // total,
    )
