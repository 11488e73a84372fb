"""``tactful train --on spark``: learn on a cluster what one machine would take too long for.

Interactions are read by the executors, from the shop's PostgreSQL database or from a copy of the table
``interactions`` as Parquet. Whose they may be, and what may be learned from, is asked of the shop's
database as ever: of a copy nothing is learned that was withdrawn or erased since, taken out of a profile,
or marked as a gift. The executors need this package; what they are told of customers is where their
consents stand.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from psycopg.pq import Conninfo
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import Broadcast
from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url

from api.errors import SettingsError
from api.imports.importer import Progress
from api.models.alone import alone
from api.models.lineage import Job, lineage_of
from api.models.registry import Activation, register_model
from api.settings import Settings
from api.storage.bulk import last_interaction_no
from api.storage.connection import reading
from api.storage.evidence import Evidence, evidence_held
from api.storage.training import training_customers
from api.storage.versions import MODEL, SYSTEM, active, get_model
from api.training import (
    ShopNow,
    TrainingReport,
    classes_of,
    goods_of,
    read_shop,
    read_up_to,
    report_of,
)
from engine.artefact import Manifest, manifest_of
from engine.errors import ModelFitError
from engine.interactions import Interactions
from engine.training import TrainingSettings
from engine.training.learn import Shop, recipe_of
from engine.training.spark import ROWS, learn_on_spark
from engine.training.spark.frames import Batches, column, mapped, table_of
from guardrails.consent.purposes import Purpose
from guardrails.training_gate import Learnable, TrainingCustomer, learnable

COLUMNS = (
    "interaction_no",
    "customer_no",
    "item_no",
    "kind",
    "at_ms",
    "channel",
    "purpose",
    "is_gift",
    "provenance",
)
"""Columns of the table ``interactions`` that are read; a Parquet copy has them under the same names."""

BLOCKS_A_CORE = 4
"""Tasks a core, so that the last one keeps nobody waiting for long."""

_DRIVER = "org.postgresql.Driver"
_JDBC_NAMES = {
    "application_name": "ApplicationName",
    "connect_timeout": "connectTimeout",
    "gssencmode": "gssEncMode",
    "options": "options",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslmode": "sslmode",
    "sslpassword": "sslpassword",
    "sslrootcert": "sslrootcert",
}
"""What can be asked of a connection to PostgreSQL, as addresses call it and as the JDBC driver does."""

_WHERE_AND_WHO = {"host", "port", "dbname", "user", "password", "passfile", "client_encoding"}
"""What is told apart from these, or need not be; variables of the environment for it are left out."""

_ROWS_A_BATCH = 100_000


def open_session(master: str, *, jars: str = "", conf: Mapping[str, str] | None = None) -> SparkSession:
    """Open a session of Spark; whoever opens it stops it.

    Args:
        master: where the cluster is, as in ``spark://host:7077``, ``yarn`` or ``local[4]``.
        jars: paths of Java archives to take along, set apart by commas: that of the JDBC driver.
        conf: further configuration of Spark.
    """
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master).appName("tactful train")
    settings = {
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(_ROWS_A_BATCH),
        **({"spark.jars": jars} if jars else {}),
        **(conf or {}),
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def train_on_spark(
    session: SparkSession,
    engine: Engine,
    settings: Settings,
    now_ms: int,
    progress: Progress,
    *,
    parquet: str = "",
    learner: str = "",
    may_activate: bool = True,
    actor: str = SYSTEM,
) -> TrainingReport:
    """Train on what customers permit to be learned from now.

    Nothing is compared: learned is as the model in force was, by its learner, its parameters and its floor.

    Args:
        session: see ``open_session``.
        engine: the database, up to date.
        settings: where models are kept; how long consent lasts.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come.
        parquet: address of a copy of the table ``interactions``, as Spark reads it; empty for the database.
        learner: name of a learner, with its defaults and the least floor; empty for that of the model in
            force, or of a shop without one.
        may_activate: put the model in force when it is no worse than the one that is.
        actor: id of the key that asked for it.

    Raises:
        ModelFitError: there is nothing to learn from, the learner is not learned on Spark, or the cluster
            did not come to the end of it.
        SettingsError: the database is one that a cluster cannot read, or not as its address says.
        ArtefactError: the model cannot be written.
        StoreUnavailableError: the database cannot be used.
    """
    started = time.monotonic()
    with (
        alone(engine, settings, progress) as still_alone,
        lineage_of(settings, Job.TRAIN, now_ms, None) as told,
    ):
        progress(0, None, "reading who may be learned from")
        with reading(engine) as conn:
            shop = read_shop(conn, settings)
            customers = training_customers(conn, shop.consent, now_ms)
            read_to, like = last_interaction_no(conn), _like(conn, learner)
            held = evidence_held(conn, read_to) if parquet else None
        gate = Gate(shop, tuple(customers), tuple(customers.values()), now_ms, held)
        everybody = gate.everybody()
        training = TrainingSettings()
        classes, goods = classes_of(shop.catalogue, everybody), goods_of(shop.catalogue)
        kept_out = session.sparkContext.accumulator({}, _Counted())
        try:
            stored = session.read.parquet(parquet) if parquet else _from_database(session, settings, read_to)
            told_gate = session.sparkContext.broadcast(gate)
            wanted = stored.select(*COLUMNS).where(
                (stored["interaction_no"] <= read_to) & stored["customer_no"].isNotNull()
            )
            trained = learn_on_spark(
                mapped(wanted, Admit(told_gate, kept_out), ROWS),
                recipe_of(like, training),
                Shop.of(shop.catalogue.item_ids, shop.catalogue.tier, classes, goods),
                training,
                now_ms=now_ms,
                n_blocks=BLOCKS_A_CORE * max(2, session.sparkContext.defaultParallelism),
                progress=lambda stage, done, total: progress(done, total, stage),
            )
        except (PySparkException, Py4JError) as error:  # not told on: it may hold rows and addresses
            raise ModelFitError(f"Spark did not come to the end of it: {_in_one_line(error)}") from None
        trained = read_up_to(trained, read_to)
        activation = Activation.IF_NO_WORSE if may_activate else Activation.NEVER
        still_alone()
        registered = register_model(engine, settings, trained, now_ms, activation, actor)
        told.learned(settings.lineage_namespace, trained.manifest, registered.version)
        told.counts["activated"] = registered.activated
    return report_of(registered, trained.manifest, dict(sorted(kept_out.value.items())), started)


@dataclass(frozen=True, slots=True)
class Gate:
    """What the executors need to tell what may be learned from.

    Attributes:
        shop: items, limits and how long consent lasts.
        customer_nos: storage keys, ascending.
        customers: the same customers.
        now_ms: the clock.
        held: what the database holds, where a copy is read; ``None`` where it is the database that is.
    """

    shop: ShopNow
    customer_nos: tuple[int, ...]
    customers: tuple[TrainingCustomer, ...]
    now_ms: int
    held: Evidence | None

    def admit(self, found: Interactions) -> Learnable:
        """Keep what a model may learn from; ``customer_idx`` points into ``customers``."""
        whose, idx = np.unique(found.customer_idx, return_inverse=True)
        admitted = self._learnable(
            replace(found, customer_idx=idx.astype(np.int32)),
            [self.customers[each] for each in whose.tolist()],
        )
        rows = admitted.interactions
        return replace(admitted, interactions=replace(rows, customer_idx=whose[rows.customer_idx]))

    def everybody(self) -> Learnable:
        """Return who has agreed to what, and no interactions."""
        return self._learnable(Interactions.empty(), self.customers)

    def _learnable(self, found: Interactions, customers: Sequence[TrainingCustomer]) -> Learnable:
        shop = self.shop
        return learnable(found, customers, shop.catalogue, shop.limits.evidence, shop.consent, self.now_ms)

    def found(self, table: pa.Table) -> Interactions:
        """Return rows of the store of items and customers that are known, collected for the profile."""
        customer_no, known_nos = column(table, "customer_no"), np.array(self.customer_nos, np.int64)
        item_idx = self.shop.catalogue.idx_of_no(column(table, "item_no").astype(np.int64))
        wanted = (item_idx >= 0) & np.isin(customer_no, known_nos)
        wanted &= column(table, "purpose") == int(Purpose.PROFILING)
        is_gift = column(table, "is_gift")
        if self.held is not None:
            names = ("interaction_no", "customer_no", "item_no", "kind", "at_ms")
            is_held, is_gift = self.held.of(*(column(table, name).astype(np.int64) for name in names))
            wanted &= is_held

        def taken(name: str, dtype: type[np.generic]) -> NDArray[Any]:
            return column(table, name)[wanted].astype(dtype)

        return Interactions(
            customer_idx=np.searchsorted(known_nos, customer_no[wanted]).astype(np.int32),
            item_idx=item_idx[wanted],
            kind=taken("kind", np.int8),
            at_ms=taken("at_ms", np.int64),
            channel=taken("channel", np.int8),
            purpose=taken("purpose", np.int8),
            is_gift=is_gift[wanted].astype(np.bool_),
            provenance=taken("provenance", np.int8),
        )


class _Counted(AccumulatorParam[dict[str, int]]):
    """Adds counts by name up."""

    def zero(self, value: dict[str, int]) -> dict[str, int]:  # noqa: ARG002  Spark's
        return {}

    def addInPlace(self, value1: dict[str, int], value2: dict[str, int]) -> dict[str, int]:  # noqa: N802  Spark's
        return {name: value1.get(name, 0) + value2.get(name, 0) for name in value1.keys() | value2.keys()}


@dataclass(frozen=True)
class Admit:
    """Passes the interactions of a partition through the gate."""

    gate: Broadcast[Gate]
    kept_out: Accumulator[dict[str, int]]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Return rows of ``ROWS``."""
        table = table_of(batches)
        if table is None:
            return
        admitted = self.gate.value.admit(self.gate.value.found(table))
        self.kept_out.add(dict(admitted.kept_out))
        rows = admitted.interactions
        yield pa.RecordBatch.from_pydict(
            {
                "customer_idx": pa.array(rows.customer_idx, pa.int32()),
                "item_idx": pa.array(rows.item_idx, pa.int32()),
                "kind": pa.array(rows.kind, pa.int8()),
                "at_ms": pa.array(rows.at_ms, pa.int64()),
            }
        )


def _like(conn: Connection, learner: str) -> Manifest:
    """Return the manifest of how to learn."""
    version = active(conn).get(MODEL)
    stored = None if version is None or learner else get_model(conn, version)
    if stored is None:
        return Manifest(learner=learner or TrainingSettings().fallback)
    return manifest_of(orjson.loads(stored.manifest))


def _from_database(session: SparkSession, settings: Settings, read_to: int) -> DataFrame:
    """Return the frame of interactions in the shop's database, read by as many tasks as there are cores."""
    n_tasks = max(1, session.sparkContext.defaultParallelism)
    return session.read.format("jdbc").options(**jdbc_options(settings, read_to, n_tasks)).load()


def jdbc_options(settings: Settings, read_to: int, n_tasks: int) -> dict[str, str]:
    """Return the options by which Spark reads interactions from the shop's database.

    Args:
        settings: the database.
        read_to: number of the last interaction to read.
        n_tasks: how many tasks read side by side, each a range of numbers.

    Raises:
        SettingsError: the database is one that only this machine can reach, or its address asks for what a
            cluster cannot be told.
    """
    url = make_url(settings.database_url)
    if not url.drivername.startswith("postgresql"):
        raise SettingsError(
            "a cluster cannot read a SQLite file: name a copy of its interactions with --interactions, "
            "or train without a cluster"
        )
    if not url.host:
        raise SettingsError("a cluster cannot reach a database by a socket file: name its host")
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM interactions WHERE customer_no IS NOT NULL "  # noqa: S608  our own
        f"AND purpose = {int(Purpose.PROFILING)} AND interaction_no <= {read_to}"
    )
    options = {
        "driver": _DRIVER,
        "url": _jdbc_url(url.host, url.port or 5432, url.database or ""),
        "dbtable": f"({query}) AS collected",
        "partitionColumn": "interaction_no",
        "lowerBound": "1",
        "upperBound": str(read_to + 1),
        "numPartitions": str(n_tasks),
        "fetchsize": str(_ROWS_A_BATCH),
    }
    proof = {"user": url.username, "password": url.password}
    known = {name: str(value) for name, value in proof.items() if value is not None}
    return options | known | _asked_of_a_connection(url)


def _jdbc_url(host: str, port: int, database: str) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"jdbc:postgresql://{host}:{port}/{quote(database, safe='')}"


def _asked_of_a_connection(url: URL) -> dict[str, str]:
    """Return what the address of a database asks of a connection, in the words of the JDBC driver.

    So do the variables of the environment that libpq obeys (``PGSSLMODE`` and others), as far as the address
    says nothing else. What cannot be said there is refused and not left out: it may be what keeps others from
    listening.
    """
    asked = _asked_by_variables() | {name: values[-1] for name, values in url.normalized_query.items()}
    unknown = asked.keys() - _JDBC_NAMES.keys()
    if asked.get("sslrootcert") == "system":  # to the JDBC driver this would be the name of a file
        unknown |= {"sslrootcert=system"}
    if unknown:
        raise SettingsError(
            f"a cluster cannot be told {', '.join(sorted(unknown))} of the address of the database, or of "
            "variables beginning with PG: name another address for this training, or a copy of the "
            "interactions with --interactions"
        )
    if asked.get("sslmode") == "require" and "sslrootcert" in asked:
        asked["sslmode"] = "verify-ca"  # as libpq takes it; the JDBC driver would check nothing
    return {_JDBC_NAMES[name]: value for name, value in asked.items()}


def _asked_by_variables() -> dict[str, str]:
    """Return what the environment asks of every connection from here to PostgreSQL, as addresses call it."""
    known = ((each.keyword.decode(), each.envvar) for each in Conninfo.get_defaults())
    variables = {name: os.environ.get(variable.decode()) for name, variable in known if variable is not None}
    return {
        name: value for name, value in variables.items() if value is not None and name not in _WHERE_AND_WHO
    }


def _in_one_line(error: PySparkException | Py4JError) -> str:
    """Return what kind of thing went wrong, and nothing of what was underway."""
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.getClass().getName())
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    return str(condition or type(error).__name__)
