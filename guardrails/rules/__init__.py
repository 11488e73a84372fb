"""The catalogue of guardrails, one idea a file."""
