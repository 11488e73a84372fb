"""What the privacy centre calls things, in English; catalogues beside the pages have the other languages."""

from __future__ import annotations

from collections.abc import Mapping

from engine.vocabulary import Channel, Kind
from guardrails.consent.events import Status
from guardrails.consent.permission import Denial
from guardrails.consent.purposes import KEY_OF, OUTBOUND, Purpose, communications_key, sensitive_key
from guardrails.messages import Phrase
from guardrails.sensitive.classes import CLASS_NAMES

CLASSES: Mapping[str, Phrase] = {
    "health": Phrase("Health and medicine"),
    "mental_health": Phrase("Mood and mental health"),
    "disability": Phrase("Aids for daily life"),
    "health_intimate": Phrase("Period, bladder and bowel care"),
    "sexual_health": Phrase("Contraception and sexual health"),
    "sex_life": Phrase("Erotic goods"),
    "orientation": Phrase("Sexual orientation and gender"),
    "pregnancy_fertility": Phrase("Pregnancy and fertility"),
    "parenthood": Phrase("Babies and toddlers"),
    "religion": Phrase("Religion and faith"),
    "ethnicity": Phrase("Goods for people of one origin"),
    "politics": Phrase("Politics and trade unions"),
    "alcohol": Phrase("Alcoholic drinks"),
    "tobacco_nicotine": Phrase("Tobacco and nicotine"),
    "addiction_substance": Phrase("Drugs and drug tests"),
    "gambling": Phrase("Betting and lotteries"),
    "bereavement": Phrase("Funerals and mourning"),
    "weight_body": Phrase("Weight and body shape"),
    "weapons": Phrase("Weapons and ammunition"),
    "child_audience": Phrase("Goods for children"),
    "content_dependent": Phrase("Books, films and press"),
}
"""Classes of sensitive goods."""

NAMES_OF_OCCASIONS: Mapping[str, Phrase] = {
    "mothers_day": Phrase("Mother's Day"),
    "fathers_day": Phrase("Father's Day"),
    "valentines_day": Phrase("Valentine's Day"),
    "christmas": Phrase("Christmas"),
    "easter": Phrase("Easter"),
    "halloween": Phrase("Halloween"),
    "thanksgiving": Phrase("Thanksgiving"),
    "eid": Phrase("Eid feasts"),
    "hanukkah": Phrase("Hanukkah"),
    "passover": Phrase("Passover"),
    "diwali": Phrase("Diwali, the festival of lights"),
    "lunar_new_year": Phrase("Lunar New Year"),
    "new_year": Phrase("New Year"),
    "birthday": Phrase("Birthdays"),
    "wedding": Phrase("Weddings"),
    "engagement": Phrase("Engagements"),
    "anniversary": Phrase("Anniversaries"),
    "baby_shower": Phrase("Baby showers"),
    "christening": Phrase("Christenings"),
    "communion": Phrase("First communions"),
    "confirmation": Phrase("Confirmations"),
    "bar_mitzvah": Phrase("Bar and bat mitzvahs"),
    "graduation": Phrase("Graduations"),
    "back_to_school": Phrase("Back to school"),
    "retirement": Phrase("Retirements"),
    "grandparents_day": Phrase("Grandparents' Day"),
    "womens_day": Phrase("Women's Day"),
    "remembrance": Phrase("Remembrance of the dead"),
}
"""Occasions that goods are made for."""

_OF_CHANNELS = {
    Channel.EMAIL: Phrase("E-mails"),
    Channel.SMS: Phrase("Text messages"),
    Channel.PUSH: Phrase("Notifications on your phone"),
    Channel.POST: Phrase("Letters"),
    Channel.PHONE: Phrase("Phone calls"),
}

TITLES: Mapping[str, Phrase] = {
    KEY_OF[Purpose.LIMITED_CONTENT]: Phrase("Suggestions from the page you look at"),
    KEY_OF[Purpose.FUNCTIONAL_STORAGE]: Phrase("Suggestions from this visit"),
    KEY_OF[Purpose.PROFILING]: Phrase("Remembering what you look at and buy"),
    KEY_OF[Purpose.PROFILED_CONTENT]: Phrase("Suggestions from your history"),
    KEY_OF[Purpose.TARGETED_OFFERS]: Phrase("Offers chosen for you"),
    KEY_OF[Purpose.PERSONALISED_PRICE]: Phrase("Prices for you alone"),
    **{communications_key(channel): _OF_CHANNELS[channel] for channel in OUTBOUND},
    KEY_OF[Purpose.PERFORMANCE]: Phrase("Measuring what suggestions do"),
    KEY_OF[Purpose.ENRICHMENT]: Phrase("Data about you from others"),
    KEY_OF[Purpose.SHARING]: Phrase("Your data to others"),
    **{sensitive_key(name): CLASSES[name] for name in CLASS_NAMES},
}
"""What each purpose is called."""

GROUPS: tuple[tuple[Phrase, tuple[str, ...]], ...] = (
    (
        Phrase("What you are suggested"),
        (
            KEY_OF[Purpose.PROFILING],
            KEY_OF[Purpose.PROFILED_CONTENT],
            KEY_OF[Purpose.FUNCTIONAL_STORAGE],
            KEY_OF[Purpose.LIMITED_CONTENT],
        ),
    ),
    (
        Phrase("Offers, prices and messages"),
        (
            KEY_OF[Purpose.TARGETED_OFFERS],
            KEY_OF[Purpose.PERSONALISED_PRICE],
            *map(communications_key, OUTBOUND),
        ),
    ),
    (
        Phrase("Measuring, and others"),
        (KEY_OF[Purpose.PERFORMANCE], KEY_OF[Purpose.ENRICHMENT], KEY_OF[Purpose.SHARING]),
    ),
)
"""Purposes as they are shown, but for the sensitive ones."""

SENSITIVE = tuple(map(sensitive_key, CLASS_NAMES))
"""Purposes that each open one class of sensitive goods."""

_BROWSING, _CART, _WISHLIST = "user.behavior.browsing_history", "user.behavior.cart", "user.behavior.wishlist"
_BOUGHT, _RATED, _RETURNED = (
    "user.behavior.purchase_history",
    "user.content.public",
    "user.behavior.returns",
)
_SUGGESTED, _INFERRED = "user.behavior.suggestions", "user.demographic.profile"

USES: Mapping[Purpose, tuple[str, ...]] = {
    Purpose.FUNCTIONAL_STORAGE: (_BROWSING, _CART),
    Purpose.PROFILING: (_BROWSING, _CART, _WISHLIST, _BOUGHT, _RATED, _RETURNED),
    Purpose.PROFILED_CONTENT: (_BROWSING, _CART, _WISHLIST, _BOUGHT, _RATED, _SUGGESTED, _INFERRED),
    Purpose.TARGETED_OFFERS: (_BROWSING, _CART, _WISHLIST, _BOUGHT, _INFERRED),
    Purpose.PERFORMANCE: (_SUGGESTED,),
    Purpose.SENSITIVE: (_BROWSING, _BOUGHT),
}
"""Categories of data that a purpose needs, as ``api.transparency.DATA`` names them."""

AGAINST: Mapping[Denial, Phrase] = {
    Denial.PENDING: Phrase("You have not answered. It is off until you say yes."),
    Denial.REQUESTED: Phrase("You were asked and have not answered. It is off until you say yes."),
    Denial.DENIED: Phrase("You said no."),
    Denial.WITHDRAWN: Phrase("You took your yes back."),
    Denial.OBJECTED: Phrase("You objected."),
    Denial.EXPIRED: Phrase("Your yes has run out. It is off until you say yes again."),
    Denial.NOTICE_OUTDATED: Phrase(
        "What you were told then has changed. It is off until you say yes to what holds now."
    ),
    Denial.SIGNAL_OPT_OUT: Phrase("Your browser says no for you (Global Privacy Control)."),
    Denial.MINOR: Phrase("It is closed to those who are under age."),
    Denial.RESTRICTED: Phrase("You asked that your data be kept and not used."),
    Denial.NOT_COVERED_CATEGORY: Phrase("Your yes does not cover this data."),
    Denial.NOT_COVERED_CHANNEL: Phrase("Your yes does not cover this way of reaching you."),
    Denial.NO_SUBJECT: Phrase("Nothing is known of you."),
    Denial.UNREADABLE: Phrase("Your choices cannot be read right now, so it is off."),
}
"""Why a purpose is off."""

SAID: Mapping[Status, Phrase] = {
    Status.CONSENT_GIVEN: Phrase("You said yes"),
    Status.RENEWED_CONSENT_GIVEN: Phrase("You said yes again"),
    Status.CONSENT_REFUSED: Phrase("You said no"),
    Status.CONSENT_WITHDRAWN: Phrase("You took your yes back"),
    Status.CONSENT_REVOKED: Phrase("The shop ended it"),
    Status.CONSENT_EXPIRED: Phrase("Your yes ran out"),
    Status.CONSENT_INVALIDATED: Phrase("A yes that does not count"),
    Status.CONSENT_REQUESTED: Phrase("You were asked"),
    Status.CONSENT_REQUEST_DEFERRED: Phrase("You put the question off"),
    Status.CONSENT_UNKNOWN: Phrase("Nothing is known"),
    Status.OBJECTION_RAISED: Phrase("You objected"),
    Status.OBJECTION_NOT_RAISED: Phrase("You took your objection back"),
    Status.RESTRICTED: Phrase("You restricted all use"),
    Status.RESTRICTION_LIFTED: Phrase("You lifted the restriction"),
    Status.SOFT_OPT_IN: Phrase("The shop noted that you bought something"),
}
"""What an entry of the history says."""

DID: Mapping[Kind, Phrase] = {
    Kind.VIEW: Phrase("You looked at it"),
    Kind.CART: Phrase("You put it in the basket"),
    Kind.REMOVE_FROM_CART: Phrase("You took it out of the basket"),
    Kind.WISHLIST: Phrase("You put it on a wish list"),
    Kind.PURCHASE: Phrase("You bought it"),
    Kind.RATING: Phrase("You rated it"),
    Kind.RETURN: Phrase("You sent it back"),
}
"""Where a piece of evidence comes from."""

WHERE: Mapping[Channel, Phrase] = {
    Channel.WEB: Phrase("on the website"),
    Channel.APP: Phrase("in the app"),
    Channel.EMAIL: Phrase("from an e-mail"),
    Channel.SMS: Phrase("from a text message"),
    Channel.PUSH: Phrase("from a notification"),
    Channel.POST: Phrase("by post"),
    Channel.PHONE: Phrase("by phone"),
    Channel.IN_STORE: Phrase("in a store"),
    Channel.OFFSITE_ADS: Phrase("from an advertisement elsewhere"),
    Channel.AGENT_CHAT: Phrase("in a chat"),
}
"""Where that was."""

ASKED: Mapping[str, Phrase] = {
    "access": Phrase("See what is held of you"),
    "portability": Phrase("Take your data with you"),
    "rectification": Phrase("Put something right"),
    "erasure": Phrase("Have everything erased"),
    "restriction": Phrase("Have your data kept and not used"),
    "objection": Phrase("Object to advertising"),
    "contest": Phrase("Have a person look at a suggestion"),
}
"""What can be asked for, by the kind of request."""

STANDS: Mapping[str, Phrase] = {
    "open": Phrase("being dealt with"),
    "done": Phrase("it is done"),
    "refused": Phrase("it was refused"),
}
"""How far a request has come."""

STEPS: Mapping[str, Phrase] = {
    "serving": Phrase("Nothing of you is used any more"),
    "keys": Phrase("The keys of your records are destroyed: nobody can read them"),
    "model": Phrase("What was learned from you is taken out"),
    "visits": Phrase("Your visits"),
    "feedback": Phrase("What you said of suggestions"),
    "exposures": Phrase("What was remembered of what you were shown"),
    "decisions": Phrase("The records of your suggestions"),
    "disclosures": Phrase("Notes of who looked at your records"),
    "history": Phrase("What you looked at and bought"),
    "preferences": Phrase("What you did not want to see"),
    "corrections": Phrase("What you set right"),
    "requests": Phrase("What you asked for"),
    "consents": Phrase("Your choices"),
    "files": Phrase("Files that were imported"),
    "customer": Phrase("Your entry as a customer"),
    "database": Phrase("Traces in the database file"),
}
"""Places that an erasure goes through."""

COMES: Mapping[str, Phrase] = {
    "pending": Phrase("on its way"),
    "complete": Phrase("gone"),
    "error": Phrase("did not work yet, and is tried again"),
    "skipped": Phrase("nothing was there"),
    "held": Phrase("kept for a legal claim until that is over"),
}
"""How far a place has come."""
