"""The database gone for a while under load: answers go on, about nobody, and all are in the log later."""

import os
import threading
import time
from pathlib import Path

from sqlalchemy.engine import make_url
from support.http import BUYER, fill, serving
from support.soundness import Soundness
from support.waiting import until

from api.routes.recommendations import LOG_INDEX

GONE_S = float(os.environ.get("GONE_S", "1"))
"""How long it is gone, in seconds."""


def test_what_was_answered_while_the_database_was_gone_is_in_the_log_later(sqlite_store):
    settings = sqlite_store.settings
    file = Path(make_url(settings.database_url).database)
    away = file.with_suffix(".away")
    recorded, spooled, others = {}, set(), []
    stopped = threading.Event()
    with serving(settings, fill(settings)) as shop:

        def ask():
            while not stopped.is_set():
                answer = shop.recommend(customer_id=BUYER)
                if answer.status_code != 200:
                    others.append(answer.status_code)
                elif LOG_INDEX in answer.headers:
                    recorded[answer.json()["decision_id"]] = int(answer.headers[LOG_INDEX])
                else:
                    spooled.add(answer.json()["decision_id"])

        shop.recommend()
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.3)
        file.rename(away)
        time.sleep(GONE_S)
        away.rename(file)
        time.sleep(0.5)
        stopped.set()
        for client in clients:
            client.join()
        until(lambda: shop.wiring.spool.is_empty)
    assert others == []
    assert recorded
    assert spooled
    Soundness(settings).check(recorded, spooled)
