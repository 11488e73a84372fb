"""What records say in codes, said to people of the shop in words.

Customers are told the same in sentences of their own (``guardrails``); these are for whoever looks at what
was decided. A code that is not here is shown as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.languages import say
from engine.vocabulary import Basis, Channel, Intent, Kind, Origin, Provenance, Source, word
from guardrails.consent.permission import Denial, LawfulBasis
from guardrails.consent.purposes import entry_of
from guardrails.decide import Outcome
from guardrails.errors import UnknownPurposeError
from guardrails.log.codes import ReasonCode
from guardrails.log.replay import Finding
from guardrails.messages import Phrase
from guardrails.reasons import ReasonCode as SuggestionCode
from guardrails.request import Entry, SubjectKind
from guardrails.rules.base import Effect

RULES: Mapping[str, str] = {
    "G01": Phrase("Consent is missing"),
    "G02": Phrase("Withdrawn or objected to"),
    "G03": Phrase("Consent has run out"),
    "G04": Phrase("May be a minor"),
    "G05": Phrase("A sensitive item"),
    "G06": Phrase("From sensitive evidence"),
    "G07": Phrase("Would give something sensitive away"),
    "G08": Phrase("Paid for, on a sensitive matter"),
    "G09": Phrase("Evidence from another context"),
    "G10": Phrase("The channel may be seen by others"),
    "G11": Phrase("A shared device"),
    "G12": Phrase("Muted by the customer"),
    "G13": Phrase("Occasion muted by the customer"),
    "G14": Phrase("Held back after an event in life"),
    "G15": Phrase("A complaint is open"),
    "G16": Phrase("Recently sent back"),
    "G17": Phrase("Costs too much more"),
    "G18": Phrase("Price set for one customer"),
    "G19": Phrase("Shown before and passed by"),
    "G20": Phrase("Enough suggestions for now"),
    "G21": Phrase("Evidence is too old"),
    "G22": Phrase("Too exact to be sent"),
    "G23": Phrase("Personal and in the way"),
    "G24": Phrase("Too few customers behind it"),
    "G25": Phrase("No true reason can be given"),
    "G26": Phrase("A vulnerable moment"),
    "G27": Phrase("For adults only"),
    "G28": Phrase("At night"),
    "G29": Phrase("Asked for no profile"),
    "G30": Phrase("Would press the customer"),
    "G31": Phrase("Feels like being watched"),
    "G32": Phrase("Came for one thing"),
    "G33": Phrase("Too little is known"),
    "G36": Phrase("Waved off on another channel"),
    "G37": Phrase("Too much that sells on"),
    "G38": Phrase("Too much of one kind"),
}
"""Titles of the rules of the house, by their ids."""

REASONS: Mapping[str, str] = {
    ReasonCode.CONSENT_ABSENT: Phrase("a purpose that is needed has no consent"),
    ReasonCode.CONSENT_WITHDRAWN: Phrase("a purpose that is needed was withdrawn"),
    ReasonCode.OBJECTION: Phrase("the customer objected"),
    ReasonCode.PURPOSE_MISMATCH: Phrase("collected for another purpose, or too long ago"),
    ReasonCode.GPC: Phrase("the browser's privacy signal forbids it"),
    ReasonCode.MINOR: Phrase("the customer is, or may be, a minor"),
    ReasonCode.SENSITIVE_CATEGORY: Phrase("the item is of a sensitive class"),
    ReasonCode.SENSITIVE_EVIDENCE: Phrase("the evidence is of a sensitive class"),
    ReasonCode.SENSITIVE_INFERENCE: Phrase("it would reveal a sensitive class"),
    ReasonCode.SHARED_AUDIENCE: Phrase("others may see what is shown"),
    ReasonCode.MUTED: Phrase("the customer asked not to see it"),
    ReasonCode.RECENT_RETURN: Phrase("it, or something like it, was sent back"),
    ReasonCode.UPSELL_RATIO: Phrase("it costs too much more than what it is held against"),
    ReasonCode.PRICE_JUMP: Phrase("its price changed too far too fast"),
    ReasonCode.REPEAT: Phrase("it was shown and ignored before"),
    ReasonCode.FREQ_CAP: Phrase("the shop has spoken often enough"),
    ReasonCode.SMALL_COHORT: Phrase("too few customers stand behind it"),
    ReasonCode.NO_REASON: Phrase("no true reason can be given"),
    ReasonCode.AGE_RESTRICTED: Phrase("sold to verified adults only"),
    ReasonCode.CREEPINESS: Phrase("it would feel like being watched"),
    ReasonCode.URGENCY_COPY: Phrase("its wording presses"),
    ReasonCode.RECENT_COMPLAINT: Phrase("a complaint is open or was just closed"),
    ReasonCode.VULNERABILITY_SIGNAL: Phrase("a vulnerable moment"),
    ReasonCode.OUT_OF_STOCK: Phrase("it cannot be bought now"),
    ReasonCode.ALREADY_OWNED: Phrase("the customer has it"),
    ReasonCode.LEGAL_RESTRICTED: Phrase("the law restricts its promotion"),
    ReasonCode.POLICY_ERROR: Phrase("a rule failed, so it withholds"),
    ReasonCode.MODEL_UNAVAILABLE: Phrase("no model could be asked"),
    ReasonCode.LOG_UNAVAILABLE: Phrase("the decision could not be recorded"),
    ReasonCode.CONSENT_EXPIRED: Phrase("a consent that is needed has run out"),
    ReasonCode.PROVENANCE: Phrase("the evidence was collected elsewhere, without consent to that"),
    ReasonCode.SPONSORED_SENSITIVE: Phrase("paid for, and about something sensitive"),
    ReasonCode.CHANNEL_LEAK: Phrase("the channel could show something sensitive to others"),
    ReasonCode.OCCASION_MUTED: Phrase("the customer asked not to see it on this occasion"),
    ReasonCode.ON_HOLD: Phrase("the topic is held back for a while"),
    ReasonCode.PERSONALISED_PRICE: Phrase("the price was set for this customer alone"),
    ReasonCode.EXACT_OUTBOUND: Phrase("the very thing that was looked at, sent after the customer"),
    ReasonCode.OBTRUSIVE: Phrase("personal, in a place that interrupts"),
    ReasonCode.QUIET_HOURS: Phrase("it is night where the customer is, or nobody knows"),
    ReasonCode.NON_PROFILED: Phrase("the customer asked for suggestions without a profile"),
    ReasonCode.ERRAND: Phrase("the customer came for one thing"),
    ReasonCode.KNOWS_TOO_LITTLE: Phrase("the model knows too little"),
    ReasonCode.DISMISSED: Phrase("the customer waved it off"),
    ReasonCode.SELLING_SHARE: Phrase("too much of the list would sell on"),
    ReasonCode.TUNNEL: Phrase("the list would show one kind only"),
    ReasonCode.HOUSE_RULE: Phrase("a rule of the shop's own"),
}
"""Why something was withheld."""

SHOWN_FOR: Mapping[str, str] = {
    SuggestionCode.BUY_AGAIN: Phrase("may be due again"),
    SuggestionCode.BOUGHT_BEFORE: Phrase("goes with a purchase"),
    SuggestionCode.LOOKED_AT_BEFORE: Phrase("goes with what was looked at before"),
    SuggestionCode.THIS_VISIT: Phrase("goes with this visit"),
    SuggestionCode.GOES_WITH_PAGE: Phrase("goes with the page"),
    SuggestionCode.GOES_WITH_BASKET: Phrase("goes with the basket"),
    SuggestionCode.OFTEN_TOGETHER: Phrase("often bought together"),
    SuggestionCode.SIMILAR_TO: Phrase("similar by its description"),
    SuggestionCode.YOUR_CHOICES: Phrase("from choices that are not named"),
    SuggestionCode.FROM_ELSEWHERE: Phrase("from outside the shop, as agreed to"),
    SuggestionCode.FROM_CATEGORY: Phrase("popular in a category of the customer's"),
    SuggestionCode.FROM_BRAND: Phrase("popular from a brand of the customer's"),
    SuggestionCode.POPULAR: Phrase("sells well"),
    SuggestionCode.POPULAR_IN_CATEGORY: Phrase("sells well in its category"),
}
"""Why something was shown."""

BASES: Mapping[str, str] = {
    word(Basis.PROFILE): Phrase("the customer's history"),
    word(Basis.SESSION): Phrase("this visit"),
    word(Basis.CONTEXTUAL): Phrase("the page and the basket"),
    word(Basis.POPULAR): Phrase("what sells well"),
    word(Basis.NONE): Phrase("nothing at all"),
}
"""What a decision was made from, the most personal first."""

OUTCOMES: Mapping[str, str] = {
    Outcome.PERSONALISED.value: Phrase("personal suggestions"),
    Outcome.GENERIC.value: Phrase("suggestions that are not personal"),
    Outcome.EMPTY.value: Phrase("nothing was shown"),
}

DENIALS: Mapping[str, str] = {
    Denial.PENDING: Phrase("never asked"),
    Denial.REQUESTED: Phrase("asked, and not answered yet"),
    Denial.DENIED: Phrase("refused"),
    Denial.WITHDRAWN: Phrase("withdrawn"),
    Denial.OBJECTED: Phrase("objected to"),
    Denial.EXPIRED: Phrase("the consent has run out"),
    Denial.NOTICE_OUTDATED: Phrase("given under a notice that no longer holds"),
    Denial.SIGNAL_OPT_OUT: Phrase("the browser's signal says no"),
    Denial.MINOR: Phrase("is, or may be, a minor"),
    Denial.RESTRICTED: Phrase("use is restricted on the customer's demand"),
    Denial.NOT_COVERED_CATEGORY: Phrase("the consent does not cover this kind of data"),
    Denial.NOT_COVERED_CHANNEL: Phrase("the consent does not cover this channel"),
    Denial.NO_SUBJECT: Phrase("there was nobody to ask"),
    Denial.UNREADABLE: Phrase("the consent could not be read"),
}
"""Why a purpose was not permitted."""

LAWFUL: Mapping[str, str] = {
    LawfulBasis.CONSENT: Phrase("consent"),
    LawfulBasis.EXPLICIT_CONSENT: Phrase("explicit consent"),
    LawfulBasis.LEGITIMATE_INTEREST: Phrase("legitimate interest"),
    LawfulBasis.SOFT_OPT_IN: Phrase("an earlier purchase (soft opt-in)"),
    LawfulBasis.CONTRACT: Phrase("contract"),
    LawfulBasis.NONE: Phrase("none"),
}

CHANNELS: Mapping[str, str] = {
    word(Channel.WEB): Phrase("web shop"),
    word(Channel.APP): Phrase("app"),
    word(Channel.EMAIL): Phrase("e-mail"),
    word(Channel.SMS): Phrase("text message"),
    word(Channel.PUSH): Phrase("push message"),
    word(Channel.POST): Phrase("letter"),
    word(Channel.PHONE): Phrase("phone"),
    word(Channel.IN_STORE): Phrase("shop floor"),
    word(Channel.OFFSITE_ADS): Phrase("advertisement elsewhere"),
    word(Channel.AGENT_CHAT): Phrase("chat"),
}

INTENTS: Mapping[str, str] = {
    word(Intent.SIMILAR): Phrase("something similar"),
    word(Intent.CROSS_SELL): Phrase("goes with it"),
    word(Intent.UPSELL): Phrase("a dearer alternative"),
    word(Intent.REPLENISH): Phrase("to buy again"),
    word(Intent.DISCOVER): Phrase("to discover"),
    word(Intent.POPULAR): Phrase("popular"),
}

KINDS: Mapping[str, str] = {
    word(Kind.VIEW): Phrase("looked at"),
    word(Kind.CART): Phrase("put into the basket"),
    word(Kind.REMOVE_FROM_CART): Phrase("taken out of the basket"),
    word(Kind.WISHLIST): Phrase("put on a wish list"),
    word(Kind.PURCHASE): Phrase("bought"),
    word(Kind.RATING): Phrase("rated"),
    word(Kind.RETURN): Phrase("sent back"),
}

ORIGINS: Mapping[str, str] = {
    word(Origin.CONTEXT): Phrase("the page and the basket"),
    word(Origin.SESSION): Phrase("this visit"),
    word(Origin.HISTORY): Phrase("earlier visits"),
}

PROVENANCES: Mapping[str, str] = {
    word(Provenance.OWN): Phrase("this shop"),
    word(Provenance.SISTER): Phrase("a sister shop"),
    word(Provenance.LINKED): Phrase("another device"),
    word(Provenance.THIRD_PARTY): Phrase("somebody else"),
}

SOURCES: Mapping[str, str] = {
    word(Source.GOES_WITH): Phrase("customers who had both"),
    word(Source.BUY_AGAIN): Phrase("bought before, may be due"),
    word(Source.POPULAR): Phrase("best sellers"),
    word(Source.POPULAR_IN_CATEGORY): Phrase("best sellers of its category"),
    word(Source.CATEGORY): Phrase("stands in as its category"),
    word(Source.BRAND): Phrase("stands in as its brand"),
    word(Source.BY_CATEGORY): Phrase("customers of its category"),
    word(Source.BY_CONTENT): Phrase("similar by its description"),
}

SUBJECTS: Mapping[str, str] = {
    SubjectKind.ACCOUNT: Phrase("a customer with an account"),
    SubjectKind.DEVICE: Phrase("a device"),
    SubjectKind.SESSION: Phrase("a visit without an account"),
    SubjectKind.NONE: Phrase("nobody in particular"),
}

ENTRIES: Mapping[str, str] = {
    Entry.HOME: Phrase("on the home page"),
    Entry.CATEGORY: Phrase("on the page of a category"),
    Entry.SEARCH: Phrase("with a search"),
    Entry.EXACT_SEARCH: Phrase("with a search for one product"),
    Entry.PRODUCT: Phrase("on the page of a product"),
    Entry.CAMPAIGN: Phrase("from a campaign"),
}
"""How a visit began."""

EFFECTS: Mapping[str, str] = {
    word(Effect.EXPLAIN): Phrase("only with its reason"),
    word(Effect.DEMOTE): Phrase("moved down"),
    word(Effect.GENERALISE): Phrase("withheld as too exact"),
    word(Effect.BLOCK): Phrase("withheld"),
    word(Effect.GAP): Phrase("withheld, as it could not be told"),
}

OBLIGATIONS: Mapping[str, str] = {
    "explain": Phrase("its reason has to be shown"),
    "disclose_sponsored": Phrase("it has to be marked as paid for"),
    "hand_off": Phrase("a human has to be offered"),
}
"""What rules asked for beside a suggestion."""

DEGRADED: Mapping[str, str] = {
    "consent_unreadable": Phrase("The consent could not be read, so nothing personal was used."),
    "model_missing": Phrase("No model could be asked."),
    "policy_unreadable": Phrase("The policy could not be read, so nothing or less was shown."),
    "rule_failed": Phrase("A rule failed, so what it would have judged was withheld."),
}
"""Why an answer was less than it might have been."""

FINDINGS: Mapping[str, str] = {
    Finding.EXACT: Phrase("The same, byte for byte"),
    Finding.DIFFERS: Phrase("It comes out differently"),
    Finding.OTHER_BUILD: Phrase("It differs, and another version of the software made it"),
    Finding.OLDER_FORMAT: Phrase("The record is of an older form that does not hold all it takes"),
    Finding.POLICY_GONE: Phrase("The policy of then is not kept any more"),
    Finding.ARTEFACT_PRUNED: Phrase("The model or the catalogue of then is not kept any more"),
    Finding.ERASED: Phrase("The model was removed to forget somebody it had learned from"),
}
"""What came of making a decision again."""


def rule_title(rule_id: str, own: Mapping[str, str] | None = None) -> str:
    """Return what a rule is called, in the language of the page.

    Args:
        rule_id: its id.
        own: titles of the shop's rules, by their ids.
    """
    known = RULES.get(rule_id)
    return say(known) if known is not None else (own or {}).get(rule_id, rule_id)


def told(words: Mapping[str, str], code: str) -> str:
    """Return what a code means, in the language of the page; the code itself where nobody knows."""
    meaning = words.get(code)
    return code if meaning is None else say(meaning)


def purpose_told(key: str) -> str:
    """Return what a purpose is, as customers are told it; its key where the register does not know it."""
    try:
        return say(entry_of(key).meaning)
    except UnknownPurposeError:
        return key
