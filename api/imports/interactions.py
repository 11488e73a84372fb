"""Interactions from a file: what a record must say, and how a whole run of them is read at once.

``read_interaction`` defines what a record means. Most records are plain, and ``_read_plain`` reads
the plain ones of a run as columns; whatever it does not recognise is left to ``read_interaction``,
which either understands it or names what is wrong. Both agree on every record that both accept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from hashlib import blake2b
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection

from api.consents.people import Person
from api.errors import FieldError
from api.imports import fields as one
from api.imports.batches import Batch, Reject
from api.imports.circumstance_store import life_event
from api.imports.event_store import NON_PROFILED
from api.imports.fields import Record, TimeLimits, read_id, read_word, require
from api.imports.occurrences import Occurrences
from api.imports.readers import Fields
from api.imports.stored import Stored
from api.imports.suppression import WAS_ERASED, erased_customers
from api.storage.consents import read_choices
from api.storage.customers import customer_numbers
from api.storage.holds import put_holds
from api.storage.interactions import event_key, insert_interactions
from api.storage.subjects import Subjects
from api.storage.unprofiled import unprofiled
from engine.vocabulary import Channel, Kind, Provenance, word
from guardrails.consent.check import DENIAL_OF, check
from guardrails.consent.collection import ORDER_FACTS, purpose_of_collection
from guardrails.consent.events import Status
from guardrails.consent.ledger import Ledger
from guardrails.consent.permission import Denial
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.holding import Hold
from guardrails.policy.limits import Limits

COLLECTION_PURPOSES = {key: purpose for purpose, key in KEY_OF.items() if not key.endswith(".")}
"""Purposes that something can be collected for; a class or a channel alone is not one."""

INTERACTION_FIELDS = Fields(
    known=frozenset(
        {
            "event_id",
            "customer_id",
            "session_id",
            "item_id",
            "kind",
            "at",
            "at_ms",
            "channel",
            "purpose",
            "is_gift",
            "quantity",
            "value",
            "value_minor",
            "currency",
            "provenance",
        }
    ),
    required=(("item_id",), ("kind",), ("at", "at_ms"), ("customer_id", "session_id")),
)


class Interaction(NamedTuple):
    """One record of a file, understood.

    Attributes:
        event_id: id of the event; ``None`` when the file gives none.
        customer_id: who did it; ``None`` for somebody known by the visit alone.
        session_id: during which visit; ``None`` outside one. One of the two is there.
        item_id: with which item.
        kind: ``Kind`` number.
        at_ms: when, milliseconds since the epoch.
        channel: ``Channel`` number.
        purpose: ``Purpose`` number it was collected under.
        is_gift: bought for somebody else.
        quantity: how many, at least 1.
        value_minor: what was paid for all of them; ``None`` when unknown.
        provenance: ``Provenance`` number: whose data it was before.
    """

    event_id: str | None
    customer_id: str | None
    session_id: str | None
    item_id: str
    kind: int
    at_ms: int
    channel: int
    purpose: int
    is_gift: bool
    quantity: int
    value_minor: int | None
    provenance: int


def read_interaction(record: Record, limits: TimeLimits) -> Interaction:
    """Understand one record.

    Raises:
        FieldError: a field is missing or cannot be used.
    """
    customer_id, session_id = read_id(record, "customer_id"), read_id(record, "session_id")
    if customer_id is None and session_id is None:
        raise FieldError("customer_id", "is missing, and so is `session_id`")
    kind = require("kind", read_word(record, "kind", Kind))
    return Interaction(
        event_id=read_id(record, "event_id"),
        customer_id=customer_id,
        session_id=session_id,
        item_id=require("item_id", read_id(record, "item_id")),
        kind=int(kind),
        at_ms=require("at", one.read_moment_ms(record, "at", limits)),
        channel=int(read_word(record, "channel", Channel) or Channel.WEB),
        purpose=int(_read_purpose(record, kind)),
        is_gift=one.read_flag(record, "is_gift") or False,
        quantity=one.read_whole(record, "quantity", 1, one.MAX_QUANTITY) or 1,
        value_minor=one.read_money_minor(record, "value", one.read_currency(record)),
        provenance=int(read_word(record, "provenance", Provenance) or Provenance.OWN),
    )


def _read_purpose(record: Record, kind: Kind) -> Purpose:
    """Return the purpose a record names; without one only the facts of an order can be kept."""
    key = one.read_text(record, "purpose")
    if key is None:
        kept = purpose_of_collection(kind, profiling_permitted=False)
        if kept is None:
            raise FieldError("purpose", "is missing: without one only purchases and returns are kept")
        return kept
    if key not in COLLECTION_PURPOSES:
        raise FieldError("purpose", "is not a purpose that data is collected for")
    return COLLECTION_PURPOSES[key]


@dataclass
class InteractionColumns:
    """A run of interactions as columns, each with the line it came from; fields as in ``Interaction``."""

    lines: list[int]
    event_id: list[str | None]
    customer_id: list[str | None]
    session_id: list[str | None]
    item_id: list[str]
    kind: list[int]
    at_ms: list[int]
    channel: list[int]
    purpose: list[int]
    is_gift: list[bool]
    quantity: list[int]
    value_minor: list[int | None]
    provenance: list[int]

    def append(self, line: int, interaction: Interaction) -> None:
        """Add one interaction."""
        self.lines.append(line)
        for name, value in interaction._asdict().items():
            getattr(self, name).append(value)

    def where(self, keep: NDArray[np.bool_]) -> InteractionColumns:
        """Return the interactions for which ``keep``, shape (n,), is true."""
        if keep.all():
            return self
        kept = np.flatnonzero(keep).tolist()
        return InteractionColumns(*([getattr(self, f.name)[i] for i in kept] for f in fields(self)))


def read_interactions(batch: Batch, limits: TimeLimits) -> tuple[InteractionColumns, list[Reject]]:
    """Understand a run of records; what cannot be understood comes back as rejects."""
    columns, plain = _read_plain(batch, limits)
    rejects: list[Reject] = []
    for i in np.flatnonzero(~plain).tolist():
        try:
            columns.append(batch.lines[i], read_interaction(batch.record(i), limits))
        except FieldError as error:
            rejects.append(Reject(batch.lines[i], error.field, error.reason))
    return columns, rejects


class InteractionImport:
    """Stores runs of interactions.

    Args:
        item_numbers: storage key of every item id.
        subjects: the shop's pseudonyms.
        limits: times that can be.
        now_ms: the clock.
        consent: how consent is checked; the defaults without it.
        memorials: storage keys of what is bought for a funeral or in remembrance.
        guardrails: for how long whoever bought that is spared; the defaults without them.
    """

    fields = INTERACTION_FIELDS

    def __init__(
        self,
        item_numbers: Mapping[str, int],
        subjects: Subjects,
        limits: TimeLimits,
        now_ms: int,
        *,
        consent: ConsentSettings | None = None,
        memorials: Collection[int] = (),
        guardrails: Limits | None = None,
    ) -> None:
        self._item_numbers = item_numbers
        self._subjects = subjects
        self._limits = limits
        self._now_ms = now_ms
        self._consent = consent or ConsentSettings()
        self._memorials = frozenset(memorials)
        self._guardrails = guardrails or Limits()
        self._occurrences = Occurrences()

    def store(self, conn: Connection, batch: Batch) -> tuple[Stored, list[Reject]]:
        """Store a run; what cannot be stored comes back as rejects."""
        columns, rejects = read_interactions(batch, self._limits)
        item_no = np.fromiter(
            map(self._item_numbers.get, columns.item_id, repeat(-1)), np.int64, len(columns.item_id)
        )
        known = item_no >= 0
        rejects += [
            Reject(columns.lines[i], "item_id", "is not in the catalogue")
            for i in np.flatnonzero(~known).tolist()
        ]
        columns, item_no = columns.where(known), item_no[known]
        welcome = self._welcome(conn, columns.customer_id)
        rejects += [
            Reject(columns.lines[i], "customer_id", WAS_ERASED) for i in np.flatnonzero(~welcome).tolist()
        ]
        columns, item_no = columns.where(welcome), item_no[welcome]
        against = self._against(conn, columns)
        rejects += [
            Reject(line, *reason)
            for line, reason in zip(columns.lines, against, strict=True)
            if reason is not None
        ]
        permitted = np.fromiter((reason is None for reason in against), np.bool_, len(against))
        columns, item_no = columns.where(permitted), item_no[permitted]
        rows = self._rows(conn, columns, item_no.tolist())
        put_holds(conn, self._mourning(columns, item_no))
        inserted = insert_interactions(conn, rows) if rows else 0
        return Stored(inserted=inserted, unchanged=len(rows) - inserted), rejects

    def _welcome(self, conn: Connection, customer_ids: Sequence[str | None]) -> NDArray[np.bool_]:
        """Return for each row, shape (n,), whether its customer was never erased."""
        erased = erased_customers(conn, self._subjects, customer_ids)
        return np.fromiter((each not in erased for each in customer_ids), np.bool_, len(customer_ids))

    def _against(self, conn: Connection, columns: InteractionColumns) -> Sequence[tuple[str, str] | None]:
        """Return for each row which field cannot be as it is, and why; ``None`` where nothing is wrong."""
        pairs = zip(
            self._against_profiling(conn, columns), self._against_enrichment(conn, columns), strict=True
        )
        return [
            ("purpose", of_purpose) if of_purpose else ("provenance", of_origin) if of_origin else None
            for of_purpose, of_origin in pairs
        ]

    def _against_enrichment(self, conn: Connection, columns: InteractionColumns) -> Sequence[str | None]:
        """Return for each row why what others collected cannot be kept; ``None`` for the shop's own."""
        subjects = [
            None if provenance == Provenance.OWN else (customer_id, session_id)
            for provenance, customer_id, session_id in zip(
                columns.provenance, columns.customer_id, columns.session_id, strict=True
            )
        ]
        reasons = {each: self._not_enriched(conn, *each) for each in set(subjects) if each is not None}
        return [None if each is None else reasons[each] for each in subjects]

    def _not_enriched(self, conn: Connection, customer_id: str | None, session_id: str | None) -> str | None:
        person = Person.of(self._subjects, customer_id=customer_id, session_id=session_id)
        choices, _ = read_choices(conn, person.key or b"", person.beside)
        question = choices.question(KEY_OF[Purpose.ENRICHMENT], self._now_ms, gpc=False)
        because = check(choices.ledger or Ledger.empty(), question, self._consent).because
        return because and f"the customer does not permit what others collected ({because})"

    def _mourning(
        self, columns: InteractionColumns, item_no: NDArray[np.int64]
    ) -> Iterator[tuple[bytes, Hold]]:
        """Yield what spares those who bought something for a funeral, as far as it has not ended."""
        if not self._memorials:
            return
        for i in np.flatnonzero(np.isin(item_no, list(self._memorials))).tolist():
            if columns.kind[i] != Kind.PURCHASE or columns.provenance[i] != Provenance.OWN:
                continue
            person = Person.of(
                self._subjects, customer_id=columns.customer_id[i], session_id=columns.session_id[i]
            )
            for hold in life_event(columns.at_ms[i], self._guardrails):
                if hold.stands(self._now_ms):
                    yield person.key or b"", hold

    def _against_profiling(self, conn: Connection, columns: InteractionColumns) -> Sequence[str | None]:
        """Return for each row why it cannot be kept for a profile; ``None`` where nothing is against it.

        What the customer says now counts, not what stood when it happened: who has withdrawn has had
        what was collected before forgotten too, and a file must not bring it back.
        """
        profiled = [
            customer_id if purpose == Purpose.PROFILING else None
            for customer_id, purpose in zip(columns.customer_id, columns.purpose, strict=True)
        ]
        keys = {self._subjects.account(each): each for each in set(profiled) if each is not None}
        found = unprofiled(conn, list(keys), self._now_ms)
        reasons = {keys[key]: _not_permitted(status) for key, status in found.items()}
        return [None if each is None else reasons.get(each) for each in profiled]

    def _rows(
        self, conn: Connection, columns: InteractionColumns, item_no: list[int]
    ) -> list[tuple[Any, ...]]:
        customer_no = self._numbers_of(conn, columns.customer_id)
        session_key = self._keys_of(columns.session_id)
        content = (
            customer_no,
            session_key,
            item_no,
            columns.kind,
            columns.at_ms,
            columns.channel,
            columns.purpose,
            columns.is_gift,
            columns.quantity,
            columns.value_minor,
        )
        keys = self._event_keys(columns.event_id, columns.at_ms, content)
        return list(zip(keys, *content, columns.provenance, strict=True))

    def _numbers_of(self, conn: Connection, customer_ids: Sequence[str | None]) -> list[int | None]:
        distinct = [each for each in dict.fromkeys(customer_ids) if each is not None]
        numbers = customer_numbers(conn, distinct, self._subjects, self._now_ms) if distinct else {}
        return [None if each is None else numbers[each] for each in customer_ids]

    def _keys_of(self, session_ids: Sequence[str | None]) -> list[bytes | None]:
        keys = {
            each: None if each is None else self._subjects.session(each)
            for each in dict.fromkeys(session_ids)
        }
        return [keys[each] for each in session_ids]

    def _event_keys(
        self, event_ids: Sequence[str | None], at_ms: Sequence[int], content: tuple[Sequence[object], ...]
    ) -> list[bytes]:
        """Return a key for each event: from its id, or else from what it says and how often it was said.

        A key from content begins with the time, so that the keys of a file in the order of time come
        in order as well: an index grows several times faster at its end than in its middle.
        """
        if None not in event_ids:
            return [event_key(each) for each in event_ids if each is not None]
        digests = [_digest(repr(row).encode()) for row in zip(*content, strict=True)]
        nameless = [i for i, each in enumerate(event_ids) if each is None]
        numbers = self._occurrences.number(np.frombuffer(b"".join(digests[i] for i in nameless), np.uint64))
        for i, number in zip(nameless, numbers.tolist(), strict=True):
            if number:
                digests[i] = _digest(digests[i] + number.to_bytes(8, "big"))
        return [
            moment.to_bytes(8, "big") + digest if each is None else event_key(each)
            for each, moment, digest in zip(event_ids, at_ms, digests, strict=True)
        ]


def _not_permitted(status: Status | None) -> str:
    if status is None:
        because: str = NON_PROFILED
    else:
        because = Denial.RESTRICTED if status is Status.RESTRICTED else DENIAL_OF[status]
    return f"the customer does not permit profiling ({because})"


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8, person=b"tactful content").digest()


class _NotPlainError(Exception):
    """A column is of a type that is not read as a whole."""


@dataclass(frozen=True)
class _Plain:
    """A column as far as it is plain: values, and which of them may be used, shape (n,)."""

    values: Any
    usable: NDArray[np.bool_]


def _read_plain(batch: Batch, limits: TimeLimits) -> tuple[InteractionColumns, NDArray[np.bool_]]:
    """Return the plain records of a run, and which they are, shape (n,)."""
    none = InteractionColumns(*([] for _ in fields(InteractionColumns)))
    if not len(batch):
        return none, np.zeros(0, np.bool_)
    try:
        columns = _plain_columns(_Columns(batch), limits)
    except (_NotPlainError, pa.ArrowException, UnicodeEncodeError, OverflowError):
        return none, np.zeros(len(batch), np.bool_)
    plain: NDArray[np.bool_] = np.logical_and.reduce([column.usable for column in columns.values()])
    lines = np.asarray(batch.lines)[plain].tolist()
    kept = {name: _listed(column.values, plain) for name, column in columns.items()}
    return InteractionColumns(lines=lines, **kept), plain


def _listed(values: Any, keep: NDArray[np.bool_]) -> list[Any]:
    listed: list[Any]
    if isinstance(values, np.ndarray):
        listed = values[keep].tolist()
    else:
        listed = (values if keep.all() else values.filter(pa.array(keep))).to_pylist()
    return listed


def _plain_columns(columns: _Columns, limits: TimeLimits) -> dict[str, _Plain]:
    customer_id, session_id = columns.ids("customer_id"), columns.ids("session_id")
    somebody = _present(customer_id.values) | _present(session_id.values)
    item_id = columns.ids("item_id")
    kind = columns.words("kind", _numbers(Kind), default=None)
    return {
        "event_id": columns.ids("event_id"),
        "customer_id": _Plain(customer_id.values, customer_id.usable & somebody),
        "session_id": session_id,
        "item_id": _Plain(item_id.values, item_id.usable & _present(item_id.values)),
        "kind": kind,
        "at_ms": columns.moments(limits),
        "channel": columns.words("channel", _numbers(Channel), default=Channel.WEB),
        "purpose": _plain_purposes(columns, kind),
        "is_gift": columns.flags("is_gift"),
        "quantity": columns.whole_numbers("quantity", 1, one.MAX_QUANTITY, default=1),
        "value_minor": columns.money("value"),
        "provenance": columns.words("provenance", _numbers(Provenance), default=Provenance.OWN),
    }


def _numbers(enum: type[IntEnum]) -> dict[str, int]:
    return {word(member): int(member) for member in enum}


def _plain_purposes(columns: _Columns, kind: _Plain) -> _Plain:
    named = columns.words("purpose", COLLECTION_PURPOSES, default=_UNNAMED)
    unnamed = named.values == _UNNAMED
    order_facts = np.isin(kind.values, [int(each) for each in ORDER_FACTS])
    values = np.where(unnamed, int(Purpose.ESSENTIAL_SERVICE), named.values)
    return _Plain(values, named.usable & (~unnamed | order_facts))


_MOMENT = pa.timestamp("us", "UTC")
_UNNAMED = -2
_NOT_A_WORD = -1
_TWO_DECIMALS = r"^\d{1,12}(\.\d{1,2})?$"
_PLAIN_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$"
_FLAG_WORDS = {**dict.fromkeys(one.TRUE_WORDS, 1), **dict.fromkeys(one.FALSE_WORDS, 0)}


class _Columns:
    """The columns of a run as Arrow arrays; absent values are null."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._n = len(batch)

    def ids(self, name: str) -> _Plain:
        """Return ids: text without control characters, or whole numbers."""
        column = self._array(name)
        if pa.types.is_integer(column.type):
            column = column.cast(pa.string())
        column = self._text(column)
        if not _mask(pc.string_is_ascii(column), absent=True).all():
            column = pc.utf8_normalize(column, form="NFC")
        short = pc.less_equal(pc.utf8_length(column), one.MAX_ID_LENGTH)
        clean = pc.invert(pc.match_substring_regex(column, one.CONTROL_CHARACTERS))
        return _Plain(column, _mask(pc.and_(short, clean), absent=True))

    def words(self, name: str, numbers: Mapping[str, int], default: int | None) -> _Plain:
        """Return the number of each word; absent ones are the default."""
        column = self._text(self._array(name))
        found = pc.fill_null(pc.index_in(column, pa.array(list(numbers))), _NOT_A_WORD).to_numpy(
            zero_copy_only=False
        )
        values = np.array([*numbers.values(), _NOT_A_WORD], np.int64)[found]
        if default is not None:
            values[~_present(column)] = default
        return _Plain(values, values != _NOT_A_WORD)

    def flags(self, name: str) -> _Plain:
        """Return yes or no; absent is no."""
        column = self._array(name)
        if pa.types.is_boolean(column.type):
            return _Plain(_mask(column, absent=False), np.ones(self._n, np.bool_))
        said = self.words(name, _FLAG_WORDS, default=0)
        return _Plain(said.values == 1, said.usable)

    def whole_numbers(self, name: str, least: int, most: int, default: int) -> _Plain:
        """Return whole numbers within a range; absent ones are the default."""
        values, present, usable = self._whole(name, least, most)
        return _Plain(np.where(present, values, default), usable | ~present)

    def moments(self, limits: TimeLimits) -> _Plain:
        """Return times in milliseconds, from the one column or the other."""
        counted, is_counted, usable = self._whole("at_ms", limits.earliest_ms, limits.latest_ms)
        written = self._array("at")
        if written.type == _MOMENT:
            is_written = _present(written)
        else:
            written = self._text(written)
            is_written = _present(written)
            written = _only(pc.match_substring_regex(written, _PLAIN_TIME), written).cast(_MOMENT)
        values = _integers(written) // 1000
        can_be = _present(written) & (values >= limits.earliest_ms) & (values <= limits.latest_ms)
        fits = np.where(is_written, can_be & ~is_counted, usable)
        return _Plain(np.where(is_written, values, counted), fits)

    def money(self, name: str) -> _Plain:
        """Return amounts in minor units of a currency with two decimals; absent ones are null."""
        counted, is_counted, usable = self._whole(f"{name}_minor", 0, one.MAX_MONEY_MINOR)
        minor, is_written, usable_written = self._decimal(name)
        values = pa.array(np.where(is_written, minor, counted), mask=~(is_written | is_counted))
        fits = np.where(is_written, usable_written & ~is_counted, usable | ~is_counted)
        return _Plain(values, fits & self._has_two_decimals(self._text(self._array("currency"))))

    def _has_two_decimals(self, currency: pa.Array) -> NDArray[np.bool_]:
        code = _mask(pc.match_substring_regex(currency, "^[A-Z]{3}$"), absent=True)
        return code & ~_mask(pc.is_in(currency, pa.array(list(one.MINOR_DIGITS))), absent=False)

    def _decimal(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        column = self._array(name)
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            amounts = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
            usable = (amounts >= 0) & (amounts < one.MAX_MONEY_MINOR / 1000)
            return np.rint(np.where(usable, amounts, 0) * 100).astype(np.int64), _present(column), usable
        column = self._text(column)
        exact = _only(pc.match_substring_regex(column, _TWO_DECIMALS), column).cast(pa.decimal128(14, 2))
        cents = pc.multiply(exact, pa.scalar(100, pa.decimal128(3, 0))).cast(pa.int64())
        return _integers(cents), _present(column), _present(exact)

    def _whole(
        self, name: str, least: int, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the values, which are there, and which are there and can be used."""
        column = self._array(name)
        if not pa.types.is_integer(column.type):
            column = self._text(column)
            present = _present(column)
            column = _only(pc.match_substring_regex(column, r"^\d{1,18}$"), column)
        else:
            present = _present(column)
        values = _integers(column)
        return values, present, _present(column) & (values >= least) & (values <= most)

    def _array(self, name: str) -> pa.Array:
        column = self._batch.column(name)
        if column is None:
            return pa.nulls(self._n, pa.string())
        return column if isinstance(column, pa.Array) else pa.array(column)

    def _text(self, column: pa.Array) -> pa.Array:
        if pa.types.is_null(column.type):
            return column.cast(pa.string())
        if not pa.types.is_string(column.type):
            raise _NotPlainError
        return pc.if_else(pc.equal(column, ""), None, column)


def _only(truth: pa.Array, column: pa.Array) -> pa.Array:
    """Return the column with null wherever the truth is not true."""
    return pc.if_else(pc.fill_null(truth, fill_value=False), column, None)


def _integers(column: pa.Array) -> NDArray[np.int64]:
    values: NDArray[np.int64] = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return values


def _present(column: pa.Array) -> NDArray[np.bool_]:
    return _mask(pc.is_valid(column), absent=False)


def _mask(truth: pa.Array, *, absent: bool) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.fill_null(truth, absent).to_numpy(zero_copy_only=False).astype(np.bool_)
    return mask
