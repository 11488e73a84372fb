"""What each limit says, for whoever fills in a form.

Words only: which way a limit is stricter and who may loosen it stands in ``guardrails.policy.directions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_RAISES = {
    "sensitivity": "how sensitive the item is, or what was concluded from",
    "context_distance": "how far what is known has travelled, from another visit, channel or company",
    "inference_distance": "how much was concluded rather than said",
    "covertness": "that no reason is shown",
    "exactness": "how exactly it points at what was looked at, and how prominently",
    "evidence_age": "how old what is known is",
    "repetition": "how often it was shown and ignored",
    "audience": "who else can see it",
    "vulnerable_moment": "that the moment is a bad one",
    "price_pressure": "how far up the price goes",
    "ignored_control": "that the customer waved off something like it",
}
_SOFTENS = {
    "same_visit": "that it follows from what the customer does in this visit",
    "stated": "that the customer said so",
    "reason_given": "that a true reason is shown",
    "controls": "that why and mute stand beside it",
}

DESCRIPTIONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("evidence", "view_days"): "for how many days a look at an item counts as evidence",
        ("evidence", "cart_days"): "for how many days something put into the basket counts as evidence",
        ("evidence", "wishlist_days"): "for how many days something on a wish list counts as evidence",
        ("evidence", "purchase_days"): "for how many days a purchase counts as evidence",
        ("evidence", "rating_days"): "for how many days a rating counts as evidence",
        ("evidence", "return_days"): "for how many days a return is remembered; it only holds back",
        ("evidence", "sensitive_days"): "for how many days at most anything sensitive counts as evidence",
        ("evidence", "session_hours"): "for how many hours what a customer does belongs to one visit",
        ("evidence", "max_pieces"): "how many pieces of evidence at most suggestions for a customer rest on",
        ("support", "edge"): "how many customers at least must show that two items go together",
        ("support", "sensitive_edge"): (
            "how many customers at least must show that two items go together, where one of them is sensitive"
        ),
        ("support", "named_crowd"): "how many customers at least it takes for a reason to speak of many",
        ("score", "show_micro"): "creepiness score from which a suggestion needs its reason beside it",
        ("score", "with_reason_micro"): "creepiness score from which a suggestion is made less specific",
        ("score", "generalise_micro"): "creepiness score from which a suggestion is left out",
        (
            "repeat",
            "discount_micro",
        ): "share of its rank score that a suggestion keeps each time it is ignored",
        ("repeat", "cooldown_after"): "how often a suggestion is ignored before it pauses",
        ("repeat", "window_days"): "over how many days showings that were ignored count towards a pause",
        ("repeat", "cooldown_days"): "for how many days an ignored suggestion pauses",
        ("repeat", "hard_at"): "how often a suggestion is ignored before it stops",
        (
            "repeat",
            "hard_window_days",
        ): "over how many days showings that were ignored count towards stopping",
        ("frequency", "interruptive_session"): "how often at most a customer is interrupted in a visit",
        ("frequency", "interruptive_week"): "how often at most a customer is interrupted in seven days",
        ("frequency", "inline_page"): "how many upsells and cross-sells one slate holds at most",
        ("frequency", "inline_session"): "how many upsells and cross-sells a visit shows at most",
        ("frequency", "outbound_day"): "how many messages a customer is sent in a day at most",
        ("frequency", "outbound_week"): "how many messages a customer is sent in seven days at most",
        ("price", "upsell_soft_from_micro"): (
            "how much dearer an upsell may be than what it is held against before it moves down, as a share"
        ),
        ("price", "upsell_hard_micro"): (
            "how much dearer an upsell may be at most than what it is held against, as a share"
        ),
        (
            "price",
            "addon_hard_of_basket_micro",
        ): ("what a cross-sell may cost at most, as a share of the basket"),
        ("price", "upsell_steps_session"): "how many upsells a visit shows at most",
        ("holds", "item_mute_days"): "for how many days an item stays off that a customer muted",
        ("holds", "brand_mute_days"): "for how many days a brand stays off that a customer muted",
        ("holds", "returned_item_days"): "for how many days an item stays off that was sent back",
        ("holds", "returned_category_days"): (
            "for how many days upsells stay off in the category of what was sent back"
        ),
        ("holds", "dismissed_days"): (
            "for how many days an item stays off that a customer waved off or called too personal"
        ),
        ("holds", "complaint_days"): (
            "for how many days upsells, cross-sells and messages stay off after a complaint is closed"
        ),
        ("holds", "life_event_topics_days"): "for how many days after a life event its topics stay off",
        ("holds", "life_event_offers_days"): (
            "for how many days after a life event upsells, cross-sells and messages stay off"
        ),
        ("holds", "exclusion_hours"): (
            "for how many hours an exclusion goes on after customers lift what they excluded themselves from"
        ),
        ("knowledge", "min_pieces"): (
            "how many pieces of evidence at least must be known of a customer before anything is personal"
        ),
        ("inference", "lift_max_micro"): (
            "how many times as likely an item may at most make it that a sensitive class concerns somebody"
        ),
        ("quiet", "from_minute"): (
            "minute of the customer's day from which no push message, text message or call goes out"
        ),
        ("quiet", "to_minute"): (
            "minute of the customer's day until which no push message, text message or call goes out"
        ),
        ("errand", "max_pages"): "up to how many opened pages a visit is an errand that nothing holds up",
        ("errand", "max_seconds"): (
            "up to how many seconds from first page to basket a visit is an errand that nothing holds up"
        ),
        ("variety", "selling_share_micro"): "share of a slate that upsells and cross-sells take up at most",
        ("variety", "min_categories"): "how many categories a longer slate holds at least",
        ("variety", "from_count"): "from how many suggestions on a slate counts as a longer one",
        ("outbound", "exact_hours"): (
            "for how many hours a message may name the very item put into the basket or on a wish list"
        ),
        **{
            ("weights", name): f"how much it adds to the creepiness score: {what}"
            for name, what in _RAISES.items()
        },
        **{
            ("weights", name): f"how much it takes off the creepiness score: {what}"
            for name, what in _SOFTENS.items()
        },
        ("weights", "mitigation_cap"): (
            "how much at most is taken off the creepiness score in all, where something is sensitive"
        ),
    }
)
"""Every limit, by section and name as in ``DIRECTIONS``."""
