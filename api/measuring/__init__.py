"""Measuring how suggestions do (P7): who may be, what is owed to what, and what is told of it."""
