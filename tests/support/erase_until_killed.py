"""Erases somebody and dies by force at a step of the way."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from support.stores import NOW_MS, SUBJECTS, settings_for

from api.forgetting import keys
from api.forgetting.begin import Erasable
from api.logbook import Logbook, open_logbook
from api.storage.cascades import Mode
from api.storage.connection import open_engine
from guardrails.request import SubjectKind


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, data_dir: str, customer_id: str, step: str) -> None:
    settings = settings_for(url, Path(data_dir))
    logbook = open_logbook(settings, open_engine(settings), lambda: NOW_MS)
    if step == "blocked":
        keys.destroy_keys = die
    elif step == "destroyed":
        Logbook.add = die
    else:
        Logbook.publish = die
    subject = Erasable.of(SUBJECTS, SubjectKind.ACCOUNT, customer_id)
    keys.erase(logbook, SUBJECTS, subject, Mode.DELETE, (), lambda: os.urandom(8).hex(), NOW_MS)


if __name__ == "__main__":
    main(*sys.argv[1:])
