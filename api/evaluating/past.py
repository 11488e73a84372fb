"""A shop as it would have stood some days ago: what was known then, and what was bought after.

Only customers are measured from whose history a model may learn now. The model is learned anew from
what they had done before the cut, by the gate that training always goes through, and is thrown away.
All times are moved so that the cut falls on this moment: ages are what they were, and consents are
those of today.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sqlalchemy import Connection, Engine, select

from api.errors import NothingToMeasureError
from api.imports.importer import Progress
from api.settings import Settings
from api.storage.connection import reading
from api.storage.consents import read_choices
from api.storage.interactions import read_for_training
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.placements import read_placements
from api.storage.statements import chunks
from api.storage.tables import customers
from api.storage.training import training_customers
from api.storage.versions import policy_in_force
from api.training import classes_of, goods_of
from engine.artefact import load_artefact, write_artefact
from engine.catalogue import Catalogue
from engine.interactions import DAY_MS, Interactions
from engine.serving.recommender import Recommender
from engine.training import fit
from engine.vocabulary import Kind
from guardrails.house import House
from guardrails.policy.limits import Limits
from guardrails.request import Choices, Placement
from guardrails.restraint import Shopper
from guardrails.training_gate import TrainingCustomer, learnable


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The shop as of the cut.

    Attributes:
        house: with a model that has seen nothing after the cut.
        shoppers: the customers, each with what they had done before it.
        relevant: shape (n_shoppers, n_items): what each bought after it.
        placements: by name.
    """

    house: House
    shoppers: tuple[Shopper, ...]
    relevant: csr_matrix
    placements: Mapping[str, Placement]


@contextmanager
def past(
    engine: Engine,
    settings: Settings,
    now_ms: int,
    test_days: int,
    budget_s: float,
    progress: Progress,
    *,
    limits: Limits | None = None,
) -> Iterator[Past]:
    """Read the shop, cut off its last days and learn from what was before; the model ends with the block.

    Args:
        engine: the database, up to date.
        settings: how long consent lasts.
        now_ms: the clock.
        test_days: how many of the last days are what is to be found.
        budget_s: time for learning.
        progress: is told how far it has come.
        limits: what the model may learn from, and how it serves; those in force where left out.

    Raises:
        NothingToMeasureError: nobody who may be measured bought something after the cut.
        ModelFitError: there is nothing to learn from before it.
    """
    progress(0, None, "reading what may be learned from")
    with reading(engine) as conn:
        catalogue = load_catalogue(conn, settings.consent.raised_classes)
        consent = consent_in_force(conn, settings.consent)
        in_force, policy_version = policy_in_force(conn)
        found = training_customers(conn, consent, now_ms)
        interactions, _ = read_for_training(conn, catalogue, found)
        choices = _choices(conn, found)
        placements = read_placements(conn)
    limits = limits or in_force.limits
    before, after = _cut(interactions, test_days, now_ms)
    admitted = learnable(before, list(found.values()), catalogue, limits.evidence, consent, now_ms)
    trained = fit(
        admitted.interactions,
        catalogue.item_ids,
        catalogue.tier,
        now_ms=now_ms,
        classes=classes_of(catalogue, admitted),
        goods=goods_of(catalogue),
        budget_s=budget_s,
        progress=lambda stage, done, total: progress(done, total, stage),
    )
    shoppers, relevant = _shoppers(before, after, choices, catalogue)
    with tempfile.TemporaryDirectory() as folder:
        version = write_artefact(folder, trained.arrays, trained.manifest)
        house = House(
            recommender=Recommender(load_artefact(f"{folder}/{version}"), catalogue),
            catalogue=catalogue,
            limits=limits,
            policy_version=policy_version,
            consent=consent,
        )
        yield Past(house, shoppers, relevant, placements)


def _choices(conn: Connection, found: Mapping[int, TrainingCustomer]) -> list[Choices]:
    """Return the instructions of each customer, in the order of ``found``."""
    keys = {
        row.customer_no: row.subject_key
        for some in chunks(sorted(found))
        for row in conn.execute(
            select(customers.c.customer_no, customers.c.subject_key).where(customers.c.customer_no.in_(some))
        )
    }
    return [read_choices(conn, keys[customer_no])[0] for customer_no in found]


def _cut(interactions: Interactions, test_days: int, now_ms: int) -> tuple[Interactions, Interactions]:
    """Split at so many days before the youngest interaction, and move that moment to now.

    Raises:
        NothingToMeasureError: there are no interactions.
    """
    if len(interactions) == 0:
        raise NothingToMeasureError("there is nothing yet to measure on")
    cut_ms = int(interactions.at_ms.max()) - test_days * DAY_MS
    moved = replace(interactions, at_ms=interactions.at_ms + (now_ms - cut_ms))
    return moved.where(moved.at_ms < now_ms), moved.where(moved.at_ms >= now_ms)


def _shoppers(
    before: Interactions, after: Interactions, choices: list[Choices], catalogue: Catalogue
) -> tuple[tuple[Shopper, ...], csr_matrix]:
    """Put together what each customer had done and what they bought then.

    Raises:
        NothingToMeasureError: nobody bought anything.
    """
    bought = after.where(after.kind == Kind.PURCHASE.value)
    asked = np.intersect1d(before.customer_idx, bought.customer_idx)
    if asked.size == 0:
        raise NothingToMeasureError("nobody who may be measured bought something in the last days")
    histories = _by_customer(before, asked)
    row_of = np.full(int(asked.max()) + 1, -1)
    row_of[asked] = np.arange(asked.size)
    bought = bought.where(np.isin(bought.customer_idx, asked))
    relevant = csr_matrix(
        (np.ones(len(bought)), (row_of[bought.customer_idx], bought.item_idx)),
        shape=(asked.size, catalogue.n_items),
    )
    relevant.sum_duplicates()
    shoppers = (
        Shopper(choices[idx], history) for idx, history in zip(asked.tolist(), histories, strict=True)
    )
    return tuple(shoppers), relevant


def _by_customer(found: Interactions, asked: NDArray[np.int32]) -> list[Interactions]:
    """Return what each of ``asked``, ascending, has done; ``found`` is ordered by customer."""
    starts = np.searchsorted(found.customer_idx, asked, side="left")
    ends = np.searchsorted(found.customer_idx, asked, side="right")
    nobody = replace(found, customer_idx=np.zeros(len(found), np.int32))
    return [nobody.between(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
