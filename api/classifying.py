"""Classify the stored catalogue afresh, raise what the shop calls sensitive, and say what is covered.

Items are classified when they are stored. When the product's word lists change, or a category gets
a mark, what is stored already is classified anew, in runs: each is a transaction of its own, so
that the shop goes on selling meanwhile and a run that was interrupted is simply done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from api.errors import UnknownItemError
from api.storage.classified import (
    DescribedItem,
    count_items,
    find_described,
    read_described,
    store_decided,
    stored_categories,
)
from api.storage.connection import reading, writing
from api.storage.log import append_entries, entry
from api.storage.marks import mark_category, mark_item, read_marks
from api.storage.versions import SYSTEM
from guardrails.sensitive.classify import UNMARKED, CategoryMarks, Classification, ShopMark, category_key
from guardrails.sensitive.examine import Examination, examine
from guardrails.sensitive.report import Named, Tally, tally

if TYPE_CHECKING:
    from api.imports.importer import Progress

N_IN_RUN = 2_000


@dataclass(frozen=True, slots=True)
class Decided:
    """An item as it is stored, and what is decided of it now."""

    item: DescribedItem
    now: Examination

    @property
    def is_outdated(self) -> bool:
        """Whether anything is decided otherwise than is stored."""
        return self.now != self.item.examined


@dataclass(frozen=True, slots=True)
class Reclassified:
    """What came of classifying items afresh.

    Attributes:
        n_items: items looked at.
        n_changed: items of which anything is decided otherwise than before.
        n_other_class: items of another class than before.
        n_raised: items of a higher tier than before.
        n_lowered: items of a lower tier than before.
        n_other_occasions: items made for other occasions than before.
    """

    n_items: int = 0
    n_changed: int = 0
    n_other_class: int = 0
    n_raised: int = 0
    n_lowered: int = 0
    n_other_occasions: int = 0

    def counting(self, run: Sequence[Decided]) -> Reclassified:
        """Return the counts with those of another run."""
        counts = [_difference(each) for each in run]
        return Reclassified(*map(sum, zip(astuple(self), *counts, strict=True)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the stored catalogue is classified as.

    Attributes:
        counted: the counts.
        n_outdated: items of which something else would be decided now.
    """

    counted: Tally
    n_outdated: int


def classify_catalogue(
    engine: Engine, now_ms: int, progress: Progress | None = None, below: str = ""
) -> Reclassified:
    """Classify what is stored afresh; what is decided as before is left untouched.

    Args:
        engine: the database.
        now_ms: the clock.
        progress: is told how far it has come.
        below: path of the only category to look at, with all below it; empty for the whole catalogue.
    """
    done, n_seen, last_no = Reclassified(), 0, 0
    with reading(engine) as conn:
        among = categories_below(conn, below) if below else None
        n_items = count_items(conn, among)
    while True:
        with writing(engine) as conn:
            found = read_described(conn, last_no, N_IN_RUN, among)
            run = _decide(found, read_marks(conn))
            _store(conn, run, now_ms)
        if not found:
            return done
        done, n_seen, last_no = done.counting(run), n_seen + len(found), found[-1].item_no
        if progress is not None:
            progress(n_seen, n_items, f"{done.n_changed:,} changed")


def cover(engine: Engine, progress: Progress | None = None) -> Coverage:
    """Say what the stored catalogue is classified as; nothing is stored.

    Args:
        engine: the database.
        progress: is told how far it has come.
    """
    outdated: list[str] = []
    with reading(engine) as conn:
        counted = tally(_named(conn, outdated, progress))
    return Coverage(counted, len(outdated))


def categories_below(conn: Connection, category: str) -> list[str]:
    """Return the categories that are one or lie below it, as they are stored, however it is written."""
    key = category_key(category)
    return [each for each in stored_categories(conn) if category_key(each)[: len(key)] == key]


def raise_one(
    engine: Engine,
    item_id: str,
    sensitive_class: str | None,
    tier: int,
    now_ms: int,
    actor: str = SYSTEM,
) -> Classification:
    """Raise the shop's mark of an item, classify it afresh, and return what it is now; the log says so.

    Args:
        engine: the database.
        item_id: the shop's key of it.
        sensitive_class: class name; ``None`` for whatever class is found.
        tier: 1 to 3.
        now_ms: the clock.
        actor: id of who asked for it.

    Raises:
        UnknownItemError: there is no such item.
        SensitiveMarkError: the mark is higher already, or the class or tier does not exist.
    """
    with writing(engine) as conn:
        item = find_described(conn, item_id)
        if item is None:
            raise UnknownItemError("this item is not in the catalogue")
        mark = ShopMark(item.facts.shop_class, item.facts.shop_tier).raised_to(sensitive_class, tier)
        mark_item(conn, item.item_no, mark)
        facts = replace(item.facts, shop_class=mark.sensitive_class, shop_tier=mark.tier)
        run = _decide([replace(item, facts=facts)], read_marks(conn))
        _store(conn, run, now_ms)
        _say_so(conn, now_ms, mark, actor, item=item_id)
    return run[0].now.classification


def raise_all(
    engine: Engine,
    category: str,
    sensitive_class: str | None,
    tier: int,
    now_ms: int,
    progress: Progress | None = None,
    actor: str = SYSTEM,
) -> Reclassified:
    """Raise the shop's mark of a category and classify afresh what is in it, now and later.

    Args:
        engine: the database.
        category: its path.
        sensitive_class: class name; ``None`` for whatever class is found.
        tier: 1 to 3.
        now_ms: the clock.
        progress: is told how far it has come.
        actor: id of who asked for it.

    Raises:
        SensitiveMarkError: the mark is higher already, or the class or tier does not exist.
    """
    raise_category_mark(engine, category, sensitive_class, tier, now_ms, actor)
    return classify_catalogue(engine, now_ms, progress, below=category)


def raise_category_mark(
    engine: Engine, category: str, sensitive_class: str | None, tier: int, now_ms: int, actor: str = SYSTEM
) -> None:
    """Raise the shop's mark of a category; what is in it already is not classified by that.

    Arguments and errors as of ``raise_all``. What is stored from now on has the mark.
    """
    with writing(engine) as conn:
        mark = read_marks(conn).get(category_key(category), UNMARKED).raised_to(sensitive_class, tier)
        mark_category(conn, category, mark, now_ms)
        _say_so(conn, now_ms, mark, actor, category=" > ".join(category_key(category)))


def _say_so(conn: Connection, now_ms: int, mark: ShopMark, actor: str, **of: str) -> None:
    """Write down in the log who marked what as what."""
    said = {"sensitive_class": mark.sensitive_class, "tier": mark.tier, "actor": actor, **of}
    append_entries(conn, [entry("config", now_ms, what="sensitive_mark", **said)])


def _decide(items: Sequence[DescribedItem], marks: CategoryMarks) -> list[Decided]:
    return [Decided(item, examine(item.facts, marks)) for item in items]


def _store(conn: Connection, run: Sequence[Decided], now_ms: int) -> None:
    store_decided(conn, [(each.item, each.now) for each in run if each.is_outdated], now_ms)


def _difference(decided: Decided) -> tuple[int, ...]:
    """Return what an item adds to each count of ``Reclassified``."""
    before, now = decided.item.examined, decided.now
    old, new = before.classification, now.classification
    return (
        1,
        int(decided.is_outdated),
        int(old.sensitive_class != new.sensitive_class),
        int(old.tier < new.tier),
        int(old.tier > new.tier),
        int(before.occasions != now.occasions),
    )


def _named(conn: Connection, outdated: list[str], progress: Progress | None) -> Iterator[Named]:
    """Yield every item as it is stored, and note which of them are not up to date."""
    n_items, marks, n_seen, last_no = count_items(conn), read_marks(conn), 0, 0
    while found := read_described(conn, last_no, N_IN_RUN):
        for each in _decide(found, marks):
            if each.is_outdated:
                outdated.append(each.item.item_id)
            yield Named(each.item.item_id, each.item.facts.title, each.item.examined)
        n_seen, last_no = n_seen + len(found), found[-1].item_no
        if progress is not None:
            progress(n_seen, n_items, f"{len(outdated):,} not up to date")
