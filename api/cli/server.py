"""The server: granian over the application, one process a worker, threads for what waits on the disk.

This process only watches over the workers; what a worker needs is in ``api.cli.worker``.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from tempfile import TemporaryDirectory

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from api.cli.shop import open_shop
from api.errors import SettingsError
from api.logging import JsonLines

APPLICATION = "api.cli.worker"

THREADS_A_WORKER = 16
"""Requests one process works on at a time. Most of a request is waiting for its record to reach the
disk, and requests that wait together share one write."""

_LOG = {
    "formatters": {"generic": {"()": JsonLines}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic"}},
    "loggers": {"_granian": {"handlers": ["console"], "propagate": False}},
}
"""The server's own log goes where the application's goes: as JSON lines to standard error."""

_FIGURES = "PROMETHEUS_MULTIPROC_DIR"

FINISHING_S = 20
"""How long requests under way may take once the server was told to stop, in seconds."""


@contextmanager
def shared_figures() -> Iterator[None]:
    """Give the workers a folder to add their figures up in, for as long as the server runs.

    Enter it before anything is imported that counts; a folder that is set already is kept.
    """
    if _FIGURES in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="tactful-figures-") as folder:
        os.environ[_FIGURES] = folder
        try:
            yield
        finally:
            del os.environ[_FIGURES]


def run(environ: Mapping[str, str]) -> None:
    """Serve until told to stop by SIGINT or SIGTERM.

    Args:
        environ: the environment that this process and its workers run in from now on.

    Raises:
        SettingsError: a setting cannot be used, or the port is taken.
        StoreUnavailableError: the database is not up to date.
    """
    with open_shop(environ) as shop:
        settings = shop.settings
    require_free_port(settings.host, settings.port)
    os.environ.update(environ)
    import_module(APPLICATION)  # before the workers are forked, so that they share what it loads
    Granian(
        f"{APPLICATION}:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=THREADS_A_WORKER,
        respawn_failed_workers=True,
        workers_kill_timeout=FINISHING_S,
        log_level=LogLevels.error,
        log_dictconfig=_LOG,
        log_access=False,  # an access log would hold ids; the application writes its own, without
    ).serve()


def require_free_port(host: str, port: int) -> None:
    """Refuse a port that somebody else listens on, or an address that is not ours.

    Raises:
        SettingsError: it cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SettingsError(
                    f"port `{port}` is taken: stop what listens there, or set TACTFUL_PORT to another"
                ) from None
            reason = (error.strerror or "unknown error").lower()
            raise SettingsError(f"cannot listen on `{host}` port `{port}`: {reason}") from None
