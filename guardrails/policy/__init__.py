"""guardrails/policy."""
