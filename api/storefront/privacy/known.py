"""What is known of the customer and from where, and setting it right."""

from __future__ import annotations

from flask import Response
from marshmallow import fields, validate

from api.auth import CUSTOMERS
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.rights.correcting import Correction, set_right
from api.rights.handing_out import basics_of
from api.rights.interests import Interests, Piece, read_interests
from api.schemas.base import Id, RequestSchema
from api.storage.connection import reading
from api.storage.rights import CorrectionAction, CorrectionScope, read_corrections
from api.storefront.privacy.choosing import read_standing
from api.storefront.privacy.comparing import compared, titles_of
from api.storefront.privacy.customer import this_customer
from api.storefront.privacy.words import AGAINST, DID, WHERE
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language

HERE = "/privacy/known"

MOST_PIECES = 30
"""Most pieces of evidence on the page; the download has all of them."""

blueprint = Pages("privacy_known", __name__)


class _CorrectionSchema(RequestSchema):
    scope = fields.Enum(CorrectionScope, by_value=True, required=True)
    value = Id(required=True)
    action = fields.String(
        required=True, validate=validate.OneOf([action.value for action in CorrectionAction])
    )


@blueprint.page("GET", HERE, CUSTOMERS, query=LanguageQuerySchema())
def known(query: dict[str, str]) -> Response:
    """Show what suggestions rest on, piece by piece."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    found = customer.found
    with reading(found.engine) as conn:
        basics = basics_of(conn, found, customer.key)
        inferred = read_interests(conn, customer.key, basics, customer.now_ms, gpc=customer.gpc)
        corrected = read_corrections(conn, customer.key)
    named = [each for each in inferred.pieces if each.item_id is not None]
    return show(
        "storefront/privacy/known.html",
        inferred=inferred,
        because=_why_not(inferred, stopped=not read_standing(customer).personalizes),
        pieces=[(each, _source(each)) for each in named[:MOST_PIECES]],
        n_more=max(len(named) - MOST_PIECES, 0),
        corrected=list(reversed(corrected)),
        title=titles_of(found),
    )


@blueprint.page("POST", HERE, CUSTOMERS, form=_CorrectionSchema())
def set_known_right(form: Form) -> Response:
    """Take something out of the profile, or mark it as a gift; what is suggested then is shown beside."""
    storefront_language()
    if not form.ok:
        return see_other(HERE)
    customer, said = this_customer(), form.data
    correction = Correction(said["scope"], said["value"], CorrectionAction(said["action"]))
    done = (
        say("It counts as a gift now, and says nothing about you.")
        if correction.action is CorrectionAction.RELABEL
        else say("It is taken out, and counts no longer.")
    )
    return compared(customer, lambda: set_right(customer.found, customer.key, [correction]), done, HERE)


def _why_not(inferred: Interests, *, stopped: bool) -> str | None:
    if inferred.used:
        return None
    if inferred.because is not None and not stopped:
        return say(AGAINST[inferred.because])
    return say("You have stopped personalizing.")


def _source(piece: Piece) -> str:
    return f"{say(DID[piece.kind])} {say(WHERE[piece.channel])}"
