"""How good a learner is: full rankings, published protocols, no sampled negatives."""

from __future__ import annotations

from engine.evaluation.folder import Report, Row, evaluate_folder

__all__ = ["Report", "Row", "evaluate_folder"]
