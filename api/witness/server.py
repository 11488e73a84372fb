"""The witness's server: granian over the application, one process of several threads."""

from __future__ import annotations

import socket
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from api import logging
from api.witness.app import create_app
from api.witness.keys import read_keys
from api.witness.store import SeenTrees
from api.witness.witness import Witness

_THREADS = 8
_FINISHING_S = 10
"""How long requests under way may take once the server was told to stop, in seconds."""

_LOG = {
    "formatters": {"generic": {"()": logging.JsonLines}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic"}},
    "loggers": {"_granian": {"handlers": ["console"], "propagate": False}},
}


class Duty(NamedTuple):
    """What a witness is told when it starts.

    Attributes:
        key_file: its private keys, one a line.
        store: the file of what it has seen.
        logs: vkeys of the logs it knows.
    """

    key_file: Path
    store: Path
    logs: tuple[str, ...]


def serve(duty: Duty, host: str, port: int) -> None:
    """Serve until told to stop by SIGINT or SIGTERM.

    Raises:
        WitnessError: a key or the file of what was seen cannot be used.
        LogError: a private key cannot be read.
        OSError: the key file cannot be read, or the address cannot be listened on.
    """
    application(duty)  # so that what cannot be used is told here, once, not by every worker
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family):
        pass  # whoever listens there already would share the port otherwise
    Granian(
        "api.witness.server:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=_THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=_FINISHING_S,
        log_level=LogLevels.error,
        log_dictconfig=_LOG,
    ).serve(target_loader=partial(application, duty), wrap_loader=False)


def application(duty: Duty) -> Flask:
    """Build the application of this process.

    Raises:
        WitnessError: a key or the file of what was seen cannot be used.
    """
    logging.write_to_stderr()
    witness = Witness(SeenTrees(duty.store), read_keys(duty.key_file), duty.logs, lambda: int(time.time()))
    return create_app(witness)
