"""The log for whoever checks it: checkpoints, tiles and proofs for anyone, entries for auditors.

Paths below ``/v1/log`` follow c2sp.org/tlog-tiles, so monitors that know it can read them as they are.
Nothing here is personal: entries hold digests, and tiles hold hashes of entries.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson
from flask import Response

from api.auth import PUBLIC, only
from api.errors import Finding, InvalidRequestError, NotInLogError
from api.routes.resource import Resource, json_answer
from api.schemas.log import (
    CheckpointQuerySchema,
    ConsistencyQuerySchema,
    EntriesQuerySchema,
    EntriesSchema,
    HashesSchema,
    InclusionQuerySchema,
    LogKeysSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.log import read_entries, read_state, read_tile
from api.wiring import wiring
from guardrails.errors import LogError
from guardrails.log.merkle import HASH_BYTES
from guardrails.log.tiles import TILE_HEIGHT, TILE_WIDTH, TilePath, entry_bundle, parse_tile_path
from guardrails.messages import Phrase

CHECKPOINT_TYPE = "text/plain; charset=utf-8"
TILE_TYPE = "application/octet-stream"
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_SECONDS = "public, max-age=5"

blueprint = Resource("log", __name__, description="the log as a whole, to be checked by anybody")


@blueprint.operation(
    "GET", "/v1/log/checkpoint", PUBLIC, query=CheckpointQuerySchema(), answer=None, problems=(404, 503)
)
def log_checkpoint(query: dict[str, Any]) -> Response:
    """Return a signed checkpoint of the log (c2sp.org/tlog-checkpoint), as text.

    It is of the log as it is now, with the signatures of witnesses on it as far as they have signed just
    this one; `witnessed=true` asks for the last one that a witness has signed.
    """
    logbook = wiring().logbook
    note = logbook.witnessed() if query["witnessed"] else logbook.checkpoint()
    if note is None:
        raise NotInLogError("no witness has signed a checkpoint so far")
    return Response(note, content_type=CHECKPOINT_TYPE, headers={"Cache-Control": _FOR_SECONDS})


@blueprint.operation("GET", "/v1/log/keys", PUBLIC, answer=LogKeysSchema())
def log_keys() -> Response:
    """Return what the log is called and the public keys that its signatures are checked with.

    Keys that are fetched together with what they sign prove nothing about who signed: get them once from
    somebody you trust, and compare.
    """
    found = wiring()
    witnesses = [each.vkey for each in found.settings.log_witnesses]
    return json_answer({"origin": found.logbook.origin, "vkeys": found.logbook.vkeys, "witnesses": witnesses})


@blueprint.operation(
    "GET", "/v1/log/entries", only(Role.AUDITOR), query=EntriesQuerySchema(), answer=EntriesSchema()
)
def log_entries(query: dict[str, Any]) -> Response:
    """Return entries in the order of the log, as they are in the tree."""
    with reading(wiring().engine) as conn:
        state = read_state(conn)
        start = max(query["start"], state.min_index)
        end = min(start + query["limit"], state.size)
        entries = read_entries(conn, start, end)
    return json_answer(
        {
            "size": state.size,
            "min_index": state.min_index,
            "entries": [
                {
                    "log_index": at,
                    "entry": orjson.Fragment(entry),
                    "entry_base64": base64.b64encode(entry).decode(),
                }
                for at, entry in enumerate(entries, start)
            ],
            "next": end if end < state.size else None,
        }
    )


@blueprint.operation(
    "GET", "/v1/log/proof/inclusion", PUBLIC, query=InclusionQuerySchema(), answer=HashesSchema()
)
def log_inclusion(query: dict[str, Any]) -> Response:
    """Prove that an entry is in the tree of a size (RFC 6962, section 2.1.1)."""
    logbook = wiring().logbook
    _refuse_beyond(query["size"], "size")
    if query["index"] >= query["size"]:
        detail = Phrase("a tree of {size} entries ends before it", size=query["size"])
        raise InvalidRequestError([Finding(detail, parameter="index")])
    return _hashes(logbook.inclusion(query["index"], query["size"]))


@blueprint.operation(
    "GET", "/v1/log/proof/consistency", PUBLIC, query=ConsistencyQuerySchema(), answer=HashesSchema()
)
def log_consistency(query: dict[str, Any]) -> Response:
    """Prove that the tree of one size goes on from that of another (RFC 6962, section 2.1.2)."""
    logbook = wiring().logbook
    _refuse_beyond(query["new"], "new")
    if query["old"] > query["new"]:
        raise InvalidRequestError([Finding("is larger than `new`", parameter="old")])
    return _hashes(logbook.consistency(query["old"], query["new"]))


@blueprint.operation("GET", "/v1/log/tile/<tile:where>", PUBLIC, answer=None, problems=(404,))
def log_tile(where: str) -> Response:
    """Return a tile of hashes (c2sp.org/tlog-tiles), as bytes; of a partial one, as many as are asked for."""
    path = _parsed(where)
    with reading(wiring().engine) as conn:
        if path.level is None or path.width > _n_hashes(read_state(conn).size, path.level, path.number):
            raise NotInLogError("the log has no such tile so far")
        hashes = read_tile(conn, path.level, path.number)[: path.width * HASH_BYTES]
    return Response(hashes, content_type=TILE_TYPE, headers={"Cache-Control": _FOR_EVER})


@blueprint.operation(
    "GET", "/v1/log/tile/entries/<tile:where>", only(Role.AUDITOR), answer=None, problems=(404,)
)
def log_bundle(where: str) -> Response:
    """Return a bundle of entries (c2sp.org/tlog-tiles), as bytes."""
    path = _parsed(f"entries/{where}")
    start = path.number * TILE_WIDTH
    with reading(wiring().engine) as conn:
        entries = read_entries(conn, start, start + path.width)
    if len(entries) < path.width:
        raise NotInLogError("the log has no such bundle, or it was pruned")
    return Response(entry_bundle(entries), content_type=TILE_TYPE)


def _n_hashes(size: int, level: int, number: int) -> int:
    """Return how many hashes a tile has in a tree of a size; none or less where there is no such tile."""
    return min((size >> level * TILE_HEIGHT) - number * TILE_WIDTH, TILE_WIDTH)


def _parsed(where: str) -> TilePath:
    try:
        return parse_tile_path(f"tile/{where}")
    except LogError:
        raise NotInLogError("this is not the path of a tile") from None


def _refuse_beyond(size: int, parameter: str) -> None:
    with reading(wiring().engine) as conn:
        there = read_state(conn).size
    if size > there:
        detail = Phrase("the log has {n} entries", n=there)
        raise InvalidRequestError([Finding(detail, parameter=parameter)])


def _hashes(proof: list[bytes]) -> Response:
    return json_answer({"proof": [base64.b64encode(each).decode() for each in proof]})
