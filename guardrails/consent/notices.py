"""Notices: what customers are told before they choose, version by version.

A choice is about what its notice says and nothing more (GDPR 4(11), 7(1)): the purposes it names,
the data it names. When a later version changes something that matters, choices made under the
earlier ones no longer carry until they are made again; a corrected typing error changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from guardrails.consent.events import ConsentEvent
from guardrails.consent.settings import Outdated
from guardrails.errors import ConsentEventError
from guardrails.messages import Phrase


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it was shown to customers in one language.

    Attributes:
        notice_id: which notice.
        version: which version of it.
        language: language tag (BCP 47).
        jurisdiction: code of the place it was written for.
        text: what it says.
        purposes: keys of the purposes it asks for.
        material_change: it changed so much that consent must be asked for again.
        effective_from_ms: from when it is shown, milliseconds since the epoch.
        data_categories: data it names; none stands for data in general.
        controllers: who answers for the data.
        recipients: who is handed data.
        retention: how long data is kept, as an ISO 8601 duration; ``None`` when it does not say.
        withdrawal_url: where consent is taken back; ``None`` when it does not say.
    """

    notice_id: str
    version: str
    language: str
    jurisdiction: str
    text: str
    purposes: tuple[str, ...]
    material_change: bool
    effective_from_ms: int
    data_categories: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    retention: str | None = None
    withdrawal_url: str | None = None

    @property
    def text_sha256(self) -> str:
        """SHA-256 of the text in UTF-8, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class NoticeDate:
    """One version of a notice, as far as it matters to what came before it; see ``Notice``."""

    notice_id: str
    version: str
    effective_from_ms: int
    material_change: bool


def outdated(dates: Iterable[NoticeDate]) -> Outdated:
    """Return which versions a material change has outdated, and since when.

    Languages of one version count as one: the version takes effect with the first of them, and a
    change that is material in one language is material.
    """
    found: dict[str, dict[str, NoticeDate]] = {}
    for date in dates:
        versions = found.setdefault(date.notice_id, {})
        known = versions.get(date.version, date)
        versions[date.version] = replace(
            date,
            effective_from_ms=min(date.effective_from_ms, known.effective_from_ms),
            material_change=date.material_change or known.material_change,
        )
    return {notice_id: ended for notice_id, versions in found.items() if (ended := _ended(versions.values()))}


def _ended(versions: Iterable[NoticeDate]) -> dict[str, int]:
    """Return since when each version is outdated: the next material change after it took effect."""
    in_order = sorted(versions, key=lambda each: (each.effective_from_ms, each.version))
    ended: dict[str, int] = {}
    next_change_ms: int | None = None
    for each in reversed(in_order):
        if next_change_ms is not None:
            ended[each.version] = next_change_ms
        if each.material_change:
            next_change_ms = each.effective_from_ms
    return ended


def under_notice(event: ConsentEvent, notice: Notice) -> ConsentEvent:
    """Return the event bound to what its notice names.

    Raises:
        ConsentEventError: the notice does not ask for the purpose, or not for the data.
    """
    if event.grants and event.purpose not in notice.purposes:
        raise ConsentEventError(Phrase("the notice does not ask for `{purpose}`", purpose=event.purpose))
    named = frozenset(notice.data_categories) or None
    categories = event.data_categories
    if event.grants and named is not None:
        if categories is not None and not categories <= named:
            raise ConsentEventError("the notice does not name all of these data categories")
        categories = named if categories is None else categories
    return replace(
        event,
        data_categories=categories,
        notice_id=notice.notice_id,
        notice_version=notice.version,
        notice_sha256=notice.text_sha256,
        language=notice.language,
    )
