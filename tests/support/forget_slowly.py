"""Works on what is due and says when it comes to the history; killed in the middle of that."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from support.forgetting import nothing_learned
from support.stores import NOW_MS, settings_for

from api.forgetting.worker import Forgetting
from api.logbook import open_logbook
from api.storage import erasure
from api.storage.connection import open_engine


def main(url: str, data_dir: str) -> None:
    settings = settings_for(url, Path(data_dir))
    logbook = open_logbook(settings, open_engine(settings), lambda: NOW_MS)
    work = Forgetting(logbook, settings, lambda: NOW_MS, nothing_learned)
    erase_history = erasure.erase_history

    def slowly(*args, parting: bool = True):
        n = erase_history(*args, parting=parting)
        if parting:
            print("history", flush=True)  # noqa: T201  the test waits for it
            time.sleep(0.05)
        return n

    erasure.erase_history = slowly
    work.work_on_due()


if __name__ == "__main__":
    main(*sys.argv[1:])
