"""What a decision works with besides the request: one immutable object, swapped as a whole.

A request sees exactly one house from its first step to its last, so a model, catalogue or
policy that changes meanwhile cannot mix into its answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.interactions import Weighting
from engine.serving.candidates import Candidates, Evidence, Mask
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Rule, WatchedRule
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import SlateRule


class Recommender(Protocol):
    """What the guardrails need of an engine; scores are int64, ties break by ascending row."""

    @property
    def version(self) -> str | None:
        """Content hash of the model; ``None`` when there is none yet."""
        ...

    @property
    def latent(self) -> bool:
        """Whether edges come from latent factors rather than counted pairs."""
        ...

    @property
    def usefulness_floor(self) -> int:
        """Score from which on its proposals were measured to be of use; 0 where that is not known."""
        ...

    def telling(self, withheld: frozenset[str]) -> NDArray[np.int32]:
        """How telling each item is of sensitive classes, shape (n_items,), in millionths."""
        ...

    def mask(self, withheld: frozenset[str], lift_max_micro: int) -> Mask:
        """What is more telling of them than that."""
        ...

    def within(self, paths: tuple[str, ...]) -> Recommender:
        """The same, of some categories and those below them only; of everything without any."""
        ...

    def goes_with(
        self, evidence: Evidence, exclude: NDArray[np.int32], n: int, mask: Mask | None = None
    ) -> Candidates:
        """Best ``n`` available items that go with the evidence, ``exclude`` left out.

        What is masked is nothing that evidence of a person could propose.
        """
        ...

    def buy_again(self, evidence: Evidence, n: int) -> Candidates:
        """Best ``n`` available items bought before and due again."""
        ...

    def popular(self, n: int, exclude: NDArray[np.int32]) -> Candidates:
        """Best ``n`` available items by decayed popularity."""
        ...

    def popular_in(self, categories: NDArray[np.int32], n: int, exclude: NDArray[np.int32]) -> Candidates:
        """The same within the given category codes."""
        ...

    def popular_of_brand(self, brand: int, n: int, exclude: NDArray[np.int32]) -> Candidates:
        """The same of one brand code."""
        ...


@dataclass(frozen=True, slots=True)
class ShadowPolicy:
    """A policy that is asked beside the one in force; what it says is recorded and changes nothing.

    Attributes:
        version: SHA-256 of its document.
        limits: its numbers.
        rules: what it asks of every candidate.
        slate_rules: what it asks of each next suggestion.
    """

    version: str
    limits: Limits
    rules: tuple[Rule, ...] = CATALOGUE
    slate_rules: tuple[SlateRule, ...] = SLATE_CATALOGUE


class Arm(StrEnum):
    """What a customer is served by while two policies, two models or both are compared."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


@dataclass(frozen=True, slots=True)
class House:
    """Model, catalogue and policy of one moment.

    Attributes:
        recommender: the active model bound to the catalogue.
        catalogue: the snapshot all rows point into.
        limits: the numbers of the active policy.
        policy_version: SHA-256 of the active policy's document.
        weighting: what an interaction is worth as evidence.
        consent: validity and signals.
        n_considered: candidates looked at for each round; bounds the record.
        rules: what is asked of every candidate, in this order: the catalogue, then the shop's own; less
            than the catalogue only to measure what a rule costs.
        slate_rules: what is asked of each next suggestion of a slate; the same goes for these.
        watched: rules of the shop that are asked as well, and whose answers change nothing.
        shadow: a policy that is asked beside this one.
        arm: which of two this one is, while policies or models are compared.
    """

    recommender: Recommender
    catalogue: Catalogue
    limits: Limits
    policy_version: str
    weighting: Weighting = field(default_factory=Weighting)
    consent: ConsentSettings = field(default_factory=ConsentSettings)
    n_considered: int = 50
    rules: tuple[Rule, ...] = CATALOGUE
    slate_rules: tuple[SlateRule, ...] = SLATE_CATALOGUE
    watched: tuple[WatchedRule, ...] = ()
    shadow: ShadowPolicy | None = None
    arm: Arm | None = None

    def offering(self, paths: tuple[str, ...]) -> Recommender:
        """Return what proposes of some categories and those below them; of everything without any."""
        return self.recommender.within(paths) if paths else self.recommender
