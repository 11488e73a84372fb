"""What a decision can be found by: the rules that withheld something, and the reasons it gives.

Terms come from the personal part of a record, so they are kept beside the log, never in an entry, and go
with the body.
"""

from __future__ import annotations

from guardrails.decide import Decision

RULE, REASON, SHOWN = "rule:", "reason:", "shown:"
"""What a term begins with: a rule that withheld, why it did, and why something was shown."""


def terms_of(decision: Decision) -> tuple[str, ...]:
    """Return every term of a decision, each once, in order."""
    withheld = {rule_id for taken in decision.rounds for _, rule_id in taken.slate.held_back}
    terms = {RULE + rule_id for rule_id in withheld}
    for taken in decision.rounds:
        failed = {rule_id for rule_id, _ in taken.judged.failed}
        for rule in taken.judged.rules:
            if rule.id in withheld:
                terms.add(REASON + ("POLICY_ERROR" if rule.id in failed else rule.reason_code))
    terms |= {SHOWN + suggestion.reason.code for suggestion in decision.suggestions}
    return tuple(sorted(terms))
