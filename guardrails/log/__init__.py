"""guardrails/log."""
