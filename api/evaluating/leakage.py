"""What slates give away: an attacker guesses who has bought goods of a sensitive class.

Everybody is served as somebody who agreed to everything but a sensitive class, so that many can be
measured; nothing is stored, and nobody is named. The truth that the attacker is held against is what
the shop keeps of purchases anyway; it is used for nothing else (GDPR 32(1)(d): testing whether a
measure works).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sqlalchemy import Engine

from api.errors import NothingToMeasureError, UnknownPlacementError
from api.imports.importer import Progress
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.connection import reading
from api.storage.interactions import read_for_training
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.placements import read_placements
from api.storage.training import training_customers
from api.storage.versions import MODEL, active, get_model, policy_in_force
from engine.artefact import Artefact, Manifest, load_artefact, write_artefact
from engine.catalogue import Catalogue
from engine.evaluation.attacker import Leak, attack, features
from engine.interactions import Interactions
from engine.serving.candidates import Evidence
from engine.serving.recommender import Recommender
from engine.training import refit
from engine.vocabulary import Channel, Kind
from guardrails.admit import SENSITIVE_FROM_TIER, Admission, admit, select
from guardrails.consent.events import ConsentEvent, Status
from guardrails.consent.ledger import Ledger, replay
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.decide import decide
from guardrails.house import House
from guardrails.inference import telling_mask
from guardrails.messages import Phrase
from guardrails.request import Choices, Known, Placement, Request, SubjectKind
from guardrails.rules.groups import GROUPS, NEVER_OFF

COLUMNS = ("off", "on", "evidence", "popular")
PURPOSES = (Purpose.PROFILING, Purpose.ESSENTIAL_SERVICE)
"""What purchases are kept for: the profile, and the order alone."""

FEWEST = 50
"""Customers who have bought of a class, and who have not, for it to be measured."""

N_SHOWN = 20
GOAL_GONE = 0.75
"""Share of the excess over a coin that is to be gone for classes of tier S2."""

_SEED = 0
_NEVER_OLD_DAYS = 1_000_000
_HIGHEST_TIER = 3
_A_COIN = 0.5
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """How well one class, or one kind of goods of it, is guessed.

    Attributes:
        name: class or category.
        tier: 2 or 3.
        topic: whether it is a category and not a whole class.
        n_positive: customers who have bought of it.
        leaks: how well the attacker does, by name of ``COLUMNS``.
    """

    name: str
    tier: int
    topic: bool
    n_positive: int
    leaks: dict[str, Leak]

    @property
    def gone(self) -> float | None:
        """Share of the excess over a coin that the guardrails take away, below 0 where they add some.

        ``None`` where without them there may be no excess either.
        """
        off = self.leaks["off"]
        if off.low <= _A_COIN:
            return None
        return 1 - max(self.leaks["on"].auc - _A_COIN, 0.0) / (off.auc - _A_COIN)

    @property
    def reached(self) -> bool:
        """Whether the goal is: no better than a coin for S3, three quarters of the excess gone for S2."""
        enough_gone = self.tier < _HIGHEST_TIER and self.gone is not None and self.gone >= GOAL_GONE
        return self.leaks["on"].low <= _A_COIN or enough_gone


@dataclass(frozen=True, slots=True)
class Leakage:
    """What was measured.

    Attributes:
        n_customers: customers served.
        placement: where.
        lift_max_micro: the limit of G07 under which they were.
        n_lifts: items and classes of which the model knows that one tells of the other.
        rows: classes first, then kinds of goods, the most frequent first.
        model: version of the model that they were served from; empty without one.
        policy: version of the policy that held.
    """

    n_customers: int
    placement: str
    lift_max_micro: int
    n_lifts: int
    rows: tuple[Row, ...]
    model: str = ""
    policy: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        rows = [
            {
                "name": row.name,
                "tier": row.tier,
                "topic": row.topic,
                "n_positive": row.n_positive,
                **{column: leak._asdict() for column, leak in row.leaks.items()},
                "gone": row.gone,
                "reached": row.reached,
            }
            for row in self.rows
        ]
        return {
            "n_customers": self.n_customers,
            "placement": self.placement,
            "lift_max": self.lift_max_micro / _MICRO,
            "n_lifts": self.n_lifts,
            "model": self.model,
            "policy": self.policy,
            "rows": rows,
        }


def measure_leakage(
    engine: Engine,
    settings: Settings,
    now_ms: int,
    progress: Progress,
    *,
    placement: str = "home",
    lift_max_micro: int | None = None,
    n_customers: int | None = None,
    with_orders: bool = False,
) -> Leakage:
    """Measure the shop as it stands, on customers from whose history a model may learn now.

    Args:
        engine: the database, up to date.
        settings: how long consent lasts.
        now_ms: the clock.
        progress: is told how far it has come.
        placement: name of a placement of the shop.
        lift_max_micro: the limit of G07 to try; that in force where left out.
        n_customers: measure so many at most, drawn at random.
        with_orders: take as bought also what is kept only as the fact of an order.

    Raises:
        NothingToMeasureError: there is no model, or nobody to measure.
        UnknownPlacementError: the shop has no such placement.
        ArtefactError: the model in force cannot be read.
        ModelFitError: there is nothing to learn from.
    """
    progress(0, None, "reading what customers did")
    with reading(engine) as conn:
        catalogue = load_catalogue(conn, settings.consent.raised_classes)
        consent = consent_in_force(conn, settings.consent)
        policy, policy_version = policy_in_force(conn)
        placements = read_placements(conn)
        version = active(conn).get(MODEL)
        stored = None if version is None else get_model(conn, version)
        found, _ = read_for_training(
            conn,
            catalogue,
            training_customers(conn, consent, now_ms),
            PURPOSES[: 1 + with_orders],
        )
    if placement not in placements:
        raise UnknownPlacementError(Phrase("unknown placement `{name}`", name=placement))
    if stored is None:
        raise NothingToMeasureError("there is no model yet: run `tactful train`")
    model = copies_of(settings).load(stored.location)
    limits = policy.limits
    if lift_max_micro is not None:
        limits = replace(limits, inference=replace(limits.inference, lift_max_micro=lift_max_micro))
    house = House(Recommender(model, catalogue), catalogue, limits, policy_version, consent=consent)
    drawn = _drawn(found.where(found.item_idx >= 0), n_customers)
    return measure(house, model, drawn, placements[placement], now_ms, progress)


def measure(
    house: House,
    model: Artefact,
    found: Interactions,
    placement: Placement,
    now_ms: int,
    progress: Progress,
    *,
    with_topics: bool = True,
) -> Leakage:
    """Serve every customer in four ways, and let the attacker guess from each.

    Args:
        house: the shop under its guardrails.
        model: the model it serves from.
        found: what customers did, whatever it was, in order of ``customer_idx``, which has no gaps.
        placement: where they are served.
        now_ms: the clock.
        progress: is told how far it has come.
        with_topics: measure kinds of goods beside whole classes.

    Raises:
        NothingToMeasureError: nobody did anything, or of no class enough customers have bought.
        ModelFitError: there is nothing to learn from.
    """
    if len(found) == 0:
        raise NothingToMeasureError("there is nothing yet to measure on")
    truths = list(_truths(found, house.catalogue, with_topics=with_topics))
    if not truths:
        raise NothingToMeasureError(
            f"of no sensitive class {FEWEST} customers are known to have bought, and {FEWEST} not; what is "
            "kept only as the fact of an order counts with `--with-orders`"
        )
    progress(0, None, "learning without guardrails")
    bare = _without_guardrails(house, model.manifest, found, now_ms)
    seen = _seen(house, bare, found, placement, now_ms, progress)
    rows = []
    for number, (name, tier, topic, truth) in enumerate(truths):
        progress(number, len(truths), f"guessing: {name.rsplit(' > ', 1)[-1].lower()}")
        leaks = {column: attack(seen[column], truth, _SEED) for column in COLUMNS}
        rows.append(Row(name, tier, topic, int(truth.sum()), leaks))
    return Leakage(
        n_customers=int(found.customer_idx.max()) + 1,
        placement=placement.name,
        lift_max_micro=house.limits.inference.lift_max_micro,
        n_lifts=int(model.lift_item.size),
        rows=tuple(rows),
        model=house.recommender.version or "",
        policy=house.policy_version,
    )


def draw(report: Leakage, path: Path) -> None:
    """Write a picture of all rows, guardrails off beside on, as PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    rows = report.rows[::-1]
    place = np.arange(len(rows))
    figure = Figure(figsize=(8, 0.3 * len(rows) + 1.8), layout="constrained")
    axes = figure.subplots()
    looks = {"off": ("#c44e52", 0.2, "guardrails off"), "on": ("#4c72b0", -0.2, "guardrails on")}
    for column, (color, shift, label) in looks.items():
        leaks = [row.leaks[column] for row in rows]
        auc = np.array([leak.auc for leak in leaks])
        low = np.maximum(auc - [leak.low for leak in leaks], 0)
        high = np.maximum([leak.high for leak in leaks] - auc, 0)
        axes.errorbar(auc, place + shift, xerr=[low, high], fmt="o", color=color, label=label, markersize=4)
    axes.axvline(_A_COIN, color="#333333", linewidth=0.8)
    axes.set_yticks(place, [f"{row.name.rsplit(' > ', 1)[-1].lower()} S{row.tier}" for row in rows])
    axes.set_xlabel("area under the ROC curve of the attacker (95 % interval); 0.5 is a coin")
    axes.set_title(f"What slates give away ({report.placement}, {report.n_customers:,} customers)")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def _drawn(found: Interactions, n_customers: int | None) -> Interactions:
    """Keep some customers, drawn at random, numbered anew without gaps."""
    names = np.unique(found.customer_idx)
    if n_customers is not None and n_customers < names.size:
        names = np.sort(np.random.default_rng(_SEED).choice(names, n_customers, replace=False))
    kept = found.where(np.isin(found.customer_idx, names))
    return replace(kept, customer_idx=np.searchsorted(names, kept.customer_idx).astype(np.int32))


def _truths(
    found: Interactions, catalogue: Catalogue, *, with_topics: bool
) -> Iterator[tuple[str, int, bool, NDArray[np.bool_]]]:
    """Yield name, tier and who has bought of it, shape (n_customers,), of what can be measured."""
    bought = found.where(found.kind == Kind.PURCHASE.value)
    tier, n_customers = catalogue.tier, int(found.customer_idx.max()) + 1
    of_class: list[tuple[str, int, bool, NDArray[np.bool_]]] = []
    topics: list[tuple[str, int, bool, NDArray[np.bool_]]] = []
    for code, name in enumerate(catalogue.sensitive_classes):
        for each in range(SENSITIVE_FROM_TIER, _HIGHEST_TIER + 1):
            items = (catalogue.sensitive_class == code) & (tier == each)
            of_class.append((name, each, False, _buyers(bought, items, n_customers)))
    for path, codes in _sensitive_shelves(catalogue).items() if with_topics else ():
        items = np.isin(catalogue.category, codes)
        topics.append((path, int(tier[items].max()), True, _buyers(bought, items, n_customers)))
    for group in (of_class, topics):
        enough = [each for each in group if FEWEST <= each[3].sum() <= n_customers - FEWEST]
        yield from sorted(enough, key=lambda each: -int(each[3].sum()))


def _sensitive_shelves(catalogue: Catalogue) -> dict[str, tuple[int, ...]]:
    """Return category paths, at any level, of which all goods need consent, with the codes below each.

    Of a path and the only one below it, which hold the same goods, the lower one is returned.
    """
    n_goods = np.bincount(catalogue.category + 1, minlength=len(catalogue.categories) + 1)[1:]
    needs_consent = np.bincount(
        catalogue.category + 1, catalogue.tier >= SENSITIVE_FROM_TIER, len(catalogue.categories) + 1
    )[1:]
    below: dict[str, list[int]] = {}
    for code in np.flatnonzero(n_goods).tolist():
        steps = catalogue.categories[code].split(" > ")
        for depth in range(1, len(steps) + 1):
            below.setdefault(" > ".join(steps[:depth]), []).append(code)
    lowest = {tuple(codes): path for path, codes in sorted(below.items(), key=lambda each: len(each[0]))}
    return {
        path: codes
        for codes, path in lowest.items()
        if all(needs_consent[code] == n_goods[code] for code in codes)
    }


def _buyers(bought: Interactions, items: NDArray[np.bool_], n_customers: int) -> NDArray[np.bool_]:
    buyers = np.zeros(n_customers, np.bool_)
    buyers[bought.customer_idx[items[bought.item_idx]]] = True
    return buyers


def _without_guardrails(house: House, manifest: Manifest, found: Interactions, now_ms: int) -> House:
    """Return the shop as it would be if nobody had thought of any of this: all is learned, all is used.

    Consent is asked for there too, and everybody has given it.
    """
    nothing_sensitive = np.zeros_like(house.catalogue.tier)
    trained = refit(manifest, found, house.catalogue.item_ids, nothing_sensitive, now_ms=now_ms)
    with tempfile.TemporaryDirectory() as folder:
        version = write_artefact(folder, trained.arrays, trained.manifest)
        recommender = Recommender(load_artefact(f"{folder}/{version}"), house.catalogue)
    limits = replace(house.limits, evidence=replace(house.limits.evidence, sensitive_days=_NEVER_OLD_DAYS))
    rules = tuple(rule for rule in house.rules if rule.id in GROUPS[NEVER_OFF])
    return replace(house, recommender=recommender, limits=limits, rules=rules, slate_rules=())


def _seen(
    house: House,
    bare: House,
    found: Interactions,
    placement: Placement,
    now_ms: int,
    progress: Progress,
) -> dict[str, csr_matrix]:
    """Return what the attacker sees of every customer, by name of ``COLUMNS``."""
    group = _group(house.catalogue)
    request, without = _asking(house, placement, now_ms, everything=False)
    nobody = _slate(replace(request, subject_kind=SubjectKind.NONE), without, Known.nothing(), house)
    n_customers = int(found.customer_idx.max()) + 1
    slates = {
        "off": served(bare, _as_profiled(found), placement, now_ms, everything=True),
        "on": served(house, found, placement, now_ms, everything=False),
        "popular": itertools.repeat(nobody, n_customers),
    }
    seen: dict[str, csr_matrix] = {}
    for number, (name, some) in enumerate(slates.items()):
        progress(number, len(slates), f"serving: {name}")
        lists = list(some)
        seen[name] = features(lists, [_prominence(each) for each in lists], group)
    evidence = list(_evidence(house, found, request, without))
    weights = [np.log1p(each.weight.astype(np.float64)) for each in evidence]
    seen["evidence"] = features([each.item_idx for each in evidence], weights, group)
    return seen


def served(
    house: House, found: Interactions, placement: Placement, now_ms: int, *, everything: bool
) -> Iterator[NDArray[np.int32]]:
    """Yield the slate of every customer, catalogue rows, best first.

    Args:
        house: the shop.
        found: what customers did, in order of ``customer_idx``, which has no gaps.
        placement: where.
        now_ms: the clock.
        everything: they agreed to every sensitive class too; else to everything but those.
    """
    request, admission = _asking(house, placement, now_ms, everything=everything)
    for known in _histories(found):
        yield _slate(request, admission, known, house)


def _asking(
    house: House, placement: Placement, now_ms: int, *, everything: bool
) -> tuple[Request, Admission]:
    """Return the request of one customer, and what may be used for it."""
    names = house.catalogue.sensitive_classes
    classes = map(sensitive_key, names) if everything else ()
    request = Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=placement,
        channel=Channel.WEB,
        count=min(N_SHOWN, placement.max_count),
        now_ms=now_ms,
        seed=bytes(16),
    )
    choices = Choices(_granting((*KEY_OF.values(), *classes), now_ms))
    return request, admit(request, choices, names, house.consent)


def _evidence(
    house: House, found: Interactions, request: Request, admission: Admission
) -> Iterator[Evidence]:
    mask, limits = telling_mask(admission, house), house.limits.evidence
    for known in _histories(found):
        yield select(request, admission, known, house.catalogue, limits, house.weighting, mask).evidence


def _slate(request: Request, admission: Admission, known: Known, house: House) -> NDArray[np.int32]:
    suggestions = decide(request, admission, known, house).suggestions
    return np.array([each.item_idx for each in suggestions], np.int32)


def _prominence(slate: NDArray[np.int32]) -> NDArray[np.float64]:
    """How much each place of a slate is looked at: the discount of NDCG."""
    return 1 / np.log2(np.arange(slate.size) + 2)


def _histories(found: Interactions) -> Iterator[Known]:
    """Yield what may be read of each customer."""
    nobody = replace(found, customer_idx=np.zeros(len(found), np.int32))
    ends = np.cumsum(np.bincount(found.customer_idx)).tolist()
    for start, end in itertools.pairwise([0, *ends]):
        yield Known(history=nobody.between(start, end), session=Interactions.empty(), profiling=True)


def _as_profiled(found: Interactions) -> Interactions:
    """Return the same as if all of it had been collected for a profile."""
    return replace(found, purpose=np.full(len(found), Purpose.PROFILING.value, np.int8))


def _granting(purposes: Iterable[str], now_ms: int) -> Ledger:
    """Return the ledger of somebody who agreed to just these, expressly, a moment ago."""
    return replay(
        ConsentEvent(
            record_id=purpose,
            purpose=purpose,
            status=Status.CONSENT_GIVEN,
            at_ms=now_ms - 1,
            valid_until_ms=None,
            channels=None,
            data_categories=None,
            notice_id=None,
            notice_version=None,
            method="measurement",
            actor="data_subject",
            explicit=True,
            confirmed_override=False,
        )
        for purpose in purposes
    )


def _group(catalogue: Catalogue) -> NDArray[np.int32]:
    """Return the first two levels of each item's category as a number, shape (n_items,), int32."""
    upper = [" > ".join(path.split(" > ")[:2]) for path in catalogue.categories]
    _, code = np.unique(np.array([*upper, ""]), return_inverse=True)
    return np.where(catalogue.category >= 0, code[catalogue.category], -1).astype(np.int32)
