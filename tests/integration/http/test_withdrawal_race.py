"""Withdrawal holds on the very next request, whoever else is asking meanwhile."""

import threading
import time

import httpx
from support.http import BUYER, EVERYTHING, PROFILED, PROFILING

N_CLIENTS = 8
N_FLIPS = 12


def test_no_answer_uses_the_profile_once_its_withdrawal_was_confirmed(shop):
    """Every request notes when it began; none that began in a time of withdrawal may use the profile."""
    shop.choose("given", *EVERYTHING)
    over = threading.Event()
    answers, failures = [], []

    def hammer():
        with httpx.Client(base_url=shop.url, headers=shop.client.headers, timeout=30) as client:
            while not over.is_set():
                began = time.monotonic()
                answer = client.post(
                    "/v1/recommendations",
                    json={"placement": "home", "customer_id": BUYER},
                    headers={"Authorization": f"Bearer {shop.keys['site']}"},
                )
                if answer.status_code == 200:
                    answers.append((began, time.monotonic(), answer.json()["basis"]))
                else:
                    failures.append(answer.text)

    clients = [threading.Thread(target=hammer) for _ in range(N_CLIENTS)]
    for client in clients:
        client.start()
    withdrawn, granted = [], []
    for flip in range(N_FLIPS):
        purpose = (PROFILED, PROFILING)[flip % 2]
        assert shop.choose("withdrawn", purpose).status_code == 201
        since = time.monotonic()
        time.sleep(0.15)
        until = time.monotonic()
        assert shop.choose("given", purpose).status_code == 201
        withdrawn.append((since, until))
        granted.append(time.monotonic())
        time.sleep(0.15)
    over.set()
    for client in clients:
        client.join()

    assert failures == []
    in_withdrawal = [basis for began, _, basis in answers if any(a <= began <= b for a, b in withdrawn)]
    finished_before = [
        basis for began, ended, basis in answers if any(a <= began and ended <= b for a, b in withdrawn)
    ]
    assert len(finished_before) >= N_FLIPS
    assert "profile" not in finished_before
    late = [basis for began, ended, basis in answers if any(a <= began <= b < ended for a, b in withdrawn)]
    assert len(in_withdrawal) == len(finished_before) + len(late)
    in_grant = [
        basis for began, ended, basis in answers if any(g <= began and ended <= g + 0.15 for g in granted)
    ]
    assert "profile" in in_grant
