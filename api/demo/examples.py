"""The examples on screen: asked of the application itself, over its WSGI interface, and recorded.

Nothing here is staged: the answer is what ``POST /v1/recommendations`` answers, and what was
withheld is read from the record of the decision, as an auditor reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flask import Flask

from api.demo.calls import call
from api.demo.casting import SUGGESTIONS, Cast, cast
from api.demo.households import Story
from api.demo.state import Example
from api.wiring import Wiring
from engine.catalogue import Catalogue
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.house import House
from guardrails.rules.base import Listed

NAMED_A_RULE = 1
"""How many withheld items are named for each rule; all are counted, and the record names all."""


@dataclass(frozen=True, slots=True)
class Question:
    """One example: what is asked, and why it is worth a look.

    Attributes:
        title: what the customer chose and where we are.
        lesson: what to see in the answer.
        body: body of ``POST /v1/recommendations``.
        news: kind of event that the shop hears of just before, if any, and the kind that ends it.
    """

    title: str
    lesson: str
    body: Mapping[str, Any]
    news: tuple[str, str] | None = None


def questions_of(chosen: Cast) -> tuple[Question, ...]:
    """Return what is asked of the demo shop."""
    home = {"placement": "home", "count": SUGGESTIONS}
    everything = chosen.customers[Story.EVERYTHING]
    cart = {
        "customer_id": everything,
        "placement": "cart",
        "context": {"basket": [chosen.basket_item]},
        "count": SUGGESTIONS,
    }
    return (
        Question(
            "Agreed to everything, on the home page",
            "their purchases speak, except those of a private kind",
            {"customer_id": everything, **home},
        ),
        Question(
            "Withdrew last week, on the home page",
            "nothing they did is used, or even read",
            {"customer_id": chosen.customers[Story.WITHDRAWN], **home},
        ),
        Question(
            "Was never asked, on a product page",
            "silence is not consent; but the page itself may speak, it is nobody's data",
            {
                "customer_id": chosen.customers[Story.NEVER_ASKED],
                "placement": "product_page",
                "context": {"item_id": chosen.page_item},
                "count": SUGGESTIONS,
            },
        ),
        Question(
            "Agreed to everything, in the cart",
            "rules hold back what would go too far",
            cart,
        ),
        Question(
            "The same cart, while a parcel of theirs is late",
            "who waits for a parcel is not asked to spend more",
            cart,
            news=("delivery_delayed", "delivered"),
        ),
        Question(
            "Agreed to everything but push messages, about to be sent one",
            "a yes to e-mail is no yes to push; saying nothing is an answer",
            {"customer_id": everything, "placement": "push", "channel": "push", "count": 1},
        ),
    )


def ask_all(app: Flask, wiring: Wiring, keys: Mapping[str, str]) -> list[Example]:
    """Ask every example of a shop that stands, and return what came of it.

    Raises:
        DemoDataError: there is nobody to ask for, or the keys are not of this shop.
    """
    return [_ask(app, wiring, question, keys) for question in questions_of(cast(wiring))]


def _ask(app: Flask, wiring: Wiring, question: Question, keys: Mapping[str, str]) -> Example:
    begins, ends = question.news or (None, None)
    _tell(app, keys, question, begins)
    answer = call(app, keys["site"], "POST", "/v1/recommendations", question.body)
    _tell(app, keys, question, ends)
    record = call(app, keys["auditor"], "GET", f"/v1/decisions/{answer['decision_id']}")["sections"]
    house = wiring.runtime.current().house
    catalogue = house.catalogue
    return Example(
        title=question.title,
        lesson=question.lesson,
        request=question.body,
        basis=answer["basis"],
        profiling=_why_no_history(answer["admission"]),
        decision_id=answer["decision_id"],
        suggestions=[_suggestion(each, catalogue) for each in answer["items"]],
        withheld=_named(record["out"]["withheld"], house),
        n_withheld=answer["withheld"]["by_rule"],
        kept_out={each["rule"]: each["n"] for each in record["consent"]["kept_out"]},
        reads={each["store"]: each["n"] for each in record["consent"]["reads"]},
        answer=answer,
    )


def _tell(app: Flask, keys: Mapping[str, str], question: Question, kind: str | None) -> None:
    """Let the shop hear of something that happened to the customer's order."""
    if kind is None:
        return
    event = {
        "event_id": str(uuid4()),
        "kind": kind,
        "customer_id": question.body["customer_id"],
        "reference": "an order of the demo",
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    call(app, keys["site"], "POST", "/v1/events", {"events": [event]})


def _why_no_history(admission: list[Mapping[str, Any]]) -> str | None:
    asked = next(each for each in admission if each["purpose"] == KEY_OF[Purpose.PROFILING])
    return None if asked["permitted"] else str(asked["because"])


def _suggestion(item: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    return {
        "rank": item["rank"],
        **_described(item["item_id"], catalogue),
        "intent": item["intent"],
        "score": item["score"],
        "reason": item["reason"]["text"],
    }


def _named(withheld: list[Mapping[str, str]], house: House) -> list[dict[str, Any]]:
    """Name the first few of each rule, in the order of the record; no title twice."""
    rules: dict[str, Listed] = {rule.id: rule for rule in (*house.rules, *house.slate_rules)}
    named: list[dict[str, Any]] = []
    for each in withheld:
        rule, item = rules[each["rule"]], _described(each["item"], house.catalogue)
        of_rule = [other["title"] for other in named if other["rule"] == rule.id]
        if len(of_rule) < NAMED_A_RULE and item["title"] not in of_rule:
            named.append(
                {**item, "rule": rule.id, "name": rule.name, "why": rule.sentence, "ground": rule.ground}
            )
    return named


def _described(item_id: str, catalogue: Catalogue) -> dict[str, Any]:
    idx = catalogue.idx_of_id[item_id]
    code = int(catalogue.sensitive_class[idx])
    price = int(catalogue.price_minor[idx])
    return {
        "item_id": item_id,
        "title": catalogue.titles[idx],
        "price_minor": None if price < 0 else price,
        "sensitive_class": None if code < 0 else catalogue.sensitive_classes[code],
        "tier": int(catalogue.tier[idx]),
    }
