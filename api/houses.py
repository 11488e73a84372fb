"""The policies in force, loaded from the store, and the houses that stand under them.

Up to three are served at a time: the one in force, a challenger that is in force for a share of
customers, and one in shadow that is asked beside the first and changes nothing. A version is loaded and
compiled once; a version never changes, so what was loaded once is right for as long as it is kept.

What cannot be read changes nothing that is looser or tighter than what somebody decided on:

* The policy in force: the one before it goes on serving, and the answers of that time say so. Where there
  is none before it, because the process has just started, nothing at all may be shown
  (``guardrails.no_policy``): what ships would be lawful, but less than the shop asked for.
* A challenger, or one in shadow: there is none. Customers have what is in force, which was approved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from api.logging import note, warn
from api.policies.shipped import shipped_policy
from api.storage.versions import CHALLENGER, POLICY, SHADOW, policy_in_force, read_policy_version
from guardrails.arms import arm_of
from guardrails.errors import PolicyError
from guardrails.house import Arm, House, ShadowPolicy
from guardrails.log.replay import Governing
from guardrails.no_policy import NoPolicy
from guardrails.policy.compiled import house_rules
from guardrails.policy.document import to_document, version_of
from guardrails.policy.floor import below_floor, held_to_floor
from guardrails.policy.language import Policy
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Rule, WatchedRule

POLICIES = (POLICY, CHALLENGER, SHADOW)
"""Names of active versions that are policies."""

MOST_KEPT = 8
"""So many versions are kept loaded, so that going back and forth between a few costs nothing."""

_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPolicy:
    """One version of a policy, ready to be asked.

    Attributes:
        version: SHA-256 of its document.
        policy: what it says, held to the floor.
        own: the shop's rules that act.
        watched: the shop's rules that are only watched.
        rules: what is asked of every candidate under it.
        held: written names of its limits that lie below the floor, and are held to it.
    """

    version: str
    policy: Policy
    own: tuple[Rule, ...]
    watched: tuple[WatchedRule, ...]
    rules: tuple[Rule, ...]
    held: tuple[str, ...] = ()

    @property
    def rule_ids(self) -> frozenset[str]:
        """Ids of the shop's own rules in it, those that are only watched included."""
        return frozenset(rule.id for rule in (*self.own, *(each.rule for each in self.watched)))


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """The policies of one moment.

    Attributes:
        champion: the one in force.
        challenger: what is in force for a share of customers instead; ``None`` without one.
        share_micro: that share, in millionths.
        shadow: what is asked beside the one in force; ``None`` without one.
        asked: the active versions that they were loaded for, by name.
        faults: those of them that could not be loaded, and the kind of error.
    """

    champion: LoadedPolicy
    challenger: LoadedPolicy | None = None
    share_micro: int = 0
    shadow: LoadedPolicy | None = None
    asked: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, str]:
        """The active versions that are served, by name."""
        return {name: version for name, version in self.asked.items() if name not in self.faults}

    @property
    def fault(self) -> str | None:
        """Kind of error of what could not be loaded; ``None`` when all of it could."""
        return next(iter(self.faults.values()), None)

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why answers are less than they might be."""
        return ("policy_unreadable",) if POLICY in self.faults else ()

    def served(self) -> Iterator[tuple[str, LoadedPolicy]]:
        """Yield every policy with its part: ``champion``, ``challenger`` or ``shadow``."""
        for part, loaded in (
            (Arm.CHAMPION.value, self.champion),
            (Arm.CHALLENGER.value, self.challenger),
            (SHADOW, self.shadow),
        ):
            if loaded is not None:
                yield part, loaded

    def arm_of(self, subject_key: bytes | None) -> Arm | None:
        """Return the arm of a subject; ``None`` where nothing is compared."""
        if self.challenger is None:
            return None
        return arm_of(self.challenger.version, self.share_micro, subject_key)


def policies_among(versions: Mapping[str, str]) -> dict[str, str]:
    """Return those active versions that are policies."""
    return {name: versions[name] for name in POLICIES if name in versions}


def loaded(policy: Policy, version: str) -> LoadedPolicy:
    """Make a policy ready to be asked, held to the floor.

    Raises:
        PolicyError: its rules cannot be asked.
    """
    held = below_floor(policy.limits)
    if held:
        note("policy:limits:held", version=version, limits=list(held))
        policy = replace(policy, limits=held_to_floor(policy.limits))
    own, watched = house_rules(policy)
    return LoadedPolicy(version, policy, own, watched, (*CATALOGUE, *own), held)


def nothing_goes() -> LoadedPolicy:
    """Return what is served before any policy could be read: the numbers that ship, and no suggestion.

    Its name is no policy's of a shop, so its version says in a record what was asked.
    """
    policy, rule = Policy(name=NoPolicy.name), NoPolicy()
    return LoadedPolicy(version_of(to_document(policy)), policy, (), (), (rule, *CATALOGUE))


def champions(house: House, policies: Policies) -> House:
    """Return a house under the policy in force."""
    shadow = policies.shadow
    return replace(
        _under(house, policies.champion),
        shadow=None if shadow is None else _in_shadow(shadow),
        arm=None if policies.challenger is None else Arm.CHAMPION,
    )


def challengers(house: House, policies: Policies) -> House | None:
    """Return a house under the challenger; ``None`` without one."""
    if policies.challenger is None:
        return None
    return replace(_under(house, policies.challenger), shadow=None, arm=Arm.CHALLENGER)


def _under(house: House, loaded_policy: LoadedPolicy) -> House:
    return replace(
        house,
        limits=loaded_policy.policy.limits,
        policy_version=loaded_policy.version,
        rules=loaded_policy.rules,
        watched=loaded_policy.watched,
    )


def loaded_version(conn: Connection, version: str) -> LoadedPolicy:
    """Return a version that was served once: of the store, what ships, or what withholds everything.

    Raises:
        PolicyError: it is not in the store.
        PolicyDocumentError: its document cannot be read any more.
    """
    nothing, shipped = nothing_goes(), shipped_policy()
    if version == nothing.version:
        return nothing
    if version == version_of(to_document(shipped)):
        return loaded(shipped, version)
    return loaded(read_policy_version(conn, version), version)


def governing(served: LoadedPolicy, shadow: LoadedPolicy | None) -> Governing:
    """Return what decisions under a policy are made again with."""
    return Governing(
        version=served.version,
        limits=served.policy.limits,
        rules=served.rules,
        watched=served.watched,
        shadow=None if shadow is None else _in_shadow(shadow),
    )


def _in_shadow(served: LoadedPolicy) -> ShadowPolicy:
    return ShadowPolicy(served.version, served.policy.limits, served.rules)


class Shelf:
    """Keeps versions loaded, those used last longest. Not to be used by two threads at once."""

    def __init__(self) -> None:
        self._kept: dict[str, LoadedPolicy] = {}

    def policies(self, conn: Connection, versions: Mapping[str, str], before: Policies | None) -> Policies:
        """Return the policies among the active versions, loading what is not kept.

        Args:
            conn: a read transaction.
            versions: the active versions it sees, by name.
            before: what was served so far.
        """
        asked, faults = policies_among(versions), dict[str, str]()
        champion = self._try(POLICY, faults, lambda: self._in_force(conn, asked.get(POLICY)))
        if champion is None:
            champion = nothing_goes() if before is None else before.champion
        challenger, share_micro, shadow = None, 0, None
        if CHALLENGER in asked:
            tried = self._try(CHALLENGER, faults, lambda: self._challenger(conn, asked[CHALLENGER]))
            challenger, share_micro = tried or (None, 0)
        if SHADOW in asked:
            shadow = self._try(SHADOW, faults, lambda: self._version(conn, asked[SHADOW]))
        return Policies(champion, challenger, share_micro, shadow, asked, faults)

    def _try(self, name: str, faults: dict[str, str], load: Callable[[], _Loaded]) -> _Loaded | None:
        try:
            return load()
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a policy, what is served stays
            warn("policy:load:failed", error, policy=name, because=str(error))  # what the shop wrote; nobody
            faults[name] = type(error).__name__
            return None

    def _in_force(self, conn: Connection, version: str | None) -> LoadedPolicy:
        if version is None:
            policy, shipped = policy_in_force(conn)
            return self._keep(self._kept.get(shipped) or loaded(policy, shipped))
        return self._version(conn, version)

    def _challenger(self, conn: Connection, asked: str) -> tuple[LoadedPolicy, int]:
        version, _, share = asked.partition("/")
        if not share.isdecimal():
            raise PolicyError("a challenger needs a share of customers")
        return self._version(conn, version), int(share)

    def _version(self, conn: Connection, version: str) -> LoadedPolicy:
        found = self._kept.get(version)
        if found is None:
            found = loaded(read_policy_version(conn, version), version)
        return self._keep(found)

    def _keep(self, found: LoadedPolicy) -> LoadedPolicy:
        self._kept.pop(found.version, None)
        self._kept[found.version] = found  # the last one now
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found
