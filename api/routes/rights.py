"""What a customer can see and set right: interests, privacy status, and all that is held."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from flask import Response, request

from api.auth import PUBLIC, only, require_account
from api.languages import chosen_language
from api.rights import correcting
from api.rights.export import schema
from api.rights.handing_out import basics_of, handed_out
from api.rights.interests import read_interests
from api.rights.processing import processing_record
from api.rights.sections import Scope
from api.routes.resource import Resource, json_answer
from api.schemas.recommendation import MODES
from api.schemas.rights import (
    CorrectionsAnswerSchema,
    CorrectionsSchema,
    ExportQuerySchema,
    InterestsQuerySchema,
    InterestsSchema,
    PrivacySchema,
    ProcessingSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.consents import read_choices
from api.storage.rights import CorrectionAction, CorrectionScope, read_signals
from api.wiring import wiring
from engine.vocabulary import Channel, from_word, word
from guardrails.consent.check import check
from guardrails.consent.ledger import Ledger
from guardrails.consent.purposes import KEY_OF, OUTBOUND, Purpose, communications_key
from guardrails.consent.signals.gpc import SALE_AND_SHARING, gpc_from_header

blueprint = Resource("rights", __name__, description="what customers can see and set right")

_SALE_AND_SHARING = tuple(KEY_OF[purpose] for purpose in sorted(SALE_AND_SHARING))
_MARKETING = (KEY_OF[Purpose.TARGETED_OFFERS], *map(communications_key, OUTBOUND))


@blueprint.operation(
    "GET",
    "/v1/customers/<id:customer_id>/interests",
    only(Role.SITE, customer=True),
    query=InterestsQuerySchema(),
    answer=InterestsSchema(),
    problems=(503,),
)
def interests(query: dict[str, str], customer_id: str) -> Response:
    """Say what is inferred of a customer now, and from which pieces of evidence.

    It is worked out as for an answer and stored nowhere. Where the profile may not be used there is
    nothing. Sensitive items are counted and not named; the export names them.
    """
    found = wiring()
    key = found.subjects.account(customer_id)
    with reading(found.engine) as conn:
        inferred = read_interests(
            conn,
            key,
            basics_of(conn, found, key),
            found.clock(),
            channel=from_word(Channel, query["channel"]),
            gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        )
    document = asdict(inferred)
    document["pieces"] = [
        asdict(piece) | {"kind": word(piece.kind), "channel": word(piece.channel)}
        for piece in inferred.pieces
    ]
    return _depends_on_signal(json_answer(document))


@blueprint.operation(
    "PATCH",
    "/v1/customers/<id:customer_id>/interests",
    only(Role.SITE, customer=True),
    body=CorrectionsSchema(),
    answer=CorrectionsAnswerSchema(),
    problems=(422, 503),
    example={
        "corrections": [
            {"scope": "category", "value": "Baby > Nappies", "action": "relabel", "as": "gift"},
            {"scope": "brand", "value": "Acme", "action": "drop"},
        ]
    },
)
def set_right(body: dict[str, Any], customer_id: str) -> Response:
    """Take evidence out of the profile, or mark it as gifts (GDPR 16); the next answer differs.

    What is dropped stays as an order where it was one, under a purpose that is never evidence;
    anything else is deleted. The model forgets it at its next training.
    """
    found = wiring()
    request_id, made = correcting.set_right(
        found,
        found.subjects.account(customer_id),
        [
            correcting.Correction(
                CorrectionScope(each["scope"]), each["value"], CorrectionAction(each["action"])
            )
            for each in body["corrections"]
        ],
    )
    return json_answer(
        {
            "request_id": request_id,
            "corrections": [
                {
                    "scope": row.scope,
                    "value": row.value,
                    "action": row.action,
                    "n_interactions": row.n_interactions,
                }
                for row in made
            ],
        }
    )


@blueprint.operation(
    "GET",
    "/v1/customers/<id:customer_id>/privacy",
    only(Role.SITE, customer=True),
    answer=PrivacySchema(),
    problems=(503,),
)
def privacy(customer_id: str) -> Response:
    """Show what the customer has switched off, as it is in force for this request.

    `Sec-GPC: 1` is honoured, and shown to be (11 CCR 7025(c)(6), 7026(g)).
    """
    found = wiring()
    gpc, now_ms = gpc_from_header(request.headers.get("Sec-GPC")), found.clock()
    subject_key = found.subjects.account(customer_id)
    with reading(found.engine) as conn:
        choices, _ = read_choices(conn, subject_key)
        signals = read_signals(conn, subject_key)
    ledger, settings = choices.ledger or Ledger.empty(), found.runtime.current().house.consent

    def standing(purpose: str) -> dict[str, Any]:
        answer = check(ledger, choices.question(purpose, now_ms, gpc=gpc), settings)
        return {"purpose": purpose, "permitted": answer.permitted, "because": answer.because}

    return _depends_on_signal(
        json_answer(
            {
                "gpc": gpc,
                "signals_seen": [asdict(signal) for signal in signals],
                "sale_and_sharing": [standing(purpose) for purpose in _SALE_AND_SHARING],
                "marketing": [standing(purpose) for purpose in _MARKETING],
                "limit_sensitive": choices.limit_sensitive,
                "mode": MODES[choices.non_profiled],
                "restricted": ledger.restriction_at(now_ms) is not None,
                "shared_device": choices.shared_device,
            }
        )
    )


@blueprint.operation(
    "GET",
    "/v1/customers/<id:customer_id>/export",
    only(Role.SITE, customer=True),
    query=ExportQuerySchema(),
    answer=None,
    problems=(503,),
)
def export(query: dict[str, str], customer_id: str) -> Response:
    """Hand out all that is held of a customer, a visit or a device, in plain words.

    `/v1/schemas/export.json` is its schema. It is read while it is sent and written nowhere. That it
    was asked for is taken down as a request that is done.
    """
    require_account(query["subject_type"])
    return handed_out(
        wiring(),
        customer_id,
        query["subject_type"],
        Scope(query["scope"]),
        query["format"],
        chosen_language(),
    )


@blueprint.operation("GET", "/v1/schemas/export.json", PUBLIC, answer=None)
def export_schema() -> Response:
    """Return the JSON Schema of an export."""
    return Response(orjson.dumps(schema()), content_type="application/schema+json")


@blueprint.operation(
    "GET", "/v1/processing-record", only(Role.AUDITOR), answer=ProcessingSchema(), problems=(503,)
)
def record_of_processing() -> Response:
    """Return the record of processing (GDPR 30) and the outline of an impact assessment (GDPR 35).

    Both are made from what is in force at this moment.
    """
    found = wiring()
    with reading(found.engine) as conn:
        house = found.runtime.as_of(conn).house
    document = processing_record(house, found.settings, found.clock(), chosen_language())
    return json_answer(document)


def _depends_on_signal(answer: Response) -> Response:
    answer.headers["Vary"] = "Sec-GPC"
    return answer
