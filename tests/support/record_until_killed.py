"""Records decisions from four threads and writes down each one that was acknowledged, until killed.

With a name for this run, ids begin with it and the place of each decision is written beside it.
"""

from __future__ import annotations

import os
import sys
import threading
from itertools import count
from pathlib import Path

from support.stores import a_decision, settings_for

from api.logbook import open_logbook
from api.storage.connection import open_engine
from api.storage.recorder import Recorder
from api.wiring import now_ms


def main(url: str, data_dir: Path, run: str = "") -> None:
    settings = settings_for(url, data_dir)
    recorder = Recorder(open_logbook(settings, open_engine(settings), now_ms))
    recorder.start()
    threads = [threading.Thread(target=_record, args=(recorder, name, run)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _record(recorder: Recorder, name: str, run: str) -> None:
    for number in count():
        decision_id = f"{run}{name}{number}"
        log_index = recorder.submit(a_decision(decision_id))
        place = f" {log_index}" if run else ""
        os.write(sys.stdout.fileno(), f"{decision_id}{place}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
