"""A small cluster of Apache Spark: a master, two workers and their executors, each a process of its own."""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession
from sqlalchemy.engine import make_url
from support.java import there_is_java, there_is_postgresql_driver

MASTER = "local-cluster[2,1,1024]"


@contextmanager
def a_cluster(folder: Path) -> Iterator[SparkSession]:
    """Run one; what it writes goes into a folder."""
    from api.training_on_spark import open_session  # noqa: PLC0415  needs Spark's environment

    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("JAVA_HOME", str(Path(there_is_java()).resolve().parent.parent))
        environ.setenv("SPARK_HOME", str(_home(folder)))
        environ.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        environ.setenv("SPARK_LOCAL_DIRS", str(folder / "scratch"))
        environ.setenv("PYSPARK_PYTHON", sys.executable)
        environ.setenv("OMP_NUM_THREADS", "1")
        session = open_session(
            MASTER,
            jars=str(there_is_postgresql_driver()),
            conf={
                "spark.ui.enabled": "false",
                "spark.sql.shuffle.partitions": "4",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
            },
        )
        try:
            yield session
        finally:
            session.stop()


def _home(folder: Path) -> Path:
    """Return a home of Spark whose workers do not write beside the installed package."""
    home = folder / "spark"
    home.mkdir()
    for entry in os.scandir(Path(pyspark.__file__).parent):
        (home / entry.name).symlink_to(entry.path)
    return home


@contextmanager
def reached_over_tcp(database_url: str) -> Iterator[str]:
    """Lead to a PostgreSQL database that listens on a socket file alone; yields its URL by host and port."""
    url = make_url(database_url)
    file = f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(file)
                back = threading.Thread(target=_pass_on, args=(there, self.request))
                back.start()
                _pass_on(self.request, there)
                back.join()

    class Relays(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Relays(("127.0.0.1", 0), Relay) as relays:
        host, port = relays.server_address[:2]
        listening = threading.Thread(target=relays.serve_forever)
        listening.start()
        yield url.set(host=str(host), port=port, query={}).render_as_string(hide_password=False)
        relays.shutdown()
        listening.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until there are no more."""
    with suppress(OSError):
        while content := source.recv(1 << 16):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
