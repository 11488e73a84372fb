"""What is suggested before and after a change: two real decisions, made and recorded like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson
from flask import Response

from api.auth import CUSTOMERS, require_own
from api.consents.people import Person
from api.logging import warn
from api.pages.blueprint import Pages
from api.recommending import recommended
from api.rights import records
from api.rights.records import Shown, Withheld
from api.schemas.base import Id
from api.schemas.recommendation import RecommendationRequestSchema
from api.storage.connection import reading, writing
from api.storage.decisions import decision_subject, read_decision
from api.storage.exposures import delete_exposures
from api.storefront.privacy.customer import Customer, this_customer
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language
from api.wiring import Wiring
from guardrails.log.record import open_body

HOME_PLACEMENT = "home"
"""Where suggestions are compared, if the shop has it."""

_N_COMPARED = 6

blueprint = Pages("privacy_comparing", __name__)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What a decision of the customer's own says.

    Attributes:
        decision_id: which.
        placement: where it was shown.
        at_ms: when, milliseconds since the epoch.
        basis: what it rests on.
        shown: what was suggested.
        withheld: what was held back.
    """

    decision_id: str
    placement: str
    at_ms: int
    basis: str
    shown: tuple[Shown, ...]
    withheld: tuple[Withheld, ...]


class _ChangedSchema(LanguageQuerySchema):
    before = Id(required=True)
    after = Id(required=True)


def compared(customer: Customer, change: Callable[[], object], said: str, otherwise: str) -> Response:
    """Carry a change out and lead to what it does to suggestions.

    A consent is taken back as easily as it was given (GDPR 7(3)): the change is made whatever becomes of the
    suggestions before it and after it, and where either could not be made, only the comparison is left out.

    Args:
        customer: who changes something.
        change: does it.
        said: what is said of it on the next page.
        otherwise: path to go to where nothing can be compared.
    """
    seed = customer.found.new_seed()  # the same lots are drawn twice: what differs comes from the change
    before = _suggested(customer, seed)
    change()
    after = _suggested(customer, seed)
    if before is None or after is None:
        return see_other(otherwise, said)
    return see_other(f"/privacy/changed?before={before}&after={after}", said)


@blueprint.page("GET", "/privacy/changed", CUSTOMERS, query=_ChangedSchema())
def changed(query: dict[str, str]) -> Response:
    """Show what was suggested before a change and what is suggested since, side by side."""
    customer = this_customer()
    before, after = (record_of(customer.found, query[name]) for name in ("before", "after"))
    if before is None or after is None:
        return see_other("/privacy")
    held_back = {each.item_id: each for each in after.withheld}
    return show(
        "storefront/privacy/changed.html",
        before=before,
        after=after,
        stayed={each.item_id for each in before.shown} & {each.item_id for each in after.shown},
        held_back=held_back,
        title=titles_of(customer.found),
    )


def record_of(found: Wiring, decision_id: str) -> Record | None:
    """Return what a decision of the customer's own says; ``None`` where it is not kept.

    Raises:
        ForbiddenError: it is somebody else's, or there is none.
    """
    with reading(found.engine) as conn:
        require_own(decision_subject(conn, decision_id))
        stored = read_decision(conn, found.logbook.keyring, decision_id)
    if stored is None or stored.body is None:
        return None
    sections = open_body(stored.body)[1]
    request, out = (orjson.loads(sections[name]) for name in ("req", "out"))
    return Record(
        decision_id=decision_id,
        placement=request["placement"]["name"],
        at_ms=request["ts"],
        basis=out["basis"],
        shown=tuple(records.shown(sections)),
        withheld=tuple(records.withheld(sections)),
    )


def titles_of(found: Wiring) -> Callable[[str], str]:
    """Return what gives an item's title by its id; what the shop has no longer is called by its id."""
    catalogue = found.runtime.current().house.catalogue

    def title(item_id: str) -> str:
        idx = catalogue.idx_of_id.get(item_id)
        return item_id if idx is None else catalogue.titles[idx]

    return title


def _suggested(customer: Customer, seed: bytes) -> str | None:
    """Return the id of a decision for the customer that is made now; ``None`` where none can be made.

    It is on record like any other, and not remembered as shown in the shop: otherwise the second of two
    would avoid what the first has shown, and the change would not be what they differ by.
    """
    found = replace(customer.found, new_seed=lambda: seed)
    try:
        placements = found.runtime.current().placements
        placement = placements.get(HOME_PLACEMENT) or next(
            each for each in placements.values() if not (each.interruptive or each.anchored or each.public)
        )
        asked = {
            "placement": placement.name,
            "count": min(_N_COMPARED, placement.max_count),
            "language": storefront_language(),
        }
        person = Person.of(found.subjects, customer_id=customer.customer_id)
        answer, _ = recommended(RecommendationRequestSchema().load(asked), person, found)
        decision_id: str = orjson.loads(answer)["decision_id"]
        with writing(found.engine) as conn:
            delete_exposures(conn, [decision_id])
    except Exception as error:  # noqa: BLE001  whatever it is, it must not keep a customer from a choice
        warn("privacy:compare:failed", error)
        return None
    return decision_id
