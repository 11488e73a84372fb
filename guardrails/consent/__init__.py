"""guardrails/consent."""
