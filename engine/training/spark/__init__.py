"""Learning on Apache Spark: the pairs of items are counted by many machines, the model is the same."""

from __future__ import annotations

from engine.training.spark.learning import LEARNED_ON_SPARK, ROWS, learn_on_spark

__all__ = ["LEARNED_ON_SPARK", "ROWS", "learn_on_spark"]
