"""guardrails/creepiness."""
