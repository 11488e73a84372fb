"""Taking data along, asking for something, and having everything erased."""

from __future__ import annotations

from flask import Response
from marshmallow import fields, validate
from werkzeug.exceptions import NotFound

from api.auth import ANYBODY, CUSTOMERS
from api.forgetting.begin import Erasable
from api.forgetting.keys import erase
from api.forgetting.receipt import proof_of, receipt
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import let_customer_out
from api.rights.asking import ask_for
from api.rights.handing_out import handed_out
from api.rights.sections import Scope
from api.schemas.base import RequestSchema
from api.schemas.rights import FORMATS
from api.storage.cascades import Cascade, CascadeKind, Mode, get_cascade
from api.storage.connection import reading
from api.storage.legal_holds import is_held
from api.storage.requests import CLOCK, RequestKind, RequestRow, requests_of
from api.storefront.privacy.choosing import read_standing
from api.storefront.privacy.customer import this_customer
from api.storefront.privacy.words import ASKED, COMES, STANDS, STEPS
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language
from api.wiring import wiring
from guardrails.request import SubjectKind

HERE = "/privacy/data"
_ASKABLE = (RequestKind.OBJECTION, RequestKind.RESTRICTION, RequestKind.RECTIFICATION)

blueprint = Pages("privacy_data", __name__)


class _DownloadSchema(RequestSchema):
    format = fields.String(required=True, validate=validate.OneOf(FORMATS))


class _AskSchema(RequestSchema):
    kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in _ASKABLE]))


class _EraseSchema(RequestSchema):
    mode = fields.Enum(Mode, by_value=True, required=True)


@blueprint.page("GET", HERE, CUSTOMERS, query=LanguageQuerySchema())
def data(query: dict[str, str]) -> Response:
    """Show what can be taken along and asked for, and what became of what was asked for."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    with reading(customer.found.engine) as conn:
        rows = requests_of(conn, customer.key)
    return show(
        "storefront/privacy/data.html",
        requests=[_request(row, customer.now_ms) for row in reversed(rows)],
        restricted=read_standing(customer).restricted_since_ms is not None,
        n_days=CLOCK.answer_days,
    )


@blueprint.page("POST", "/privacy/download", CUSTOMERS, form=_DownloadSchema())
def download(form: Form) -> Response:
    """Hand out all that is held, as one file."""
    language = storefront_language()
    if not form.ok:
        return see_other(HERE)
    customer = this_customer()
    answer = handed_out(
        customer.found, customer.customer_id, "account", Scope.ACCESS, form.data["format"], language
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.page("POST", "/privacy/requests", CUSTOMERS, form=_AskSchema())
def ask(form: Form) -> Response:
    """Take a request down; what needs no examination is done at once."""
    storefront_language()
    if not form.ok:
        return see_other(HERE)
    customer = this_customer()
    row = ask_for(customer.found, customer.key, RequestKind(form.data["kind"]))
    done = row.closed_at_ms is not None
    said = say("Done: it holds from now on.") if done else say("Taken down. Below you see by when.")
    return see_other(HERE, said)


@blueprint.page("GET", "/privacy/erase", CUSTOMERS, query=LanguageQuerySchema())
def before_erasing(query: dict[str, str]) -> Response:
    """Say what goes, what stays and why, before anything is erased."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    with reading(customer.found.engine) as conn:
        held = is_held(conn, [customer.key])
    return show(
        "storefront/privacy/erase.html", held=held, recipients=customer.found.settings.recipients, form=Form()
    )


@blueprint.page("POST", "/privacy/erase", CUSTOMERS, form=_EraseSchema())
def erase_me(form: Form) -> Response:
    """Erase everything; the receipt is at an address that says nothing of whose it is."""
    storefront_language()
    if not form.ok:
        return see_other("/privacy/erase")
    customer, found = this_customer(), wiring()
    begun = erase(
        found.logbook,
        found.subjects,
        Erasable.of(found.subjects, SubjectKind.ACCOUNT, customer.customer_id),
        form.data["mode"],
        found.settings.recipients,
        found.new_id,
        customer.now_ms,
    )
    found.cascades.wake()
    let_customer_out()
    return see_other(f"/privacy/erased/{begun.cascade_id}")


@blueprint.page("GET", "/privacy/erased/<name:cascade_id>", ANYBODY, query=LanguageQuerySchema())
def erased(query: dict[str, str], cascade_id: str) -> Response:
    """Show how far an erasure has come, to whoever has its address; it says nothing of who it was."""
    del query  # the frame has read the language
    storefront_language()
    told = receipt(_erasure(cascade_id))
    steps = [(say(STEPS[each["step"]]), each["status"], say(COMES[each["status"]])) for each in told["steps"]]
    return show("storefront/privacy/erased.html", told=told, steps=steps)


@blueprint.page("GET", "/privacy/erased/<name:cascade_id>/proof", ANYBODY)
def proof_of_erasure(cascade_id: str) -> Response:
    """Hand out the proof that the log tells of an erasure, as a file to keep."""
    proof = proof_of(_erasure(cascade_id), wiring().logbook)
    if proof is None:
        raise NotFound
    headers = {"Content-Disposition": 'attachment; filename="erasure.tlog-proof"'}
    return Response(proof, content_type="text/plain; charset=utf-8", headers=headers)


def _erasure(cascade_id: str) -> Cascade:
    """Return an erasure.

    Raises:
        NotFound: there is none under this id.
    """
    with reading(wiring().engine) as conn:
        cascade = get_cascade(conn, cascade_id)
    if cascade is None or cascade.kind is not CascadeKind.ERASURE:
        raise NotFound
    return cascade


def _request(row: RequestRow, now_ms: int) -> dict[str, object]:
    return {
        "what": say(ASKED[row.kind.value]),
        "stands": say(STANDS[row.state.value]),
        "row": row,
        "overdue": row.overdue(now_ms),
    }
