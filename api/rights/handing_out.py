"""Handing out all that is held of somebody, and what interests are worked out with."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response
from sqlalchemy import Connection

from api.consents.people import subject_key as key_of
from api.measuring.experiments import key_in_experiment
from api.rights.export import as_csv, as_json, note_export
from api.rights.interests import Basics
from api.rights.readings import find_subject
from api.rights.sections import Scope
from api.storage.connection import reading, writing
from api.wiring import Wiring
from guardrails.request import SubjectKind


def basics_of(conn: Connection, found: Wiring, key: bytes) -> Basics:
    """Return what interests are worked out with, from the house that a subject is served by."""
    snapshot = found.runtime.as_of(conn)
    house = snapshot.house_for(key_in_experiment(conn, snapshot, found.subjects, key, found.clock()))
    return Basics(house.catalogue, house.limits, house.weighting, house.consent)


def handed_out(
    found: Wiring, subject_id: str, subject_type: str, scope: Scope, ending: str, language: str
) -> Response:
    """Return all that is held of somebody as a file, and take down that it was asked for.

    Args:
        found: the shop.
        subject_id: the shop's key.
        subject_type: ``account``, ``session`` or ``device``.
        scope: how much of it.
        ending: ``json``, or ``csv`` for a zip of one file a section.
        language: what words are written in.
    """
    key = key_of(found.subjects, SubjectKind(subject_type), subject_id)
    with reading(found.engine) as conn:
        basics = basics_of(conn, found, key)
    subject = find_subject(
        found.engine,
        found.subjects,
        subject_id,
        subject_type,
        basics,
        found.settings,
        found.clock(),
        language,
    )
    with writing(found.engine) as conn:
        note_export(conn, subject, scope, found.new_id())
    pieces: Iterator[bytes]
    if ending == "json":
        content_type, pieces = "application/json", as_json(subject, scope)
    else:
        content_type, pieces = "application/zip", as_csv(subject, scope)
    name = f"export.{content_type.rpartition('/')[2]}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(pieces, content_type=content_type, headers=headers)
