"""The server: granian over the application, one process a worker, threads for what waits on the disk.

This process only watches over the workers (``api.cli.watching``); what a worker needs is in
``api.cli.worker``.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from granian import _signals
from granian._granian import SocketHolder
from granian.constants import Interfaces, RuntimeModes
from granian.log import LogLevels
from granian.server.mp import MPServer

from api.cli.shop import open_shop
from api.cli.watching import Patience, Watch, are_inherited, inherited_sockets, without_own
from api.cores import note_cores
from api.errors import EdgeError, SettingsError
from api.figures_folder import VARIABLE as _FIGURES
from api.figures_folder import holding, remove_left
from api.logging import TRACE_ID, JsonLines, warn, write_to_stderr
from api.settings import Settings

APPLICATION = "api.cli.worker"

_LOG = {
    "formatters": {"generic": {"()": JsonLines}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic"}},
    "loggers": {"_granian": {"handlers": ["console"], "propagate": False}},
}
"""The server's own log goes where the application's goes: as JSON lines to standard error."""

_FIGURES_OF = "tactful-figures-"

FINISHING_S = 20
"""How long requests under way may take once the server was told to stop, in seconds."""

_BACKLOG = 1024
_IS_A_FILE = False
_FIRST_BYTES_S = 5
_CHECK = (sys.executable, "-P", "-c", "from api.cli.server import check; check()")


@contextmanager
def shared_figures() -> Iterator[None]:
    """Give the workers a folder to add their figures up in, for as long as the server runs.

    Enter it before anything is imported that counts; a folder that is set already is kept. One that this
    process made before it was renewed is its own still.
    """
    own = f"{_FIGURES_OF}{os.getpid()}-"
    folder = os.environ.get(_FIGURES, "")
    if folder and not Path(folder).name.startswith(own):
        yield
        return
    folder = folder or tempfile.mkdtemp(prefix=own)
    os.environ[_FIGURES] = folder
    try:
        with holding(Path(folder)):
            remove_left(Path(folder), _FIGURES_OF)
            yield
    finally:
        del os.environ[_FIGURES]
        shutil.rmtree(folder)


def run(environ: Mapping[str, str]) -> None:
    """Serve until told to stop by SIGINT or SIGTERM; start again from what is there now on SIGHUP.

    Args:
        environ: the environment that this process and its workers run in from now on.

    Raises:
        SettingsError: a setting cannot be used, or the port is taken.
        StoreUnavailableError: the database is not up to date.
        StartError: no worker can be started.
        SystemExit: requests under way had to be given up.
    """
    write_to_stderr()
    TRACE_ID.set(None)  # the demo has asked its own shop here before: what the server says is of no request
    with open_shop(environ) as shop:
        settings = shop.settings
    listening = listen(settings.host, settings.port, settings.workers)
    os.environ.update(environ)
    note_cores()
    worker = import_module(APPLICATION)  # before the workers are forked, so that they share what it loads
    worker.keep_what_is_loaded()
    server = _Server(settings, listening)
    patience = Patience(settings.drain_s, FINISHING_S)
    watch = Watch(
        settings.workers,
        lambda number, announce: worker.work(
            number, partial(server.answer, number), partial(server.take_nobody, number), announce
        ),
        patience,
        listening,
        _CHECK,
    )
    code = watch.run()
    if code:
        raise SystemExit(code)


def check() -> None:
    """Tell, by the exit code, whether the server could be started from the code and settings of now."""
    write_to_stderr()
    import_module(APPLICATION)
    try:
        with open_shop(without_own(os.environ)):
            pass
    except EdgeError as error:
        warn("server:check:failed", error, because=str(error))  # names settings and folders, and nobody
        raise SystemExit(1) from None


class _Server(MPServer):
    """Granian in a process that somebody else has started, on a socket that somebody else listens on.

    Its own watching lets connections be reset that wait while a worker is replaced, and replaces workers
    without knowing whether the new ones can answer.

    Args:
        settings: where to listen, and how many workers there are.
        listening: a socket for each worker.
    """

    def __init__(self, settings: Settings, listening: Sequence[socket.socket]) -> None:
        super().__init__(
            APPLICATION,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.WSGI,
            workers=settings.workers,
            runtime_mode=RuntimeModes.mt,
            websockets=False,
            backlog=_BACKLOG,
            blocking_threads=settings.limit.n_threads,
            log_level=LogLevels.error,
            log_dictconfig=_LOG,
            log_access=False,  # an access log would hold ids; the application writes its own, without
        )
        self._listening = listening
        self._sso = None  # a copy of the socket for Windows

    def answer(self, number: int, application: object) -> None:
        """Answer requests in this process until it is told to stop and all under way are answered."""
        own = self._listening[number % len(self._listening)]
        _signals.set_main_signals = _heed_once
        self._shd = SocketHolder(own.fileno(), _IS_A_FILE, _BACKLOG)  # type: ignore[assignment,call-arg]  # its types leave both out
        self._spawn_worker(number, self._spawn_wsgi_worker, lambda: application).inner.run()

    def take_nobody(self, number: int) -> None:
        """Take no more connections in this process; those who wait are taken by others that share the socket.

        In the place of the socket, wherever it is open here, comes one that nobody knows of. A server that is
        told to stop lets go of connections it has taken and has read nothing of yet; so it is to have none.
        """
        own = os.fstat(self._listening[number % len(self._listening)].fileno())
        with socket.socket(socket.AF_UNIX) as nobody:
            nobody.bind("")  # the kernel makes up a name
            nobody.listen(1)
            nobody.settimeout(0.0)
            for each in _open_files():
                with suppress(OSError):  # it was closed meanwhile
                    if os.path.samestat(os.fstat(each), own):
                        os.dup2(nobody.fileno(), each, inheritable=False)


def _heed_once(stop: Callable[[int, object], None], _renew: object = None) -> None:
    """Let SIGTERM alone tell the server to stop, and only once: told twice it may wait for itself forever."""

    def heed(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        stop(number, frame)

    signal.signal(signal.SIGTERM, heed)


def _open_files() -> list[int]:
    """Return the descriptors of this process; none where the system does not tell."""
    folder = Path("/proc/self/fd")
    return [int(each.name) for each in folder.iterdir()] if folder.is_dir() else []


def listen(host: str, port: int, n_workers: int) -> list[socket.socket]:
    """Return a listening socket for each worker: the kernel shares callers out among them.

    They belong to this process, so that nobody who waits in one is lost with a worker. What whoever started
    us listens on already is taken over.

    Raises:
        SettingsError: it cannot be listened on.
    """
    found = inherited_sockets()[:n_workers]
    if not found:
        require_free_port(host, port)
        found = [_listening(host, port) for _ in range(n_workers)]
    return found


def _listening(host: str, port: int) -> socket.socket:
    made = socket.socket(_family(host), socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits 40 ms for an ACK
    if hasattr(socket, "TCP_DEFER_ACCEPT"):  # a worker that stops has read of everybody it has accepted
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _FIRST_BYTES_S)
    made.bind((host, port))
    made.listen(_BACKLOG)
    made.settimeout(0.0)  # the server waits for many at once
    return made


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def require_free_port(host: str, port: int) -> None:
    """Refuse a port that somebody else listens on, or an address that is not ours.

    Raises:
        SettingsError: it cannot be listened on.
    """
    if are_inherited():
        return
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
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
