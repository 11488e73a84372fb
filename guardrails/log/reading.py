"""Read a record back: what the rules looked at, so that they can be asked again.

A view is rebuilt from ``req``, ``consent`` and ``cand`` alone. Its catalogue holds no more than what was
recorded: row 0 stands for the item on the page, the candidates follow in their order. Tiers are
those the customer had, so nothing raises them again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
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
    )


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


def _permission(entry: Json) -> Permission:
    return Permission(
        purpose=entry["purpose"],
        permitted=entry["permitted"],
        because=None if entry["because"] is None else Denial(entry["because"]),
        basis=LawfulBasis(entry["basis"]),
        record_id=entry["record_id"],
        notice_version=entry["notice_version"],
        expires_at_ms=entry["expires_at_ms"],
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
