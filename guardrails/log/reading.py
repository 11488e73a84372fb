"""Read a record back: what the rules looked at, so that they can be asked again.

A view is rebuilt from ``req``, ``consent`` and ``cand`` alone. Its catalogue holds no more than what was
recorded: row 0 stands for the item on the page, the candidates follow in their order, and after them, where
reasons are to be told again, the evidence. Tiers are those the customer had, so nothing raises them again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Channel, Intent, from_word
from guardrails.admit import Admission, Muted
from guardrails.consent.permission import Denial, LawfulBasis, Permission
from guardrails.consent.purposes import KEY_OF, Purpose, outreach_key
from guardrails.errors import RecordError
from guardrails.holding import Holding
from guardrails.log.record import open_body
from guardrails.request import (
    AgeAssurance,
    Context,
    Continuation,
    Entry,
    Pattern,
    Placement,
    Presentation,
    Request,
    SubjectKind,
    Visit,
)
from guardrails.rules.base import View
from guardrails.sensitive.occasions import mask_of

Json = Mapping[str, Any]

_TYPES = get_type_hints(View)
_BESIDE = frozenset({"request", "admission", "catalogue", "basis", "item_idx", "intent", "source"})


def sections_of(body: bytes) -> dict[str, Json]:
    """Return the sections of a record's body, by section name.

    Raises:
        RecordError: the body is not one of ours.
    """
    try:
        return {name: orjson.loads(content) for name, content in open_body(body)[1].items()}
    except orjson.JSONDecodeError as error:
        raise RecordError("the body of a record cannot be opened") from error


def shown(sections: Mapping[str, Json]) -> tuple[tuple[int, int], ...]:
    """Return where each suggestion that was shown stands: number of the round and row in it, best first.

    Raises:
        RecordError: something was shown that was not considered.
    """
    where: dict[str, tuple[int, int]] = {}
    for number, considered in enumerate(sections["cand"]["rounds"]):
        where |= {item: (number, row) for row, item in enumerate(considered["items"])}
    try:
        return tuple(where[suggestion["item"]] for suggestion in sections["out"]["list"])
    except KeyError as error:
        raise RecordError("a suggestion of a record is not among its candidates") from error


def view_of(sections: Mapping[str, Json], number: int) -> View:
    """Rebuild what the rules looked at in one round.

    Args:
        sections: the parsed sections of a record's body.
        number: position of the round, from 0.

    Raises:
        RecordError: something that rules look at was not recorded, as before there were such rules.
    """
    try:
        return _view(sections, sections["cand"]["rounds"][number])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError("a record does not hold all that rules look at today") from error


class Considered(NamedTuple):
    """What was considered in one round, and all that its reasons are told from.

    Attributes:
        view: what the rules looked at.
        candidates: with the largest terms of each sum; those that were left out are not known any more.
        evidence: what was scored.
    """

    view: View
    candidates: Candidates
    evidence: Evidence


def considered_of(sections: Mapping[str, Json], number: int) -> Considered:
    """Rebuild what was considered in one round; arguments and errors as those of ``view_of``."""
    view = view_of(sections, number)
    try:
        return _considered(view, sections, sections["cand"]["rounds"][number])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError("a record does not hold all that reasons are told from today") from error


def _considered(view: View, sections: Mapping[str, Json], considered: Json) -> Considered:
    evidence, page_item = considered["evidence"], sections["req"]["item"]
    first, n = view.catalogue.n_items, len(evidence["items"])
    row = np.arange(first, first + n, dtype=np.int32)
    row[[item is not None and item == page_item for item in evidence["items"]]] = 0
    catalogue = _followed_by(view.catalogue, evidence, sections["cand"]["titles"], row)
    return Considered(
        replace(view, catalogue=catalogue),
        _candidates(considered, view.item_idx),
        evidence_of(evidence, row),
    )


def _candidates(considered: Json, item_idx: NDArray[np.int32]) -> Candidates:
    return Candidates(
        item_idx=item_idx,
        score=np.array(considered["score"], np.int64),
        base=np.array(considered["base"], np.int64),
        source=np.array(considered["source"], np.int8),
        ptr=np.array(considered["ptr"], np.int32),
        evidence=np.array(considered["edge_evidence"], np.int32),
        contribution=np.array(considered["edge_contribution"], np.int64),
        support=np.array(considered["edge_support"], np.int32),
        n_masked=considered["n_masked"],
    )


def evidence_of(evidence: Json, item_idx: NDArray[np.int32]) -> Evidence:
    """Rebuild evidence; ``item_idx`` are the rows of its items, shape (n,)."""
    return Evidence(
        item_idx=item_idx,
        weight=np.array(evidence["weight"], np.int64),
        origin=np.array(evidence["origin"], np.int8),
        kind=np.array(evidence["kind"], np.int8),
        age_days=np.array(evidence["age_days"], np.int32),
        channel=np.array(evidence["channel"], np.int8),
        provenance=np.array(evidence["provenance"], np.int8),
    )


def _followed_by(
    catalogue: Catalogue, evidence: Json, titles: Sequence[Json], row: NDArray[np.int32]
) -> Catalogue:
    """Add a row for each piece of evidence, with its tier, and its title where a reason may name it."""
    title_of = {each["item"]: each["title"] for each in titles}
    items, n = tuple(evidence["items"]), len(evidence["items"])
    item_ids = catalogue.item_ids + items
    told = [*catalogue.titles, *(title_of.get(item, item) for item in items)]
    tier = np.append(catalogue.tier, np.array(evidence["tier"], np.int8))
    for place in np.flatnonzero(row == 0).tolist():  # the page stands in row 0
        told[0], tier[0] = told[catalogue.n_items + place], tier[catalogue.n_items + place]

    def padded(column: NDArray[Any], filler: int) -> NDArray[Any]:
        return np.append(column, np.full(n, filler, column.dtype))

    columns: dict[str, Any] = {
        name: padded(getattr(catalogue, name), filler) for name, filler in _OF_NO_CANDIDATE.items()
    }
    return replace(
        catalogue,
        item_ids=item_ids,
        titles=tuple(told),
        item_no=np.arange(len(item_ids), dtype=np.int64),
        tier=tier,
        **columns,
    )


_OF_NO_CANDIDATE = {
    "category": NO_CODE,
    "brand": NO_CODE,
    "price_minor": UNKNOWN_PRICE,
    "available": True,
    "sensitive_class": NO_CODE,
    "age_restricted": False,
    "occasions": 0,
    "unclassified": False,
    "sponsored": False,
    "pressing": False,
}
"""What stands in the columns of a catalogue for evidence, of which no more than its tier was recorded."""


def _view(sections: Mapping[str, Json], considered: Json) -> View:
    page, seen = sections["cand"]["page"], considered["seen"]
    request = request_of(sections["req"], has_page=page is not None)
    muted = frozenset(
        item for item, is_muted in zip(considered["items"], seen["muted"], strict=True) if is_muted
    )
    columns = {
        field.name: _typed(field.name, seen[field.name])
        for field in fields(View)
        if field.name not in _BESIDE
    }
    admission = admission_of(sections["consent"], request, muted)
    return View(
        request=request,
        admission=admission,
        catalogue=_catalogue(considered, page, mask_of(*admission.muted.occasions)),
        basis=from_word(Basis, considered["basis"]),
        item_idx=np.arange(1, len(considered["items"]) + 1, dtype=np.int32),
        intent=_typed("intent", considered["intent"]),
        source=_typed("source", considered["source"]),
        **columns,
    )


def _typed(name: str, value: Any) -> Any:
    """Give a recorded column, or scalar, the type that the view declares for it."""
    declared = _TYPES[name]
    if not isinstance(value, list):
        return declared(value)
    (element,) = get_args(get_args(declared)[1])
    return np.array(value, element)


def request_of(req: Json, *, has_page: bool) -> Request:
    """Rebuild what was asked from the section ``req``; row 0 stands for the item on the page, if any."""
    placement, visit, presentation = req["placement"], req["visit"], req["presentation"]
    return Request(
        subject_kind=SubjectKind(req["subject_kind"]),
        placement=Placement(**placement | {"intents": frozenset(map(Intent, placement["intents"]))}),
        channel=from_word(Channel, req["channel"]),
        count=req["count"],
        now_ms=req["ts"],
        seed=base64.b64decode(req["seed"]),
        context=Context(item_idx=0 if has_page else None, occasion=req["occasion"]),
        non_profiled=req["non_profiled"],
        gpc=req["gpc"],
        shared_device=req["shared_device"],
        recognised_only=req["recognised_only"],
        language=req["language"],
        visit=Visit(**visit | {"entry": None if visit["entry"] is None else Entry(visit["entry"])}),
        presentation=Presentation(
            **presentation | {"patterns": frozenset(map(Pattern, presentation["patterns"]))}
        ),
        local_minute=req["local_minute"],
        within=tuple(req.get("within", ())),  # records of before there were such lists say nothing of it
        continues=_continues(req.get("continues")),
    )


def _continues(continues: Json | None) -> Continuation | None:
    if continues is None:
        return None
    return Continuation(continues["decision"], tuple(continues["before"]))


def admission_of(consent: Json, request: Request, muted: frozenset[str]) -> Admission:
    """Rebuild what was permitted from the section ``consent``; ``muted`` are the ids of muted candidates."""
    permissions = {entry["purpose"]: _permission(entry) for entry in consent["permissions"]}
    holding, enrichment, pricing = consent["holding"], consent["enrichment"], consent["pricing"]
    return Admission(
        permissions=tuple(permissions.values()),
        history=permissions[consent["history_by"]],
        covering=(),
        may_read_history=consent["history"],
        may_read_session=consent["session"],
        may_use_context=consent["context"],
        offers=permissions[KEY_OF[Purpose.TARGETED_OFFERS]],
        outreach=permissions.get(outreach_key(request.channel) or ""),
        sensitive_granted=frozenset(consent["sensitive_granted"]),
        muted=Muted(items=muted, occasions=frozenset(consent["muted"]["occasions"])),
        age_assurance=AgeAssurance(consent["age_assurance"]),
        shared_audience=consent["shared_audience"],
        degraded=tuple(consent["degraded"]),
        history_from_ms=consent["history_from"],
        holding=Holding(**holding | {"excluded": frozenset(holding["excluded"])}),
        non_profiled=consent["non_profiled"],
        enrichment=None if enrichment is None else _permission(enrichment),
        pricing=None if pricing is None else _permission(pricing),
        jurisdiction=consent["jurisdiction"],
    )


def asked_of(sections: Mapping[str, Json], catalogue: Catalogue) -> tuple[Request, Admission]:
    """Rebuild what was asked and permitted, in rows and codes of the catalogue that it was asked of.

    Raises:
        RecordError: the catalogue does not hold what was asked about, or something was not recorded.
    """
    req, consent = sections["req"], sections["consent"]
    try:
        context = Context(
            item_idx=None if req["item"] is None else catalogue.idx_of_id[req["item"]],
            basket=tuple(catalogue.idx_of_id[item] for item in req["basket"]),
            categories=tuple(catalogue.categories.index(path) for path in req["categories"]),
            occasion=req["occasion"],
        )
        request = replace(request_of(req, has_page=False), context=context)
        admission = replace(
            admission_of(consent, request, frozenset()),
            muted=Muted(**{scope: frozenset(values) for scope, values in consent["muted"].items()}),
            raised_classes=frozenset(consent["raised_classes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError("a record asks about something that the catalogue does not hold") from error
    return request, admission


def _permission(entry: Json) -> Permission:
    """Rebuild a permission; what points at a person may have been left out."""
    item_categories = entry.get("item_categories")
    return Permission(
        purpose=entry["purpose"],
        permitted=entry["permitted"],
        because=None if entry["because"] is None else Denial(entry["because"]),
        basis=LawfulBasis(entry["basis"]),
        record_id=entry["record_id"],
        notice_version=entry["notice_version"],
        expires_at_ms=entry["expires_at_ms"],
        item_categories=None if item_categories is None else frozenset(item_categories),
    )


def _catalogue(considered: Json, page: Json | None, muted_occasions: int) -> Catalogue:
    """Rebuild the rows; of a muted item it is only known that it is made for one of ``muted_occasions``."""
    seen = considered["seen"]
    page = page or {"category": NO_CODE, "sensitive_class": None}
    class_names = [page["sensitive_class"], *seen["sensitive_class"]]
    classes = sorted({name for name in class_names if name is not None})
    category = np.array([page["category"], *seen["category"]], np.int32)
    brand = np.array([NO_CODE, *seen["brand"]], np.int32)
    item_ids = ("(the page)", *considered["items"])
    n_items = len(item_ids)
    nobodys = np.zeros(1, np.bool_)
    occasion_muted = np.append(nobodys, np.array(seen["occasion_muted"], np.bool_))
    return Catalogue(
        version="",
        item_ids=item_ids,
        titles=item_ids,
        item_no=np.arange(n_items, dtype=np.int64),
        category=category,
        categories=_names(category, category[1:], considered["categories"]),
        brand=brand,
        brands=_names(brand, brand[1:], considered["brands"]),
        price_minor=np.array([UNKNOWN_PRICE, *seen["price_minor"]], np.int64),
        currency="",
        available=np.ones(n_items, np.bool_),
        tier=np.array([0, *seen["tier"]], np.int8),
        sensitive_class=np.array(
            [NO_CODE if name is None else classes.index(name) for name in class_names], np.int16
        ),
        sensitive_classes=tuple(classes),
        age_restricted=np.append(nobodys, np.array(seen["age_restricted"], np.bool_)),
        occasions=np.where(occasion_muted, muted_occasions, 0).astype(np.int32),
        unclassified=np.append(nobodys, np.array(seen["unclassified"], np.bool_)),
        sponsored=np.append(nobodys, np.array(seen["sponsored"], np.bool_)),
        pressing=np.append(nobodys, np.array(seen["pressing"], np.bool_)),
    )


def _names(
    codes: NDArray[np.int32], of_candidates: NDArray[np.int32], recorded: Sequence[str]
) -> tuple[str, ...]:
    """Put the recorded names back in the places of their codes; of other codes nothing is known."""
    names = [""] * (int(codes.max()) + 1)
    known = np.unique(of_candidates[of_candidates != NO_CODE]).tolist()
    for code, name in zip(known, recorded, strict=True):
        names[code] = name
    return tuple(names)
