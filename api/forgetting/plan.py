"""The places a cascade goes through, in which order, and what each of them waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.storage.cascades import Cascade, CascadeKind, CascadeStep, StepStatus

SERVING, KEYS, MODEL, VISITS, FEEDBACK = "serving", "keys", "model", "visits", "feedback"
EXPOSURES, DECISIONS, DISCLOSURES, HISTORY = "exposures", "decisions", "disclosures", "history"
PREFERENCES, CORRECTIONS = "preferences", "corrections"
REQUESTS, CONSENTS, FILES, CUSTOMER, DATABASE = "requests", "consents", "files", "customer", "database"

STEPS: Mapping[CascadeKind, tuple[str, ...]] = {
    CascadeKind.ERASURE: (
        SERVING,
        KEYS,
        MODEL,
        VISITS,
        FEEDBACK,
        EXPOSURES,
        DECISIONS,
        DISCLOSURES,
        HISTORY,
        PREFERENCES,
        CORRECTIONS,
        REQUESTS,
        CONSENTS,
        FILES,
        CUSTOMER,
        DATABASE,
    ),
    CascadeKind.WITHDRAWAL: (SERVING, MODEL, FEEDBACK, EXPOSURES, HISTORY, DATABASE),
}
"""Our own places by kind of cascade, in the order they are gone through.

The keys go first, before the answer: without them no record can be read. The model is taught to
forget while the history is still there to subtract. Visits are found by what the account did in them,
feedback by what was shown, that also by whose decisions they were: each before what leads to it.
The restriction that blocks the customer meanwhile goes with the consents, the customer's own row
when nothing points to it any more, and the database is cleared when all else is done.
"""

NEEDS: Mapping[str, frozenset[str]] = {
    EXPOSURES: frozenset({VISITS, FEEDBACK}),
    DECISIONS: frozenset({KEYS, VISITS, FEEDBACK, EXPOSURES}),
    HISTORY: frozenset({MODEL, VISITS}),
    CONSENTS: frozenset({MODEL, HISTORY, EXPOSURES, DECISIONS}),
    CUSTOMER: frozenset({PREFERENCES, CORRECTIONS, REQUESTS, DISCLOSURES, CONSENTS, FILES}),
    DATABASE: frozenset({CUSTOMER, EXPOSURES, HISTORY}),
}
"""What must be settled before a place can be; where that fails, the other places go on.

What a legal hold keeps holds nothing else up.
"""

_RECIPIENT = "recipient:"


def recipient_step(name: str) -> str:
    """Return the step of somebody outside who is to be told."""
    return _RECIPIENT + name


def recipient_of(downstream: str) -> str | None:
    """Return the name of the recipient whose step it is; ``None`` for our own steps."""
    return downstream.removeprefix(_RECIPIENT) if downstream.startswith(_RECIPIENT) else None


def new_steps(
    kind: CascadeKind, recipients: Sequence[str], now_ms: int, *, nothing_to_do: bool = False
) -> tuple[CascadeStep, ...]:
    """Return the steps that a new cascade begins with.

    Args:
        kind: why data is removed.
        recipients: who outside is to be told (GDPR 19).
        now_ms: the clock, milliseconds since the epoch.
        nothing_to_do: nothing is held of the subject, so every step is settled already; but the keys
            are seen to all the same.
    """

    def step(downstream: str, status: StepStatus, detail: str | None = None) -> CascadeStep:
        return CascadeStep(downstream, status, 0, now_ms, detail)

    at_first = StepStatus.COMPLETE if nothing_to_do else StepStatus.PENDING
    statuses = {SERVING: StepStatus.COMPLETE, KEYS: StepStatus.PENDING}
    own = (step(name, statuses.get(name, at_first)) for name in STEPS[kind])
    outside = (
        step(recipient_step(name), StepStatus.SKIPPED, "nothing was held")
        if nothing_to_do
        else step(recipient_step(name), StepStatus.PENDING, "to be told by the shop")
        for name in recipients
    )
    return (*own, *outside)


def in_order(cascade: Cascade) -> tuple[CascadeStep, ...]:
    """Return the steps of a cascade in the order they are gone through, those of recipients last."""
    place = {name: number for number, name in enumerate(STEPS.get(cascade.kind, ()))}
    return tuple(
        sorted(cascade.steps, key=lambda step: (place.get(step.downstream, len(place)), step.downstream))
    )
