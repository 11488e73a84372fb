"""The guardrails decide what may be said.

Everything here is pure: time, randomness and what was read from storage come in as
arguments. Nothing in this package imports Flask, SQLAlchemy or the ``api`` floor.
"""
