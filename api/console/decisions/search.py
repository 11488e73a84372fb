"""Finding decisions: by what their entries say, by rules and reasons, or those of one customer.

A customer's id is sent in a form, so that no address holds it. A search that tells more than entries do is
on record, and the page says where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Response
from marshmallow import fields, validate

from api.auth import staff
from api.console.showing import show
from api.console.words import BASES, OUTCOMES, REASONS, SHOWN_FOR, rule_title, told
from api.languages import say
from api.looking import auditor_of, find
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import actor
from api.schemas.base import Id, RequestSchema, one_of_words
from api.schemas.decisions import MOST
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.decisions import DecisionSummary
from api.storage.log import entries_at
from api.storage.seen import kinds_seen, terms_seen
from api.wiring import wiring
from engine.vocabulary import Basis
from guardrails.decide import Outcome
from guardrails.log.codes import ReasonCode
from guardrails.log.terms import REASON, RULE, SHOWN
from guardrails.messages import Phrase
from guardrails.reasons import ReasonCode as SuggestionCode

SEARCH = "/console/decisions"

PAGE = 25
"""So many decisions stand on a page."""

_TEMPLATE = "console/decisions/search.html"
_MOST_TRAILED = 40
_MINUTE_S, _MINUTE_MS = 60, 60_000
_FILTERS = ("since", "until", "placement", "basis", "outcome", "rule", "reason", "shown", "policy", "model")

blueprint = Pages("console_decisions", __name__)


class Minute(fields.Field[int]):
    """A minute, as browsers send the time of a calendar and a clock (HTML, section 2.3.5.5), UTC."""

    default_error_messages = {"invalid": Phrase("write it as in {example}", example="2026-01-31T09:30")}  # noqa: RUF012  as marshmallow's own fields do

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int:  # noqa: ARG002  marshmallow hands them over
        try:
            at = datetime.fromisoformat(value).replace(tzinfo=UTC)
        except (TypeError, ValueError):
            raise self.make_error("invalid") from None
        return int(at.timestamp()) // _MINUTE_S


class FiltersSchema(RequestSchema):
    """What decisions can be searched by; all of it must hold."""

    since = Minute()
    until = Minute()
    placement = Id()
    basis = one_of_words(Basis)
    outcome = fields.String(validate=validate.OneOf([each.value for each in Outcome]))
    rule = Id()
    reason = fields.String(validate=validate.OneOf([each.value for each in ReasonCode]))
    shown = fields.String(validate=validate.OneOf([each.value for each in SuggestionCode]))
    policy = Id()
    model = Id()
    after = fields.Integer(validate=validate.Range(1, MOST))
    trail = fields.String(
        validate=validate.Regexp(r"\d{1,16}(,\d{1,16})*\Z", error="is not the way that led here")
    )


class _OfCustomerSchema(FiltersSchema):
    customer_id = Id(required=True)


@dataclass(frozen=True, slots=True)
class Row:
    """A decision as a search shows it.

    Attributes:
        found: what the search says of it.
        at_ms: its minute, milliseconds since the epoch.
        n_considered: how many candidates there were; ``None`` where its entry was pruned, as below.
        n_shown: of these, shown.
        n_withheld: of these, withheld.
        degraded: whether it was less than it might have been.
    """

    found: DecisionSummary
    at_ms: int
    n_considered: int | None
    n_shown: int | None
    n_withheld: int | None
    degraded: bool


@blueprint.page("GET", SEARCH, staff(Role.AUDITOR), query=FiltersSchema())
def search_page(query: dict[str, Any]) -> Response:
    """Show decisions, newest first, as far as they meet what was asked for."""
    return _searched(query)


@blueprint.page("POST", SEARCH, staff(Role.AUDITOR), form=_OfCustomerSchema())
def search_of_customer(form: Form) -> Response:
    """Show decisions for one customer."""
    if not form.ok:
        return _shown(_nothing(form), 422)
    return _searched(form.data)


def asked_for(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for as the search takes it."""
    asked = {name: data[name] for name in (*_FILTERS, "customer_id", "after") if name in data}
    minutes = {name: asked.pop(given) for name, given in _MINUTES if given in asked}
    return asked | minutes


_MINUTES = (("minute_from", "since"), ("minute_to", "until"))


def written(data: Mapping[str, Any]) -> dict[str, str]:
    """Return filters as forms and addresses write them; never whose decisions they are."""
    given = {name: data[name] for name in _FILTERS if name in data}
    return {
        name: _calendar(value) if name in dict(_MINUTES).values() else str(value)
        for name, value in given.items()
    }


def _calendar(minute: int) -> str:
    return datetime.fromtimestamp(minute * _MINUTE_S, UTC).strftime("%Y-%m-%dT%H:%M")


def _searched(data: Mapping[str, Any]) -> Response:
    auditor = auditor_of(wiring(), actor().key_id)
    found = find(auditor, {**asked_for(data), "limit": PAGE})
    trail = data["trail"].split(",") if "trail" in data else []
    here = str(data["after"]) if "after" in data else None
    values: dict[str, Any] = {
        "form": Form(written(data)),
        "rows": _rows(found.decisions),
        "logged_at": found.logged_at,
        "filters": written(data),
        "customer_id": data.get("customer_id"),
        "older": None if found.next is None else _place(found.next, [*trail, *_known(here)]),
        "newer": None if here is None else _place(trail[-1] if trail else None, trail[:-1]),
    }
    return _shown(values)


def _known(here: str | None) -> list[str]:
    return [] if here is None else [here]


def _place(after: str | int | None, trail: Sequence[str]) -> dict[str, str]:
    """Return where a page is: behind which decision, and by which pages one came there."""
    kept = trail[-_MOST_TRAILED:]
    place = {} if after is None else {"after": str(after)}
    return place | ({"trail": ",".join(kept)} if kept else {})


def _nothing(form: Form) -> dict[str, Any]:
    return {
        "form": form,
        "rows": [],
        "logged_at": None,
        "filters": {},
        "customer_id": None,
        "older": None,
        "newer": None,
    }


def _rows(found: Sequence[DecisionSummary]) -> list[Row]:
    with reading(wiring().engine) as conn:
        entries = entries_at(conn, [each.log_index for each in found])
    return [_row(each, entries.get(each.log_index)) for each in found]


def _row(found: DecisionSummary, entry: bytes | None) -> Row:
    header = {} if entry is None else orjson.loads(entry)
    return Row(
        found,
        found.minute * _MINUTE_MS,
        header.get("n_cand"),
        header.get("n_shown"),
        header.get("n_withheld"),
        header.get("mode") == "fallback",
    )


def _shown(values: Mapping[str, Any], status: int = 200) -> Response:
    with reading(wiring().engine) as conn:
        seen, terms = kinds_seen(conn), terms_seen(conn)
    current = wiring().runtime.current()
    in_force = {current.house.policy_version, current.house.recommender.version}
    choices = {
        "placement": _choices((each, each) for each in sorted(seen["placement"])),
        "basis": _choices((code, say(text)) for code, text in BASES.items()),
        "outcome": _choices((code, say(text)) for code, text in OUTCOMES.items()),
        "rule": _choices((each, f"{each} · {rule_title(each)}") for each in _of(terms, RULE)),
        "reason": _choices((each, told(REASONS, each)) for each in _of(terms, REASON)),
        "shown": _choices((each, told(SHOWN_FOR, each)) for each in _of(terms, SHOWN)),
        "policy": _choices(_versions(seen["policy"], in_force)),
        "model": _choices(_versions(seen["model"], in_force)),
    }
    return show(
        _TEMPLATE,
        status=status,
        choices=choices,
        bases=BASES,
        outcomes=OUTCOMES,
        told=told,
        **values,
    )


def _choices(options: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("", say("any")), *options]


def _of(terms: Iterable[str], kind: str) -> list[str]:
    return sorted(each.removeprefix(kind) for each in terms if each.startswith(kind))


def _versions(seen: Iterable[str], in_force: set[str | None]) -> list[tuple[str, str]]:
    """Return versions with what is in force now first."""
    there = sorted((each for each in seen if each), key=lambda each: (each not in in_force, each))
    now = say("in force now")
    return [(each, f"{each[:12]} ({now})" if each in in_force else each[:12]) for each in there]
