"""What is to be said of a version in the store, held against what the shop has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from sqlalchemy import Engine

from api.storage.connection import reading
from api.storage.known import known_names
from api.storage.placements import read_placements
from api.storage.versions import CATALOGUE, active, read_policy_version
from guardrails.policy.examine import Examination, examine
from guardrails.policy.findings import Finding
from guardrails.policy.language import Policy
from guardrails.policy.lints import Lint
from guardrails.policy.names import KnownNames
from guardrails.policy.permission import Facts
from guardrails.policy.testing import FAILING_TEST


@dataclass(frozen=True, slots=True)
class Examined:
    """A version, and what is to be said of it.

    Attributes:
        examination: all of it.
        for_auditor: findings that are settled when an auditor agrees.
        refusing: findings that keep it from being proposed.
        n_failing_tests: how many of those are tests that fail.
    """

    examination: Examination
    for_auditor: tuple[Finding, ...]
    refusing: tuple[Finding, ...]
    n_failing_tests: int

    @property
    def facts(self) -> Facts:
        """What the life of the version has to know of it; nothing of any rehearsal."""
        return Facts(
            n_errors=len(self.refusing) - self.n_failing_tests,
            n_failing_tests=self.n_failing_tests,
            needs_auditor=bool(self.for_auditor),
        )


def examined(engine: Engine, version: str, now_ms: int) -> Examined:
    """Examine a version, and sort what is found by what it keeps from happening.

    Args:
        engine: the database.
        version: which version.
        now_ms: the day of the examination, milliseconds since the epoch.

    Raises:
        PolicyError: there is no such version.
        PolicyDocumentError: it cannot be read any more.
    """
    with reading(engine) as conn:
        policy = read_policy_version(conn, version)
    examination = examined_policy(engine, policy, now_ms)
    errors = examination.errors
    refusing = tuple(each for each in errors if each.code != Lint.CONTACT_CAPS)
    return Examined(
        examination=examination,
        for_auditor=tuple(each for each in errors if each.code == Lint.CONTACT_CAPS),
        refusing=refusing,
        n_failing_tests=sum(each.code == FAILING_TEST for each in refusing),
    )


def examined_policy(engine: Engine, policy: Policy, now_ms: int) -> Examination:
    """Examine a policy, stored or not; what was examined lately is remembered.

    Args:
        engine: the database.
        policy: the policy.
        now_ms: the day of the examination, milliseconds since the epoch.
    """
    with reading(engine) as conn:
        catalogue = active(conn).get(CATALOGUE)
        placements = frozenset(read_placements(conn))
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    return _examined(engine, policy, catalogue, placements, today)


@lru_cache(maxsize=64)
def _examined(
    engine: Engine, policy: Policy, catalogue: str | None, placements: frozenset[str], today: date
) -> Examination:
    return examine(policy, _known(engine, catalogue, placements), today)


@lru_cache(maxsize=2)
def _known(
    engine: Engine,
    catalogue: str | None,  # noqa: ARG001  names what the answer depends on
    placements: frozenset[str],  # noqa: ARG001  as above
) -> KnownNames:
    with reading(engine) as conn:
        return known_names(conn)
