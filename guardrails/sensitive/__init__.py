"""guardrails/sensitive."""
