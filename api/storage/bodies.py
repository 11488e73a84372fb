"""Bodies of decisions: sealed when they are stored, opened where somebody may read them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sqlalchemy import Select

from api.storage.keyring import KeyName, Keyring
from api.storage.tables import decision_bodies, decision_kinds, decision_subjects, decisions, log_entries
from guardrails.errors import RecordError
from guardrails.log.sealing import NOBODY, NONCE_BYTES, header_of, seal, unseal


class SealedBody(NamedTuple):
    """A body as it is stored, and what it takes to open it.

    Attributes:
        entry: the decision's entry in the log.
        sealed: the encrypted body; ``None`` where it was removed.
        subject_key: whom the decision was for; ``None`` for nobody.
        minute: when, in minutes since the epoch.
    """

    entry: bytes
    sealed: bytes | None
    subject_key: bytes | None
    minute: int


_EPOCH_YEAR = 1970

OF_BODY = (log_entries.c.entry, decision_bodies.c.sealed, decision_subjects.c.subject_key, decisions.c.minute)
"""The columns of a ``SealedBody``; use with ``with_bodies``."""


def with_bodies(
    query: Select[tuple[object, ...]], *, also_without: bool = False
) -> Select[tuple[object, ...]]:
    """Join decisions with what they have in common, their entries, bodies and subjects.

    Args:
        query: selects columns of ``decisions`` and of these.
        also_without: yield decisions whose body was removed as well.
    """
    at = decisions.c.log_index
    return (
        query.select_from(decisions)
        .join(decision_kinds, decision_kinds.c.kind_no == decisions.c.kind_no)
        .join(log_entries, log_entries.c.log_index == at)
        .join(decision_bodies, decision_bodies.c.log_index == at, isouter=also_without)
        .join(decision_subjects, decision_subjects.c.log_index == at, isouter=True)
    )


def key_name(subject_key: bytes | None, minute: int) -> KeyName:
    """Return which key a body is sealed with.

    Args:
        subject_key: whom the decision was for; ``None`` for nobody.
        minute: when, in minutes since the epoch.
    """
    return KeyName(subject_key or NOBODY, _year_of(minute))


@lru_cache(maxsize=1024)
def _year_of(minute: int) -> int:
    return _EPOCH_YEAR + int(
        np.datetime64(minute, "m").astype("datetime64[Y]").astype(int)
    )  # also beyond 9999


def sealed_body(body: bytes, header: bytes, key: bytes) -> bytes:
    """Return a body encrypted under a fresh nonce."""
    return seal(body, header, key, secrets.token_bytes(NONCE_BYTES))


def open_bodies(keyring: Keyring, bodies: Sequence[SealedBody]) -> list[bytes | None]:
    """Return the packed bodies, ``None`` in the place of each that cannot be opened any more.

    That is one that was removed, or whose key was destroyed; of one whose key is there but that does
    not open, somebody has changed it.

    Raises:
        StoreUnavailableError: the keys cannot be used now.
        RecordError: a body, or what it belongs to, was changed.
    """
    names = [key_name(each.subject_key, each.minute) for each in bodies]
    keys = keyring.for_opening({name for name, each in zip(names, bodies, strict=True) if each.sealed})
    return [
        unseal(bytes(each.sealed), header_of(bytes(each.entry)), keys[name])
        if each.sealed and name in keys
        else None
        for name, each in zip(names, bodies, strict=True)
    ]


def open_those_that_open(keyring: Keyring, bodies: Iterable[SealedBody]) -> list[bytes | None]:
    """Return the packed bodies as above, ``None`` also for one that was changed."""
    found = list(bodies)
    try:
        return open_bodies(keyring, found)
    except RecordError:
        return [_or_none(keyring, each) for each in found]


def _or_none(keyring: Keyring, body: SealedBody) -> bytes | None:
    try:
        return open_bodies(keyring, [body])[0]
    except RecordError:
        return None
