"""From admitted interactions to a model: compare learners, choose the privacy floor, fit; and forget."""

from __future__ import annotations

from engine.training.fit import fit, refit
from engine.training.forgetting import Forgotten, forget
from engine.training.learn import Trained, TrainingSettings
from engine.training.lift import Classes

__all__ = ["Classes", "Forgotten", "Trained", "TrainingSettings", "fit", "forget", "refit"]
