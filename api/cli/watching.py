"""Watching over the workers: they are started, replaced when they die, relieved by new ones, and stopped.

One process watches and answers nothing. It knows no server: a worker is a function that runs in a process
of its own, announces when it is ready, and returns when it was told to stop and has answered what was under
way. Four signals go to a worker:

    SIGUSR1   leave: take no more connections, and end those that there are with their next answer
    SIGUSR2   the service stops: it is not ready any more, and ends connections with their next answer
    SIGTERM   stop when what is under way was answered
    SIGKILL   the time for that is up

To be renewed, the process looks first in another process whether the code and the settings as they are now
can be started from; then it becomes a new one (``execve``), which keeps its id, its sockets and its
children. Workers of the code and the settings before are relieved when all new ones are ready.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from api.errors import EdgeError, SettingsError
from api.logging import note, warn

LEAVING_S = 2.0
"""How long a worker that is relieved answers those whose connections it has, once each, in seconds."""

CHECK_S = 120.0
"""How long it may take to look whether a renewal would do, in seconds."""

_OWN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LOOK_S = 0.1
_IDLE_S = 60.0
_SHORT_LIFE_S = 5.0
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How long to wait before a worker is started again, by how many died young just before."""

_GIVE_UP = 3
"""So many that die young before any was ever ready, and there is no use in starting more."""

_FORMER = "_TACTFUL_FORMER_WORKERS"
_FDS, _FDS_OF = "LISTEN_FDS", "LISTEN_PID"
_FIRST_FD = 3

Work = Callable[[int, int], None]
"""What a worker does, given its number from 0 and a pipe to write a byte to when it is ready."""


class StartError(EdgeError):
    """No worker can be started."""


class Patience(NamedTuple):
    """How long things may take.

    Attributes:
        drain_s: how long, once told to stop, the service answers on while it says that it is not ready.
        finishing_s: how long requests under way may then take.
    """

    drain_s: float
    finishing_s: float


@dataclass(slots=True)
class _Worker:
    pid: int
    ready: int
    started_s: float
    is_ready: bool = False


class Watch:
    """Watches over workers until told to stop.

    Args:
        n_workers: how many there are to be.
        work: what each does.
        patience: how long things may take.
        listening: sockets that are handed on when renewed.
        check: a command that tells, by its exit code, whether a renewal would do.
    """

    def __init__(
        self,
        n_workers: int,
        work: Work,
        patience: Patience,
        listening: Sequence[socket.socket],
        check: Sequence[str],
    ) -> None:
        self._n_workers = n_workers
        self._work = work
        self._patience = patience
        self._listening = listening
        self._check_command = check
        self._workers: dict[int, _Worker] = {}
        self._former = set(_former_workers())
        self._ready_s = 0.0
        self._n_died_young = 0
        self._not_before_s = 0.0
        self._was_ready = bool(self._former)
        self._is_told = False
        self._checking: subprocess.Popen[bytes] | None = None
        self._checked_by_s = 0.0

    def run(self) -> int:
        """Watch until SIGTERM or SIGINT; return the exit code: 0 where nobody had to be killed.

        Raises:
            StartError: no worker can be started.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _OWN)
        while True:
            self._fill()
            received = signal.sigtimedwait(_OWN, _IDLE_S if self._is_settled() else _LOOK_S)
            number = received.si_signo if received else None
            if number in {signal.SIGTERM, signal.SIGINT}:
                return self._stop(self._patience.drain_s if number == signal.SIGTERM else 0.0)
            if number == signal.SIGHUP:
                self._begin_check()
            self._look()

    def _look(self) -> None:
        """Notice what has happened, and do what has become due."""
        self._bury()
        for worker in self._workers.values():
            worker.is_ready = worker.is_ready or _has_announced(worker.ready)
        if self._all_ready() and not self._is_told:
            self._is_told = self._was_ready = True
            self._ready_s = time.monotonic()
            self._n_died_young = 0
            note("server:workers:ready", n=len(self._workers))
            tell_manager("READY=1")
        self._relieve()
        self._end_check()

    def _is_settled(self) -> bool:
        return self._is_told and self._all_ready() and not (self._former or self._checking)

    def _all_ready(self) -> bool:
        return len(self._workers) == self._n_workers and all(each.is_ready for each in self._workers.values())

    def _fill(self) -> None:
        """Start a worker wherever one is missing."""
        if time.monotonic() < self._not_before_s:
            return
        for number in range(self._n_workers):
            if number not in self._workers:
                self._workers[number] = self._start(number)

    def _start(self, number: int) -> _Worker:
        ready, announce = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            os.close(announce)
            os.set_blocking(ready, False)
            return _Worker(pid, ready, time.monotonic())
        code = 1
        try:
            os.close(ready)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for each in (
                signal.SIGINT,
                signal.SIGHUP,
            ):  # a terminal sends these to everybody: we pass them on
                signal.signal(each, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OWN)
            self._work(number, announce)
            code = 0
        except Exception as error:  # noqa: BLE001  whatever it is, this process ends here and says why
            warn("worker:failed", error, because=str(error) if isinstance(error, SettingsError) else None)
        finally:
            os._exit(code)

    def _bury(self) -> None:
        """Take leave of workers that have ended; one that was not told to is soon replaced."""
        self._former = {pid for pid in self._former if not _has_ended(pid)}
        for number, worker in list(self._workers.items()):
            if not _has_ended(worker.pid):
                continue
            os.close(worker.ready)
            del self._workers[number]
            now_s = time.monotonic()
            died_young = now_s - worker.started_s < _SHORT_LIFE_S
            self._n_died_young = self._n_died_young + 1 if died_young else 0
            self._not_before_s = now_s + _PAUSES_S[min(self._n_died_young, len(_PAUSES_S) - 1)]
            note("server:worker:died", number=number, lived_s=round(now_s - worker.started_s, 1))
            if not self._was_ready and self._n_died_young >= _GIVE_UP:
                self._stop(0.0)
                raise StartError("no worker can be started: the log says why")

    def _relieve(self) -> None:
        """Let the workers of before go, once others are ready."""
        if not (self._former and self._is_told):
            return
        since_s = time.monotonic() - self._ready_s
        if since_s < LEAVING_S:
            _send(self._former, signal.SIGUSR1)
        elif since_s < LEAVING_S + self._patience.finishing_s:
            _send(self._former, signal.SIGTERM)
        else:
            _send(self._former, signal.SIGKILL)

    def _begin_check(self) -> None:
        """Look, beside the requests, whether what is there now can be started from."""
        if self._checking is not None or (self._former and self._is_told):
            note("server:reload:ignored", because="one is under way")
            return
        self._checked_by_s = time.monotonic() + CHECK_S
        self._checking = subprocess.Popen(self._check_command, start_new_session=True)  # noqa: S603  our own
        tell_manager(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def _end_check(self) -> None:
        if self._checking is None:
            return
        code = self._checking.poll()
        if code is None and time.monotonic() < self._checked_by_s:
            return
        if code is None:
            self._checking.kill()
            self._checking.wait()
        self._checking = None
        if code == 0:
            self._become_new()
        note("server:reload:refused", because="what is there now cannot be started from")
        tell_manager("READY=1")

    def _become_new(self) -> NoReturn:
        """Start again as the same process, from the code and the settings as they are now."""
        kept = {name: text for name, text in os.environ.items() if name not in {_FDS, _FDS_OF}}
        pids = {each.pid for each in self._workers.values()} | self._former
        handed = [os.dup(each.fileno()) for each in self._listening]
        handed = [_moved_up(fd, _FIRST_FD + len(handed)) for fd in handed]
        for number, fd in enumerate(handed, start=_FIRST_FD):
            os.dup2(fd, number)
        kept |= {_FDS: str(len(handed)), _FDS_OF: str(os.getpid()), _FORMER: ",".join(map(str, sorted(pids)))}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)  # noqa: S606  ourselves

    def _stop(self, drain_s: float) -> int:
        """Say that we stop, answer on for a while, and end everybody; tell whether that went well."""
        tell_manager("STOPPING=1")
        if self._checking is not None:
            self._checking.kill()
            self._checking.wait()
        left = {each.pid for each in self._workers.values()} | self._former
        if drain_s:
            note("server:drain:begun", seconds=drain_s)
            left = _see_off(left, signal.SIGUSR2, drain_s, {signal.SIGTERM, signal.SIGINT})
        for each in self._listening:
            each.close()  # who comes now is refused, and does not wait for nobody
        left = _see_off(left, signal.SIGTERM, self._patience.finishing_s)
        _see_off(left, signal.SIGKILL, self._patience.finishing_s)
        note("server:stopped", n_killed=len(left))
        return 1 if left else 0


def inherited_sockets() -> list[socket.socket]:
    """Return the sockets that whoever started this process listens on already (``sd_listen_fds(3)``)."""
    if os.environ.get(_FDS_OF) != str(os.getpid()):
        return []
    numbers = range(_FIRST_FD, _FIRST_FD + int(os.environ[_FDS]))
    found = [socket.socket(fileno=number) for number in numbers]
    for each in found:
        each.set_inheritable(False)
    del os.environ[_FDS_OF], os.environ[_FDS]
    return found


def are_inherited() -> bool:
    """Whether whoever started this process listens already."""
    return os.environ.get(_FDS_OF) == str(os.getpid())


def tell_manager(text: str) -> None:
    """Tell the service manager how we are, where one has asked for that (``sd_notify(3)``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
        way.connect("\0" + address[1:] if address.startswith("@") else address)
        way.sendall(text.encode())


def without_own(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what is for this process alone."""
    return {name: text for name, text in environ.items() if name not in {_FDS, _FDS_OF, _FORMER}}


def _former_workers() -> list[int]:
    return [int(pid) for pid in os.environ.pop(_FORMER, "").split(",") if pid]


def _moved_up(fd: int, least: int) -> int:
    """Return a copy of a descriptor that is none of the numbers to be handed over."""
    while fd < least:
        fd = os.dup(fd)
    return fd


def _has_announced(ready: int) -> bool:
    try:
        return bool(os.read(ready, 1))
    except BlockingIOError:
        return False


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _send(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _see_off(
    pids: set[int], number: signal.Signals, patience_s: float, cut_short: Collection[int] = ()
) -> set[int]:
    """Send a signal until processes have ended, or one to us says not to wait; return those that are left.

    It is sent again and again: Python looks at a signal when a wait ends, and one that comes between two
    waits is looked at with the next.
    """
    until_s = time.monotonic() + patience_s
    while (pids := {pid for pid in pids if not _has_ended(pid)}) and time.monotonic() < until_s:
        _send(pids, number)
        received = signal.sigtimedwait(_OWN, _LOOK_S)
        if received is not None and received.si_signo in cut_short:
            break
    return pids
