"""All that is held of one person, section by section: what it is, its columns, how it is read.

The sections are the one place that knows what an export holds. The document, the tables and the
published schema are all made from them, and a test holds them against the tables of the store: a
new table with somebody's data in it is either in a section or says why not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from api.rights import readings
from api.rights.readings import Row, Subject


class Form(StrEnum):
    """What a column holds."""

    TEXT = "text"
    TIME = "time"
    NUMBER = "number"
    FLAG = "flag"
    LIST = "list"


class Scope(StrEnum):
    """How much is handed out."""

    ACCESS = "access"
    PORTABILITY = "portability"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a section.

    Attributes:
        name: its name.
        form: what it holds; anything but a flag and a list can be unknown.
        meaning: what it says, where the name does not.
    """

    name: str
    form: Form = Form.TEXT
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of data.

    Attributes:
        name: its name; in tables that of its file.
        meaning: what it is, in plain words.
        columns: what a row holds.
        read: yields the rows.
        portable: the person gave it or it was observed of them, so it can be taken along (GDPR 20).
        tables: tables of the store that it shows.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    read: Callable[[Subject], Iterator[Row]]
    portable: bool = False
    tables: tuple[str, ...] = ()


def sections_of(scope: Scope) -> tuple[Section, ...]:
    """Return the sections of an export, in order."""
    return tuple(section for section in SECTIONS if scope is Scope.ACCESS or section.portable)


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(map(Column, names))


_AT = Column("at", Form.TIME)
_DECISION = Column("decision_id", Form.TEXT, "joins decisions with what was shown, withheld and said")
_SHARE = Column("share_micro", Form.NUMBER, "share of all weight that counts now, in millionths")
_ITEM = _texts("item_id", "title")

SECTIONS: tuple[Section, ...] = (
    Section(
        "person",
        "Who you are to this system",
        (
            *_texts("id", "type"),
            Column("known_since", Form.TIME),
            *_texts("age", "age_band", "jurisdiction"),
            Column("non_profiled", Form.FLAG, "you switched profiling off"),
            Column("shared_device", Form.FLAG, "others use this account or device"),
            Column("limit_sensitive", Form.FLAG, "sensitive data serves your orders alone"),
        ),
        readings.person,
        portable=True,
        tables=("customers",),
    ),
    Section(
        "consent_state",
        "What you permit now, purpose by purpose",
        (
            *_texts("purpose", "meaning", "basis", "status"),
            Column("since", Form.TIME),
            Column("ends", Form.TIME),
            Column("permitted", Form.FLAG),
            Column("because", Form.TEXT, "why it is not permitted"),
        ),
        readings.standing,
        portable=True,
        tables=("consent_states",),
    ),
    Section(
        "consent_events",
        "Every choice you made, with the notice you were shown",
        (
            *_texts("record_id", "purpose", "status"),
            _AT,
            Column("received_at", Form.TIME),
            Column("valid_until", Form.TIME),
            Column("channels", Form.LIST, "channels it is limited to; none: not limited"),
            Column("data_categories", Form.LIST, "data it is limited to; none: not limited"),
            Column("item_categories", Form.LIST, "goods it is limited to; none: not limited"),
            *_texts(*readings.EVENT_TEXTS),
            Column("explicit", Form.FLAG),
            Column("confirmed_override", Form.FLAG),
        ),
        readings.consent_events,
        portable=True,
        tables=("consent_events",),
    ),
    Section(
        "notices",
        "The texts that your choices were made under",
        (
            *_texts("notice_id", "version", "language", "text_sha256", "text"),
            Column("purposes", Form.LIST),
            Column("recipients", Form.LIST),
            Column("effective_from", Form.TIME),
        ),
        readings.notices,
    ),
    Section(
        "notices_served",
        "When and where you were shown a notice",
        (
            *_texts("served_id", "notice_id", "notice_version", "language", "surface", "experience_sha256"),
            _AT,
        ),
        readings.notices_served,
        tables=("notices_served",),
    ),
    Section(
        "signals_seen",
        "Privacy signals that your browser or the shop sent",
        (*_texts("signal", "value"), Column("first_seen", Form.TIME), Column("changed_at", Form.TIME)),
        readings.signals,
        portable=True,
        tables=("signals_seen",),
    ),
    Section(
        "devices",
        "Devices on which you logged in, without their keys",
        (Column("device"), Column("last_seen", Form.TIME)),
        readings.devices,
        tables=("device_accounts",),
    ),
    Section(
        "interactions",
        "What you did with items, and the purpose under which that is kept",
        (
            _AT,
            Column("kind"),
            *_ITEM,
            *_texts("channel", "purpose"),
            Column("gift", Form.FLAG),
            Column("quantity", Form.NUMBER),
            Column("amount_minor", Form.NUMBER, "what was paid for all of it, in minor units"),
            Column("currency", Form.TEXT, "of the item as it is priced now"),
        ),
        readings.interactions,
        portable=True,
        tables=("interactions",),
    ),
    Section(
        "interests",
        "What is inferred of you now; empty where your profile may not be used",
        (*_texts("scope", "value"), _SHARE, Column("n_pieces", Form.NUMBER)),
        readings.interests,
    ),
    Section(
        "evidence",
        "What that is inferred from, and how much each piece counts",
        (*_ITEM, Column("kind"), Column("age_days", Form.NUMBER), Column("channel"), _SHARE),
        readings.evidence,
    ),
    Section(
        "mutes",
        "What you do not want to see",
        (*_texts("scope", "value"), Column("since", Form.TIME), Column("until", Form.TIME)),
        readings.mutes,
        portable=True,
        tables=("mutes",),
    ),
    Section(
        "holds",
        "Why less is suggested to you for a while; of what happened in your life only until when",
        (
            Column("held_for"),
            Column("reference", Form.TEXT, "tells cases apart without their number; or a class of goods"),
            Column("since", Form.TIME, "when that was last heard of"),
            Column("until", Form.TIME),
        ),
        readings.holds,
        portable=True,
        tables=("holds",),
    ),
    Section(
        "decisions",
        "Every decision on what to suggest to you; of those whose details are no longer kept, what is",
        (
            _DECISION,
            _AT,
            *_texts("placement", "channel", "basis", "outcome", "model", "policy"),
            Column("permitted", Form.LIST, "purposes that stood"),
            Column("denied", Form.LIST, "purposes that did not, and why"),
            Column("evidence_used", Form.LIST),
            Column("n_kept_out", Form.NUMBER, "interactions kept out before anything was scored"),
            Column("n_shown", Form.NUMBER),
            Column("n_withheld", Form.NUMBER),
        ),
        readings.decisions,
        tables=("decision_subjects",),
    ),
    Section(
        "suggestions",
        "What was shown in each decision, and why",
        (
            _DECISION,
            Column("rank", Form.NUMBER),
            *_ITEM,
            *_texts("intent", "reason_code", "reason"),
            Column("score", Form.NUMBER),
            Column("terms", Form.LIST, "the largest terms of the sum that the score is"),
        ),
        readings.suggestions,
    ),
    Section(
        "withheld",
        "What was not shown in each decision, and the rule that withheld it",
        (
            _DECISION,
            *_ITEM,
            *_texts("intent", "rule", "rule_name", "sentence"),
            Column("observed", Form.NUMBER, "what the rule looked at, in its unit"),
            Column("limit", Form.NUMBER, "what it held that against"),
            Column("unit"),
        ),
        readings.withheld,
    ),
    Section(
        "exposures",
        "What is remembered of what you were shown, to show it less often",
        (
            _DECISION,
            _AT,
            Column("placement"),
            Column("interruptive", Form.FLAG),
            Column("outbound", Form.FLAG),
            Column("items", Form.LIST),
        ),
        readings.exposures,
        tables=("exposures",),
    ),
    Section(
        "feedback",
        "What you said of suggestions, or did with them",
        (_DECISION, _AT, *_ITEM, Column("kind")),
        readings.feedback,
        portable=True,
        tables=("feedback",),
    ),
    Section(
        "measured",
        "What is counted of suggestions to you, where you agreed to be measured",
        (
            _DECISION,
            _AT,
            *_ITEM,
            *_texts("channel", "intent"),
            Column("arm", Form.TEXT, "which of two that are compared you were served by; empty for none"),
            Column("outcomes", Form.LIST, "what came of it"),
        ),
        readings.measured,
        portable=True,
        tables=("measured_suggestions",),
    ),
    Section(
        "corrections",
        "What you set right",
        (_AT, *_texts("scope", "value", "action"), Column("n_interactions", Form.NUMBER)),
        readings.corrections,
        portable=True,
        tables=("corrections",),
    ),
    Section(
        "requests",
        "What you asked for, and what became of it",
        (
            *_texts("request_id", "kind", "state"),
            Column("received_at", Form.TIME),
            Column("due_at", Form.TIME),
            Column("extended_because"),
            Column("closed_at", Form.TIME),
            *_texts("outcome", "decision_id"),
        ),
        readings.requests,
        tables=("requests",),
    ),
    Section(
        "cascades",
        "Withdrawals and erasures on their way through everything that holds data",
        (
            *_texts("cascade_id", "kind", "mode"),
            Column("requested_at", Form.TIME),
            Column("finished_at", Form.TIME),
            *_texts("downstream", "status"),
            Column("n_affected", Form.NUMBER),
            Column("detail"),
        ),
        readings.cascades,
        tables=("cascades",),
    ),
    Section(
        "legal_holds",
        "Records of decisions that are kept for a legal claim, whatever you ask meanwhile",
        (*_texts("hold_id", "reason"), Column("since", Form.TIME), Column("until", Form.TIME)),
        readings.legal_holds,
        tables=("legal_holds",),
    ),
    Section(
        "looks",
        "When records of decisions on you were looked at, and what for",
        (_AT, *_texts("kind", "details")),
        readings.looks,
        tables=("disclosures",),
    ),
    Section("recipients", "Who is handed data", _texts("name", "why"), readings.recipients),
    Section(
        "retention",
        "For how many days each kind of data counts or is kept",
        (Column("data"), Column("days", Form.NUMBER)),
        readings.retention,
    ),
    Section(
        "rights",
        "What you can demand, and how",
        (*_texts("right", "article", "meaning"), Column("ways", Form.LIST)),
        readings.rights,
    ),
    Section(
        "explanations",
        "How it all works, in plain words",
        _texts("topic", "text"),
        readings.explanations,
    ),
)
"""Every section, in the order it is handed out."""

NOT_HANDED_OUT = {
    "cascade_subjects": "pseudonyms of visits while their customer is being erased",
}
"""Tables that hold a pseudonym and are in no section, and why."""
