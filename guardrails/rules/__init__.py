"""The catalogue of guardrails, one idea a file.

``CATALOGUE`` holds every rule in the order of evaluation: all of them are asked, the first that
withholds is named as the deciding one.
"""

from __future__ import annotations

from guardrails.rules.base import Rule
from guardrails.rules.g01_consent_missing import ConsentMissing
from guardrails.rules.g02_withdrawn_or_objected import WithdrawnOrObjected
from guardrails.rules.g03_consent_expired import ConsentExpired
from guardrails.rules.g04_minor import Minor
from guardrails.rules.g05_sensitive_target import SensitiveTarget
from guardrails.rules.g06_sensitive_evidence import SensitiveEvidence
from guardrails.rules.g07_sensitive_inference import SensitiveInference
from guardrails.rules.g08_sponsored_sensitive import SponsoredSensitive
from guardrails.rules.g09_out_of_context_evidence import OutOfContextEvidence
from guardrails.rules.g10_channel_leak import ChannelLeak
from guardrails.rules.g11_shared_audience import SharedAudience
from guardrails.rules.g12_customer_muted import CustomerMuted
from guardrails.rules.g13_occasion_muted import OccasionMuted
from guardrails.rules.g14_life_event_hold import LifeEventHold
from guardrails.rules.g15_open_complaint import OpenComplaint
from guardrails.rules.g16_returned import Returned
from guardrails.rules.g17_price_escalation import PriceEscalation
from guardrails.rules.g18_personalised_price import PersonalisedPrice
from guardrails.rules.g19_repeat_after_ignore import RepeatAfterIgnore
from guardrails.rules.g20_frequency import Frequency
from guardrails.rules.g21_evidence_stale import EvidenceStale
from guardrails.rules.g22_exact_outbound import ExactOutbound
from guardrails.rules.g23_targeted_and_obtrusive import TargetedAndObtrusive
from guardrails.rules.g24_small_cohort import SmallCohort
from guardrails.rules.g25_no_faithful_reason import NoFaithfulReason
from guardrails.rules.g26_vulnerable_moment import VulnerableMoment
from guardrails.rules.g27_age_restricted import AgeRestricted
from guardrails.rules.g28_quiet_hours import QuietHours
from guardrails.rules.g29_non_profiled_mode import NonProfiledMode
from guardrails.rules.g30_pressure_pattern import PressurePattern
from guardrails.rules.g31_creepiness_score import CreepinessScore
from guardrails.rules.g32_errand_shopper import ErrandShopper
from guardrails.rules.g33_outside_the_box import OutsideTheBox
from guardrails.rules.g36_one_voice import OneVoice

CATALOGUE: tuple[Rule, ...] = (
    ConsentMissing(),
    WithdrawnOrObjected(),
    ConsentExpired(),
    Minor(),
    SensitiveTarget(),
    SensitiveEvidence(),
    SensitiveInference(),
    SponsoredSensitive(),
    OutOfContextEvidence(),
    ChannelLeak(),
    SharedAudience(),
    CustomerMuted(),
    OccasionMuted(),
    LifeEventHold(),
    OpenComplaint(),
    Returned(),
    PriceEscalation(),
    PersonalisedPrice(),
    RepeatAfterIgnore(),
    Frequency(),
    EvidenceStale(),
    ExactOutbound(),
    TargetedAndObtrusive(),
    SmallCohort(),
    NoFaithfulReason(),
    VulnerableMoment(),
    AgeRestricted(),
    QuietHours(),
    NonProfiledMode(),
    PressurePattern(),
    CreepinessScore(),
    ErrandShopper(),
    OutsideTheBox(),
    OneVoice(),
)
