"""Experiments: who is in one, and a model that is in force for a share of customers.

There is one experiment at a time, with what challenges: a policy, a model, or both together. Of a policy the
share is set with the policy; a model has a share of its own, which counts where no policy challenges. The
name of the experiment, which shares customers out, is the version of the policy, else of the model.
"""

from __future__ import annotations

from sqlalchemy import Connection

from api.consents.erased import without_interest_in_the_erased
from api.errors import UnknownModelError
from api.runtime import Snapshot
from api.storage.consents import read_choices
from api.storage.subjects import Subjects
from api.storage.versions import (
    SYSTEM,
    ModelRow,
    challenge_with_model,
    challenger_model,
    get_model,
    lock_models,
)
from engine.errors import ArtefactError
from engine.vocabulary import Channel
from guardrails.errors import PolicyError
from guardrails.measuring import may_be_measured
from guardrails.policy.charter import MICRO


def begin_experiment(
    conn: Connection, version: str, share_micro: int, now_ms: int, actor: str = SYSTEM
) -> None:
    """Put a model in force for a share of those who agreed to be measured, and say so in the log.

    Args:
        conn: a writing connection.
        version: of the model.
        share_micro: share of customers, in millionths.
        now_ms: the clock, milliseconds since the epoch.
        actor: id of the key that asked for it.

    Raises:
        UnknownModelError: there is no such model.
        ArtefactError: its arrays were removed.
        PolicyError: the share is none.
    """
    if not 0 < share_micro <= MICRO:
        raise PolicyError("an experiment takes a share of customers above 0 and at most 1")
    lock_models(conn)  # or its arrays could be removed meanwhile
    _require_there(get_model(conn, version))
    challenge_with_model(conn, version, share_micro, now_ms, actor)


def end_experiment(conn: Connection, now_ms: int, actor: str = SYSTEM) -> bool:
    """Put the model that challenges out of force, and say so in the log; tell whether there was one."""
    if challenger_model(conn) is None:
        return False
    challenge_with_model(conn, None, 0, now_ms, actor)
    return True


def key_in_experiment(
    conn: Connection, snapshot: Snapshot, subjects: Subjects, subject_key: bytes | None, now_ms: int
) -> bytes | None:
    """Return the key of a subject who is in the experiment; ``None`` for who is not, who has the champion.

    Args:
        conn: a connection.
        snapshot: what is in force.
        subjects: the shop's pseudonyms.
        subject_key: who; ``None`` for nobody.
        now_ms: the clock, milliseconds since the epoch.
    """
    if subject_key is None or not snapshot.compares:
        return None
    settings = snapshot.house.consent
    choices, _ = read_choices(conn, subject_key)
    choices = without_interest_in_the_erased(conn, subjects, subject_key, choices, settings)
    return subject_key if may_be_measured(choices, settings, now_ms, Channel.WEB) else None


def _require_there(model: ModelRow | None) -> None:
    if model is None:
        raise UnknownModelError("this model is not in the store")
    if not model.is_there:
        raise ArtefactError("the arrays of this model were removed")
