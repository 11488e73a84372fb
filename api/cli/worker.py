"""What a worker process of the server runs."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from api.app import create_app
from api.cores import keep_to_one
from api.figures_folder import take_place
from api.settings import Settings
from api.wiring import EXTENSION, Wiring

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""

_PR_SET_PDEATHSIG = 1

_TURN_S = 0.001
"""How long a thread computes before another gets its turn. The thread that writes the log comes back from the
database many times a write, and would wait Python's own 5 ms each time that a request computes."""

_LOOK_FOR_CYCLES_AT = (20_000, 20, 20)
"""How many new objects the collector of cycles lets pass, and how many times, before it looks at them again.
Requests leave hardly any cycles behind; Python's own 700 would have it look thirty times as often."""


def work(
    number: int, answer: Callable[[Application], None], take_nobody: Callable[[], None], announce: int
) -> None:
    """Answer requests until told to stop, then let what is being recorded finish.

    Args:
        number: which worker this is, from 0.
        answer: the server; returns when it was told to stop and has answered what was under way.
        take_nobody: lets the server take no more connections.
        announce: pipe that a byte goes to when requests can be answered.

    Raises:
        SettingsError: a setting cannot be used.
    """
    _end_with(os.getppid())
    take_place()
    sys.setswitchinterval(_TURN_S)
    settings = Settings.from_env(os.environ)
    keep_to_one(number, settings.workers)
    app = create_app(settings)
    keep_what_is_loaded()
    wiring: Wiring = app.extensions[EXTENSION]
    leaving = Leaving(app)
    signal.signal(signal.SIGUSR1, partial(_leave, take_nobody, leaving))
    signal.signal(signal.SIGUSR2, partial(_stop, wiring, leaving))
    with suppress(BrokenPipeError):
        os.write(announce, b".")
    os.close(announce)
    answer(leaving)
    wiring.close()


def keep_what_is_loaded() -> None:
    """Let the collector of cycles never look again at what there is by now: it stays as long as the process.

    To look through some hundred thousand objects takes a tenth of a second or more, in which nobody is
    answered, and makes pages that processes share the own of each.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOK_FOR_CYCLES_AT)


class Leaving:
    """An application that, once it leaves, ends the connection of whoever it answers.

    Args:
        app: the application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._is_leaving = False

    def leave(self) -> None:
        """End connections from now on, each with its next answer."""
        self._is_leaving = True

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as the application does."""
        if not self._is_leaving:
            return self._app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("Connection", "close")], *more)

        return self._app(environ, start)


def _leave(take_nobody: Callable[[], None], leaving: Leaving, *_: object) -> None:
    leaving.leave()
    take_nobody()


def _stop(wiring: Wiring, leaving: Leaving, *_: object) -> None:
    wiring.stopping.set()
    leaving.leave()


def _end_with(parent: int) -> None:
    """Be told to stop when the process that watches over us is gone; elsewhere than on Linux nobody tells."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:  # it has gone before we asked
        os.kill(os.getpid(), signal.SIGTERM)
