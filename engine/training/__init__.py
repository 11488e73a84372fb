"""From admitted interactions to a model: compare learners, choose the privacy floor, fit, quantize."""

from __future__ import annotations

from engine.training.fit import Trained, TrainingSettings, fit

__all__ = ["Trained", "TrainingSettings", "fit"]
