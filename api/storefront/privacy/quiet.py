"""What the customer does not want to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response
from marshmallow import fields, validate

from api.auth import CUSTOMERS
from api.consents.erased import refuse_erased
from api.languages import say
from api.measuring.experiments import key_in_experiment
from api.muting import end_of_mute, is_known
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.schemas.base import Id, RequestSchema
from api.storage.connection import reading, writing
from api.storage.consents import lock_subject
from api.storage.customers import add_mute, lift_mute, read_mutes
from api.storefront.privacy.comparing import titles_of
from api.storefront.privacy.customer import Customer, this_customer
from api.storefront.privacy.words import CLASSES, NAMES_OF_OCCASIONS
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language
from guardrails.messages import Phrase
from guardrails.request import Mute, MuteScope

HERE = "/privacy/quiet"

_SCOPES: dict[MuteScope, Phrase] = {
    MuteScope.CATEGORY: Phrase("Kind of goods"),
    MuteScope.BRAND: Phrase("Brand"),
    MuteScope.ITEM: Phrase("One thing"),
    MuteScope.OCCASION: Phrase("A day or a feast"),
    MuteScope.SENSITIVE_CLASS: Phrase("Sensitive topic"),
}
_MOST_OPTIONS = 400

blueprint = Pages("privacy_quiet", __name__)


class _MuteSchema(RequestSchema):
    scope = fields.Enum(MuteScope, by_value=True, required=True)
    value = Id(required=True)
    action = fields.String(required=True, validate=validate.OneOf(("mute", "lift")))


@blueprint.page("GET", HERE, CUSTOMERS, query=LanguageQuerySchema())
def quiet(query: dict[str, str]) -> Response:
    """Show what is muted, and what can be."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    with reading(customer.found.engine) as conn:
        mutes = read_mutes(conn, customer.key)
    standing = [each for each in mutes if each.until_ms is None or each.until_ms > customer.now_ms]
    catalogue, title = customer.found.runtime.current().house.catalogue, titles_of(customer.found)
    muted = {(each.scope, each.value) for each in standing}
    return show(
        "storefront/privacy/quiet.html",
        mutes=[(each, say(_SCOPES[each.scope]), _name(each, title)) for each in standing],
        occasions=_options(MuteScope.OCCASION, NAMES_OF_OCCASIONS, muted),
        topics=_options(MuteScope.SENSITIVE_CLASS, CLASSES, muted),
        categories=[(each, each) for each in _top_levels(catalogue.categories)],
        brands=[(each, each) for each in sorted(catalogue.brands)[:_MOST_OPTIONS]],
    )


@blueprint.page("POST", HERE, CUSTOMERS, form=_MuteSchema())
def change_quiet(form: Form) -> Response:
    """Mute something, or lift a mute; it holds from the next suggestion on."""
    storefront_language()
    if not form.ok:
        return see_other(HERE, say("Choose something first."), "warning")
    customer, scope, value = this_customer(), form.data["scope"], form.data["value"]
    if form.data["action"] == "lift":
        with writing(customer.found.engine) as conn:
            lift_mute(conn, customer.key, scope, value)
        return see_other(HERE, say("It may be suggested again."))
    if not is_known(scope, value):
        return see_other(HERE, say("Choose something first."), "warning")
    mute(customer, scope, value)
    return see_other(HERE, say("You will not see it any more."))


def mute(customer: Customer, scope: MuteScope, value: str) -> None:
    """Mute something for as long as the policy says.

    Raises:
        ErasedError: the customer was erased.
    """
    found = customer.found
    with writing(found.engine) as conn:
        lock_subject(conn, customer.key)
        refuse_erased(conn, found.subjects, customer.key)
        snapshot = found.runtime.as_of(conn)
        key = key_in_experiment(conn, snapshot, found.subjects, customer.key, customer.now_ms)
        until_ms = end_of_mute(scope, customer.now_ms, snapshot.house_for(key).limits.holds)
        add_mute(conn, customer.key, Mute(scope, value, until_ms), customer.now_ms)


def _name(mute: Mute, title: Callable[[str], str]) -> str:
    if mute.scope is MuteScope.OCCASION:
        return say(NAMES_OF_OCCASIONS[mute.value])
    if mute.scope is MuteScope.SENSITIVE_CLASS:
        return say(CLASSES[mute.value])
    return title(mute.value) if mute.scope is MuteScope.ITEM else mute.value


def _options(
    scope: MuteScope, names: Mapping[str, Phrase], muted: set[tuple[MuteScope, str]]
) -> list[tuple[str, str]]:
    """Return value and name of what can be muted yet, by name."""
    told = ((value, say(name)) for value, name in names.items() if (scope, value) not in muted)
    return sorted(told, key=lambda each: each[1])


def _top_levels(paths: tuple[str, ...]) -> list[str]:
    """Return categories down to the second level, sorted."""
    levels = {" > ".join(path.split(" > ")[:depth]) for path in paths for depth in (1, 2)}
    return sorted(levels)[:_MOST_OPTIONS]
