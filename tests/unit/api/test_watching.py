"""Watching over workers, without a server: small processes that come, go, and do not want to go."""

import subprocess
import sys
import time

import pytest

WATCHED = """
import os, signal, sys, time
from api.cli.watching import Patience, StartError, Watch
from api.logging import write_to_stderr

def work(number, announce):
    {work}

write_to_stderr()
try:
    sys.exit(Watch(1, work, Patience(0, 0.5), [], [sys.executable, "-c", "raise SystemExit({check})"]).run())
except StartError as error:
    sys.exit(str(error))
"""
STAYS = "os.write(announce, b'.'); time.sleep(60)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.write(announce, b'.'); time.sleep(60)"


def watched(work, check=0):
    program = WATCHED.format(work=work, check=check)
    return subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)


def said(process, event):
    """Read on until something is said; return the line."""
    for line in process.stderr:
        if f'"{event}"' in line:
            return line
    raise AssertionError(event)


def test_where_no_worker_ever_starts_it_is_given_up():
    process = watched("raise ValueError('nothing works')")
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "no worker can be started" in told
    assert told.count('"worker:failed"') == 3
    assert "nothing works" not in told  # an error may quote what is somebody's


@pytest.mark.parametrize(("work", "code"), [(STAYS, 0), (STUBBORN, 1)])
def test_who_does_not_stop_in_time_is_killed_and_that_is_told(work, code):
    process = watched(work)
    said(process, "server:workers:ready")
    began = time.monotonic()
    process.terminate()
    assert f'"n_killed":{code}' in said(process, "server:stopped")
    assert process.wait(60) == code
    assert time.monotonic() - began < 30
    process.stderr.close()


def test_a_renewal_that_would_fail_is_refused_and_all_goes_on():
    process = watched(STAYS, check=1)
    said(process, "server:workers:ready")
    process.send_signal(1)
    said(process, "server:reload:refused")
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 0
    process.stderr.close()
