"""The catalogue of guardrails, one idea a file.

``CATALOGUE`` holds every rule in the order of evaluation: all of them are asked, the first that
withholds is named as the deciding one.
"""

from __future__ import annotations

from guardrails.rules.base import Rule
from guardrails.rules.g01_consent_missing import ConsentMissing
from guardrails.rules.g02_withdrawn_or_objected import WithdrawnOrObjected
from guardrails.rules.g05_sensitive_target import SensitiveTarget
from guardrails.rules.g06_sensitive_evidence import SensitiveEvidence
from guardrails.rules.g11_shared_audience import SharedAudience
from guardrails.rules.g12_customer_muted import CustomerMuted
from guardrails.rules.g16_returned import Returned
from guardrails.rules.g17_price_escalation import PriceEscalation
from guardrails.rules.g19_repeat_after_ignore import RepeatAfterIgnore
from guardrails.rules.g20_frequency import Frequency
from guardrails.rules.g24_small_cohort import SmallCohort
from guardrails.rules.g25_no_faithful_reason import NoFaithfulReason
from guardrails.rules.g27_age_restricted import AgeRestricted
from guardrails.rules.g31_creepiness_score import CreepinessScore

CATALOGUE: tuple[Rule, ...] = (
    ConsentMissing(),
    WithdrawnOrObjected(),
    SensitiveTarget(),
    SensitiveEvidence(),
    SharedAudience(),
    CustomerMuted(),
    Returned(),
    PriceEscalation(),
    RepeatAfterIgnore(),
    Frequency(),
    SmallCohort(),
    NoFaithfulReason(),
    AgeRestricted(),
    CreepinessScore(),
)
