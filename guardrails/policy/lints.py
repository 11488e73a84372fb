"""L1 to L4: what no policy may say, whoever asks for it.

**L1, camouflage.** No effect of a rule adds anything to a slate, so decoys around an aimed suggestion
can only be had by asking for them. ``DECOYS`` holds the words for that. A policy that was read holds
none of them: ``decoy_finding`` is what the reader says of one.

**L2, aiming**: see ``guardrails.policy.aiming``.

**L3, the floor**, and **L4, contact caps**: which way each limit is stricter, and who may loosen it, is
in ``guardrails.policy.directions``. No rule of a shop takes the name of one that ships.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guardrails.errors import PolicyError
from guardrails.messages import Phrase
from guardrails.policy.aiming import Lint, aims
from guardrails.policy.charter import charter
from guardrails.policy.directions import DIRECTIONS, WRITTEN, Direction, Loosening
from guardrails.policy.document import limit_to_plain
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits

__all__ = ["DECOYS", "OUT_OF_RANGE", "Lint", "decoy_finding", "lint", "require_clean"]

OUT_OF_RANGE = "out_of_range"

DECOYS = frozenset(
    {
        *("camouflage", "decoy", "decoys", "disguise", "fill_to", "fill_with", "interleave", "intersperse"),
        *("min_count", "min_fill", "min_slate", "minimum_fill", "mix_in", "pad", "pad_to", "pad_with"),
    }
)
"""Words that ask for something to be added so that what is aimed at does not show."""


def decoy_finding(word: str, pointer: str) -> Finding:
    """Return the finding for one of ``DECOYS``, wherever a document says it.

    Args:
        word: what it says.
        pointer: where.
    """
    message = Phrase("`{name}` adds what nobody asked for, to hide what is aimed at", name=word)
    return Finding(Lint.CAMOUFLAGE, Severity.ERROR, pointer, message, {"adds": word})


def lint(
    policy: Policy,
    *,
    signed_off_by_auditor: bool = False,
    sensitive_categories: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Return everything that no policy may say and this one does, in the order of the document.

    Args:
        policy: the draft.
        signed_off_by_auditor: an auditor agreed to what only an auditor can agree to.
        sensitive_categories: categories that hold nothing but goods of one sensitive class, and which;
            ``None`` where that is not known.
    """
    return (
        *_lint_limits(policy.limits, signed_off=signed_off_by_auditor),
        *_lint_rules(policy, sensitive_categories or {}),
    )


def require_clean(policy: Policy, *, signed_off_by_auditor: bool = False) -> None:
    """Refuse a policy that a lint finds an error in.

    Raises:
        PolicyError: it does; the message names the first place and how many there are.
    """
    said = lint(policy, signed_off_by_auditor=signed_off_by_auditor)
    found = [each for each in said if each.severity is Severity.ERROR]
    if found:
        first = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PolicyError(f"`{first.pointer}` ({first.code}): {first.message}{more}")


def _lint_limits(limits: Limits, *, signed_off: bool) -> Iterator[Finding]:
    shipped = Limits()
    for name, (section, field) in sorted(WRITTEN.items()):
        direction = DIRECTIONS[section, field]
        value, floor = (getattr(getattr(each, section), field) for each in (limits, shipped))
        if not direction.least <= value <= direction.greatest:
            yield _out_of_range(name, direction, value)
        elif direction.is_looser(value, floor) and not _may_loosen(direction, signed_off=signed_off):
            yield _loosened(name, direction, value, floor)


def _may_loosen(direction: Direction, *, signed_off: bool) -> bool:
    return direction.loosening is Loosening.FREE or (direction.loosening is Loosening.AUDITOR and signed_off)


def _loosened(limit: str, direction: Direction, value: int, floor: int) -> Finding:
    pointer, ships = pointer_of("limits", limit), limit_to_plain(limit, floor)
    example = {"rule": direction.rule_id, "floor": ships, "draft": limit_to_plain(limit, value)}
    if direction.loosening is Loosening.NEVER:
        message = Phrase(
            "`{limit}` may be tightened, not loosened: it ships as {floor}", limit=limit, floor=ships
        )
        return Finding(Lint.FLOOR, Severity.ERROR, pointer, message, example)
    message = Phrase(
        "`{limit}` goes beyond {floor} only if an auditor signs it off", limit=limit, floor=ships
    )
    return Finding(Lint.CONTACT_CAPS, Severity.ERROR, pointer, message, example)


def _out_of_range(limit: str, direction: Direction, value: int) -> Finding:
    message = Phrase(
        "`{limit}` is from {least} to {greatest}: beyond that it would mean something else",
        limit=limit,
        least=limit_to_plain(limit, direction.least),
        greatest=limit_to_plain(limit, direction.greatest),
    )
    example = {"draft": limit_to_plain(limit, value)}
    return Finding(OUT_OF_RANGE, Severity.ERROR, pointer_of("limits", limit), message, example)


def _lint_rules(policy: Policy, sensitive_categories: Mapping[str, str]) -> Iterator[Finding]:
    for index, rule in enumerate(policy.rules):
        if rule.id.strip().upper() in charter():
            yield _takes_a_name(rule.id, pointer_of("rules", index, "id"))
        yield from aims(rule, ("rules", index), sensitive_categories)


def _takes_a_name(rule_id: str, pointer: str) -> Finding:
    message = Phrase("`{id}` is the name of a rule that ships: no other can take its place", id=rule_id)
    return Finding(Lint.FLOOR, Severity.ERROR, pointer, message, {"id": rule_id})
