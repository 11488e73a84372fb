"""The closed registry of reason codes: every "no" in a record uses one of these words.

Codes are written into records and read by outside auditors: never rename or reuse one, only append.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """Why something was withheld, demoted or answered with less than was asked."""

    CONSENT_ABSENT = "CONSENT_ABSENT"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    OBJECTION = "OBJECTION"
    PURPOSE_MISMATCH = "PURPOSE_MISMATCH"
    GPC = "GPC"
    MINOR = "MINOR"
    SENSITIVE_CATEGORY = "SENSITIVE_CATEGORY"
    SENSITIVE_EVIDENCE = "SENSITIVE_EVIDENCE"
    SENSITIVE_INFERENCE = "SENSITIVE_INFERENCE"
    SHARED_AUDIENCE = "SHARED_AUDIENCE"
    MUTED = "MUTED"
    RECENT_RETURN = "RECENT_RETURN"
    UPSELL_RATIO = "UPSELL_RATIO"
    PRICE_JUMP = "PRICE_JUMP"
    REPEAT = "REPEAT"
    FREQ_CAP = "FREQ_CAP"
    SMALL_COHORT = "SMALL_COHORT"
    NO_REASON = "NO_REASON"
    AGE_RESTRICTED = "AGE_RESTRICTED"
    CREEPINESS = "CREEPINESS"
    URGENCY_COPY = "URGENCY_COPY"
    RECENT_COMPLAINT = "RECENT_COMPLAINT"
    VULNERABILITY_SIGNAL = "VULNERABILITY_SIGNAL"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    ALREADY_OWNED = "ALREADY_OWNED"
    LEGAL_RESTRICTED = "LEGAL_RESTRICTED"
    POLICY_ERROR = "POLICY_ERROR"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    LOG_UNAVAILABLE = "LOG_UNAVAILABLE"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    PROVENANCE = "PROVENANCE"
    SPONSORED_SENSITIVE = "SPONSORED_SENSITIVE"
    CHANNEL_LEAK = "CHANNEL_LEAK"
    OCCASION_MUTED = "OCCASION_MUTED"
    ON_HOLD = "ON_HOLD"
    PERSONALISED_PRICE = "PERSONALISED_PRICE"
    EXACT_OUTBOUND = "EXACT_OUTBOUND"
    OBTRUSIVE = "OBTRUSIVE"
    QUIET_HOURS = "QUIET_HOURS"
    NON_PROFILED = "NON_PROFILED"
    ERRAND = "ERRAND"
    KNOWS_TOO_LITTLE = "KNOWS_TOO_LITTLE"
    DISMISSED = "DISMISSED"
    SELLING_SHARE = "SELLING_SHARE"
    TUNNEL = "TUNNEL"
    HOUSE_RULE = "HOUSE_RULE"


@dataclass(frozen=True, slots=True)
class ReasonEntry:
    """One row of the registry.

    Attributes:
        code: the code.
        meaning: what it says, for an auditor.
        law: the provision it serves; ``""`` where it rests on research or good manners alone.
    """

    code: ReasonCode
    meaning: str
    law: str


_ENTRIES = (
    ReasonEntry(ReasonCode.CONSENT_ABSENT, "a purpose needed has no consent in force", "GDPR 6(1)(a), 7(1)"),
    ReasonEntry(
        ReasonCode.CONSENT_WITHDRAWN, "a purpose needed was withdrawn or objected to", "GDPR 7(3), 21"
    ),
    ReasonEntry(ReasonCode.OBJECTION, "the customer objected to the processing", "GDPR 21(1)-(3)"),
    ReasonEntry(ReasonCode.PURPOSE_MISMATCH, "collected for another purpose", "GDPR 5(1)(b)"),
    ReasonEntry(ReasonCode.GPC, "a Global Privacy Control signal forbids it", "GDPR 21(5); CCPA 1798.135"),
    ReasonEntry(ReasonCode.MINOR, "the customer is, or may be, a minor", "DSA 28(2); GDPR 8"),
    ReasonEntry(ReasonCode.SENSITIVE_CATEGORY, "the item belongs to a sensitive class", "GDPR 9(1), 9(2)(a)"),
    ReasonEntry(
        ReasonCode.SENSITIVE_EVIDENCE, "the evidence belongs to a sensitive class", "GDPR 9; CJEU C-21/23"
    ),
    ReasonEntry(ReasonCode.SENSITIVE_INFERENCE, "it would reveal a sensitive class", "GDPR 9; CJEU C-184/20"),
    ReasonEntry(ReasonCode.SHARED_AUDIENCE, "others may see what is shown", "GDPR 5(1)(f), 25(2)"),
    ReasonEntry(ReasonCode.MUTED, "the customer asked not to see it", "GDPR 21; DSA 38"),
    ReasonEntry(ReasonCode.RECENT_RETURN, "it, or something of its kind, was sent back", ""),
    ReasonEntry(ReasonCode.UPSELL_RATIO, "it costs too much more than what it is held against", "UCPD 5(2)"),
    ReasonEntry(ReasonCode.PRICE_JUMP, "its price changed too far too fast", "UCPD 6(1)(d)"),
    ReasonEntry(ReasonCode.REPEAT, "it was shown and ignored before", "UCPD annex I no 26"),
    ReasonEntry(ReasonCode.FREQ_CAP, "the shop has spoken often enough", "UCPD annex I no 26"),
    ReasonEntry(ReasonCode.SMALL_COHORT, "too few customers stand behind it", "GDPR 5(1)(f), 25"),
    ReasonEntry(ReasonCode.NO_REASON, "no faithful reason can be given", "GDPR 5(1)(a), 13(2)(f); DSA 27"),
    ReasonEntry(ReasonCode.AGE_RESTRICTED, "sold to verified adults only", "DSA 28; national law"),
    ReasonEntry(ReasonCode.CREEPINESS, "it would feel like being watched", "GDPR 5(1)(a)"),
    ReasonEntry(ReasonCode.URGENCY_COPY, "wording that presses", "DSA 25; UCPD annex I no 7"),
    ReasonEntry(ReasonCode.RECENT_COMPLAINT, "a complaint is open or was just closed", ""),
    ReasonEntry(ReasonCode.VULNERABILITY_SIGNAL, "a vulnerable moment", "AI Act 5(1)(b)"),
    ReasonEntry(ReasonCode.OUT_OF_STOCK, "it cannot be bought now", "UCPD annex I no 5"),
    ReasonEntry(ReasonCode.ALREADY_OWNED, "the customer has it", ""),
    ReasonEntry(ReasonCode.LEGAL_RESTRICTED, "the law restricts its promotion", "national law"),
    ReasonEntry(ReasonCode.POLICY_ERROR, "a rule failed or could not tell, so it withholds", "GDPR 24, 25"),
    ReasonEntry(ReasonCode.MODEL_UNAVAILABLE, "no model could be asked", ""),
    ReasonEntry(ReasonCode.LOG_UNAVAILABLE, "the decision could not be recorded", "GDPR 5(2)"),
    ReasonEntry(
        ReasonCode.CONSENT_EXPIRED,
        "a consent needed has run out, or was given under a notice that no longer holds",
        "GDPR 5(1)(b), 7(1)",
    ),
    ReasonEntry(
        ReasonCode.PROVENANCE,
        "the evidence was collected by others, or on another device, without consent to that",
        "GDPR 5(1)(b), 6(4)",
    ),
    ReasonEntry(
        ReasonCode.SPONSORED_SENSITIVE, "paid for, and chosen from or about something sensitive", "DSA 26(3)"
    ),
    ReasonEntry(
        ReasonCode.CHANNEL_LEAK, "the channel could show something sensitive to others", "GDPR 5(1)(f), 9(1)"
    ),
    ReasonEntry(ReasonCode.OCCASION_MUTED, "the customer asked not to see it on this occasion", "GDPR 21"),
    ReasonEntry(ReasonCode.ON_HOLD, "topics or offers are held back for the customer for a while", ""),
    ReasonEntry(
        ReasonCode.PERSONALISED_PRICE,
        "the price was set for this customer alone, without consent or without saying so",
        "CRD 6(1)(ea)",
    ),
    ReasonEntry(ReasonCode.EXACT_OUTBOUND, "the very thing that was looked at, sent after the customer", ""),
    ReasonEntry(ReasonCode.OBTRUSIVE, "chosen from the profile, in a place that interrupts", ""),
    ReasonEntry(ReasonCode.QUIET_HOURS, "it is night where the customer is, or nobody knows", ""),
    ReasonEntry(
        ReasonCode.NON_PROFILED, "the customer asked for suggestions without a profile", "DSA 38; GDPR 21"
    ),
    ReasonEntry(ReasonCode.ERRAND, "the customer came for one thing and goes straight to it", ""),
    ReasonEntry(ReasonCode.KNOWS_TOO_LITTLE, "the model knows too little to be of use", "GDPR 5(1)(d)"),
    ReasonEntry(ReasonCode.DISMISSED, "the customer waved it off, on this channel or another", "GDPR 21"),
    ReasonEntry(ReasonCode.SELLING_SHARE, "selling on would fill too much of the slate", "UCPD 5(2)"),
    ReasonEntry(ReasonCode.TUNNEL, "the slates would show one category only", "DSA 27"),
    ReasonEntry(ReasonCode.HOUSE_RULE, "a rule of the shop's own policy", ""),
)

REGISTRY = {entry.code: entry for entry in _ENTRIES}
"""Every code with its meaning; a code that is not here does not exist."""
