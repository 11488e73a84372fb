"""Arrays to and from Spark's frames, as Arrow tables."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from engine.interactions import Interactions

_LOOK_AGAIN_S = 0.5
_CLOSING_S = 10.0

Batches = Iterator[pa.RecordBatch]


@contextmanager
def arrow_only() -> Iterator[None]:
    """Declare a function on Arrow batches: Spark warns of the version of pandas, of which nothing is used."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


def mapped(frame: DataFrame, run: Callable[[Batches], Batches], schema: str) -> DataFrame:
    """Return what a function makes of the batches of each partition."""
    with arrow_only():
        return frame.mapInArrow(run, schema)


def grouped(frame: DataFrame, by: str, run: Callable[[pa.Table], pa.Table], schema: str) -> DataFrame:
    """Return what a function makes of all rows that are alike in a column."""

    def of_group(table: pa.Table) -> pa.Table:  # a function, as Spark counts its arguments
        return run(table)

    with arrow_only():
        return frame.groupBy(by).applyInArrow(of_group, schema)


def table_of(batches: Batches) -> pa.Table | None:
    """Return all batches of a partition as one table; ``None`` where there are none."""
    found = list(batches)
    return pa.Table.from_batches(found) if found else None


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a column of numbers."""
    return np.asarray(table[name].to_numpy())


def interactions_of(table: pa.Table) -> Interactions:
    """Return admitted interactions; of how they were collected nothing is known any more."""
    n = table.num_rows
    return Interactions(
        customer_idx=column(table, "customer_idx").astype(np.int32),
        item_idx=column(table, "item_idx").astype(np.int32),
        kind=column(table, "kind").astype(np.int8),
        at_ms=column(table, "at_ms").astype(np.int64),
        channel=np.zeros(n, np.int8),
        purpose=np.zeros(n, np.int8),
        is_gift=np.zeros(n, np.bool_),
        provenance=np.zeros(n, np.int8),
    )


@contextmanager
def watched(session: SparkSession, show: Callable[[int, int], None]) -> Iterator[None]:
    """Tell meanwhile how many tasks of the running stages are done, and how many there are."""
    closed, tracker = threading.Event(), session.sparkContext.statusTracker()

    def look() -> None:
        while not closed.wait(_LOOK_AGAIN_S):
            running = [tracker.getStageInfo(each) for each in tracker.getActiveStageIds()]
            known = [each for each in running if each is not None]
            if known:
                show(sum(each.numCompletedTasks for each in known), sum(each.numTasks for each in known))

    thread = threading.Thread(target=look, name="tactful-spark-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join(_CLOSING_S)
