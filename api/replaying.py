"""Replay at the edge: find policy, model and catalogue that a record names, and make its decision again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection

from api.errors import EdgeError
from api.houses import LoadedPolicy, governing, loaded_version
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.versions import get_model
from engine.artefact import Artefact
from engine.catalogue import Catalogue
from engine.errors import ArtefactError, SnapshotError
from engine.serving.recommender import NoModel, Recommender
from engine.snapshots import Snapshots
from guardrails.errors import GuardrailError
from guardrails.house import Recommender as AnyRecommender
from guardrails.log.replay import (
    Finding,
    Governing,
    Replayed,
    decide_with,
    judge_with,
    replay_candidates,
    replay_rules,
    shadow_of,
)

MOST_KEPT = 4
"""So many policies, models and catalogues each stay loaded while many records are replayed."""

_Key = TypeVar("_Key")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of making a decision again.

    Attributes:
        l1: the rules and the answer, from the record and the policy.
        l2: the candidates, from model and catalogue besides.
    """

    l1: Replayed
    l2: Replayed


def replay(
    conn: Connection, settings: Settings, sections: Mapping[str, bytes], header: Mapping[str, Any], build: str
) -> ReplayReport:
    """Make one recorded decision again; for many of them use one ``Replayer``.

    Args:
        conn: a read transaction.
        settings: where models and catalogues are.
        sections: canonical bytes of the five sections of the record, by name.
        header: its public part, parsed.
        build: SHA-256 of the build manifest of this software.
    """
    return Replayer(settings, build).replay(conn, sections, header)


class Replayer:
    """Makes recorded decisions again, and keeps loaded what the next one is likely to need.

    Not to be used by two threads at once.

    Args:
        settings: where models and catalogues are.
        build: SHA-256 of the build manifest of this software.
    """

    def __init__(self, settings: Settings, build: str) -> None:
        self._build = build
        self._snapshots = Snapshots(settings.catalogues_root)
        self._copies = copies_of(settings)
        self._policies: dict[str, LoadedPolicy] = {}
        self._catalogues: dict[str, Catalogue] = {}
        self._artefacts: dict[str, Artefact] = {}
        self._bound: dict[tuple[str, str], Recommender] = {}

    def replay(
        self, conn: Connection, sections: Mapping[str, bytes], header: Mapping[str, Any]
    ) -> ReplayReport:
        """Make one recorded decision again; arguments as those of ``replay``."""
        try:
            policy = self._governing(conn, str(header["policy"]), shadow_of(sections))
        except (EdgeError, GuardrailError) as error:
            gone = Replayed(Finding.POLICY_GONE, detail=f"the policy cannot be loaded: {error}")
            return ReplayReport(gone, gone)
        return ReplayReport(
            replay_rules(sections, header, policy, self._build),
            self._candidates(conn, sections, header, policy),
        )

    def slate(
        self, conn: Connection, sections: Mapping[str, bytes], policy: str, model: str | None
    ) -> tuple[str, ...]:
        """Return the items that a recorded decision would have shown otherwise, best first.

        Args:
            conn: a read transaction.
            sections: canonical bytes of the five sections of the record, by name.
            policy: version of the policy to judge by.
            model: version of the model to propose by; ``None`` for none.

        Raises:
            EdgeError: the policy cannot be read.
            GuardrailError: it cannot be asked, or the record does not hold what it takes.
            ArtefactError: the model is not there any more.
            SnapshotError: the state of the catalogue is not.
        """
        governs, cand = self._governing(conn, policy, None), orjson.loads(sections["cand"])
        if cand["model"] == model:
            decision = judge_with(sections, governs)
        else:
            catalogue = self._catalogue(cand["catalogue"])
            try:
                recommender = self._recommender(conn, {"model": model}, catalogue)
            except _Erased:
                raise ArtefactError("the arrays of the model were removed") from None
            decision = decide_with(sections, governs, recommender, catalogue)
        item_ids = decision.rounds[-1].view.catalogue.item_ids
        return tuple(item_ids[each.item_idx] for each in decision.suggestions)

    def _candidates(
        self, conn: Connection, sections: Mapping[str, bytes], header: Mapping[str, Any], policy: Governing
    ) -> Replayed:
        cand = orjson.loads(sections["cand"])
        try:
            catalogue = self._catalogue(cand["catalogue"])
            recommender = self._recommender(conn, cand, catalogue)
        except _Erased:
            return Replayed(
                Finding.ERASED,
                detail="the model's arrays were removed to forget somebody it had learned from",
            )
        except (ArtefactError, SnapshotError) as error:
            return Replayed(Finding.ARTEFACT_PRUNED, detail=str(error))
        return replay_candidates(sections, header, policy, recommender, catalogue, self._build)

    def _governing(self, conn: Connection, version: str, shadow: str | None) -> Governing:
        return governing(self._policy(conn, version), None if shadow is None else self._policy(conn, shadow))

    def _policy(self, conn: Connection, version: str) -> LoadedPolicy:
        return _kept(self._policies, version, lambda: loaded_version(conn, version))

    def _catalogue(self, version: str) -> Catalogue:
        return _kept(self._catalogues, version, lambda: self._snapshots.load(version))

    def _recommender(self, conn: Connection, cand: Mapping[str, Any], catalogue: Catalogue) -> AnyRecommender:
        """Return the model that a record names, bound to a catalogue.

        Raises:
            ArtefactError: the model is not there any more.
        """
        version = cand["model"]
        if version is None:
            return NoModel(catalogue)
        location = _location(conn, version)  # asked every time: it may have been removed meanwhile

        def bind() -> Recommender:
            artefact = _kept(self._artefacts, version, lambda: self._copies.load(location))
            return Recommender(artefact, catalogue)

        return _kept(self._bound, (version, catalogue.version), bind)


def _location(conn: Connection, version: str) -> str:
    """Return where a model is.

    Raises:
        ArtefactError: it is not in the store any more.
    """
    row = get_model(conn, version)
    if row is not None and row.erased_at_ms is not None:
        raise _Erased
    if row is None or row.retired_at_ms is not None:
        raise ArtefactError("the model is not kept any more")
    return row.location


class _Erased(Exception):  # noqa: N818 it never leaves this file
    """The arrays of a model were removed to forget somebody."""


def _kept(kept: dict[_Key, _Found], key: _Key, load: Callable[[], _Found]) -> _Found:
    """Return what is kept under a key, loading it if it is not; those used last stay longest."""
    found = kept.pop(key) if key in kept else load()
    kept[key] = found
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]
    return found
