"""guardrails/rules."""
