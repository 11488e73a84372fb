"""Whom a request is about: the subject that is asked, and those it comes together with."""

from __future__ import annotations

from dataclasses import dataclass

from api.storage.subjects import Subjects
from guardrails.request import SubjectKind

SUBJECT_TYPES = tuple(kind.value for kind in SubjectKind if kind is not SubjectKind.NONE)


@dataclass(frozen=True, slots=True)
class Person:
    """A subject as pseudonyms; no key at all for nobody.

    Attributes:
        kind: what kind of subject is asked.
        key: its key: of the customer, else of the device, else of the visit.
        session_key: the visit that is going on.
        device_key: the device it is going on at.
    """

    kind: SubjectKind
    key: bytes | None
    session_key: bytes | None = None
    device_key: bytes | None = None

    @classmethod
    def of(
        cls,
        subjects: Subjects,
        *,
        customer_id: str | None = None,
        device_id: str | None = None,
        session_id: str | None = None,
    ) -> Person:
        """Return whom these ids stand for; who is logged in comes before the device and the visit."""
        session_key = None if session_id is None else subjects.session(session_id)
        device_key = None if device_id is None else subjects.device(device_id)
        if customer_id is not None:
            return cls(SubjectKind.ACCOUNT, subjects.account(customer_id), session_key, device_key)
        if device_key is not None:
            return cls(SubjectKind.DEVICE, device_key, session_key, device_key)
        kind = SubjectKind.NONE if session_key is None else SubjectKind.SESSION
        return cls(kind, session_key, session_key)

    @property
    def beside(self) -> tuple[bytes, ...]:
        """Keys of those whose refusals hold as well."""
        together = (self.device_key, self.session_key)
        return tuple(key for key in together if key is not None and key != self.key)


def subject_key(subjects: Subjects, kind: SubjectKind, subject_id: str) -> bytes:
    """Return the key of one subject that the shop knows by an id."""
    derive = {
        SubjectKind.ACCOUNT: subjects.account,
        SubjectKind.SESSION: subjects.session,
        SubjectKind.DEVICE: subjects.device,
    }
    return derive[kind](subject_id)
