"""A customer's own settings, in force from the next request on."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import calling_customer, only
from api.consents.erased import refuse_erased
from api.errors import InvalidRequestError
from api.measuring.experiments import key_in_experiment
from api.muting import UNKNOWN, end_of_mute, is_known
from api.pointers import pointer_to
from api.routes.resource import Resource, json_answer
from api.schemas.customers import PreferencesSchema
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.customers import customer_numbers, set_facts, set_mutes, set_preferences
from api.storage.holds import exclude_from, exclusions_of
from api.wiring import wiring
from guardrails.consent.ages import AgeBand
from guardrails.policy.limits import HoldLimits
from guardrails.request import AgeAssurance, Mute, MuteScope

_HOUR_MS = 3_600_000

blueprint = Resource(
    "preferences", __name__, description="mutes, exclusions, age, suggestions without a profile"
)


@blueprint.operation(
    "PUT",
    "/v1/customers/<id:customer_id>/preferences",
    only(Role.SITE, customer=True),
    body=PreferencesSchema(),
    answer=PreferencesSchema(),
    problems=(409, 422, 503),
    example={"mutes": [{"scope": "brand", "value": "National"}], "non_profiled": False},
)
def put_preferences(body: dict[str, Any], customer_id: str) -> Response:
    """Replace all settings of a customer; they hold from the next request on.

    Exclusions alone stay as they are where nothing is said of them. Whoever lifts one waits: until
    some hours have passed nothing changes.

    How old somebody is and where they live is for the shop to say: with a customer's token that
    stays as it is.
    """
    found = wiring()
    now_ms, age_assurance = found.clock(), _age_assurance(body)
    subject_key = found.subjects.account(customer_id)
    with reading(found.engine) as conn:
        snapshot = found.runtime.as_of(conn)
        key = key_in_experiment(conn, snapshot, found.subjects, subject_key, now_ms)
        limits = snapshot.house_for(key).limits.holds
    mutes = tuple(_mute(each, now_ms, limits) for each in body["mutes"])
    _refuse_unknown(mutes)
    with writing(found.engine) as conn:
        refuse_erased(conn, found.subjects, subject_key)
        numbers = customer_numbers(conn, [customer_id], found.subjects, now_ms)
        set_preferences(
            conn,
            numbers[customer_id],
            age_assurance=age_assurance,
            non_profiled=body["non_profiled"],
            shared_device=body["shared_device"],
            limit_sensitive=body["limit_sensitive"],
        )
        if calling_customer() is None:
            set_facts(conn, numbers[customer_id], _age_band(body), body["jurisdiction"])
        set_mutes(conn, subject_key, mutes, now_ms)
        if body["exclusions"] is not None:
            lifted_ms = now_ms + limits.exclusion_hours * _HOUR_MS
            exclude_from(conn, subject_key, body["exclusions"], now_ms, lifted_ms)
        exclusions = exclusions_of(conn, subject_key, now_ms)
    said = [{"scope": each.scope, "value": each.value, "until_ms": each.until_ms} for each in mutes]
    return json_answer({**body, "mutes": said, "exclusions": exclusions})


def _mute(said: dict[str, Any], now_ms: int, limits: HoldLimits) -> Mute:
    scope = MuteScope(said["scope"])
    until_ms = said["until_ms"] if "until_ms" in said else end_of_mute(scope, now_ms, limits)
    return Mute(scope, said["value"], until_ms)


def _age_assurance(body: dict[str, Any]) -> AgeAssurance | None:
    """Return what the shop says of the age; ``None`` where it says nothing, and what is known stays.

    Raises:
        InvalidRequestError: a customer, who must not make themselves older, says it.
    """
    facts = [name for name in ("age_assurance", "age_band", "jurisdiction") if body[name] is not None]
    if facts and calling_customer() is not None:
        raise InvalidRequestError.at(f"/{facts[0]}", "is for the shop to say")
    return None if body["age_assurance"] is None else AgeAssurance(body["age_assurance"])


def _age_band(body: dict[str, Any]) -> AgeBand | None:
    """Return how old a minor is.

    Raises:
        InvalidRequestError: the customer is no minor.
    """
    if body["age_band"] is None:
        return None
    if body["age_assurance"] != AgeAssurance.MINOR:
        raise InvalidRequestError.at("/age_band", "goes with a minor alone")
    return AgeBand(body["age_band"])


def _refuse_unknown(mutes: tuple[Mute, ...]) -> None:
    for index, mute in enumerate(mutes):
        if not is_known(mute.scope, mute.value):
            raise InvalidRequestError.at(pointer_to("mutes", index, "value"), UNKNOWN[mute.scope])
