"""From admitted interactions to a model: compare learners, choose the privacy floor, fit; forget, update."""

from __future__ import annotations

from engine.training.backoff import Goods
from engine.training.fit import fit, refit
from engine.training.forgetting import forget
from engine.training.learn import Trained, TrainingSettings
from engine.training.lift import Classes
from engine.training.recounting import Recounted
from engine.training.updating import update

__all__ = ["Classes", "Goods", "Recounted", "Trained", "TrainingSettings", "fit", "forget", "refit", "update"]
