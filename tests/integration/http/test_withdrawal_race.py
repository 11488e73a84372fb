"""Withdrawal holds on the very next request, whoever else is asking meanwhile."""

import threading
import time

import httpx
from support.http import BUYER, EVERYTHING, PROFILED, PROFILING

from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.versions import POLICY, activate, active, put_policy
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits, RepeatLimits

N_CLIENTS = 8
N_FLIPS = 6
N_ANSWERS = 10
PATIENCE_S = 60
ALWAYS = 1_000_000


def never_tire(shop):
    """Put a policy in force under which the same may be shown again and again: it would be, here."""
    policy = Policy(limits=Limits(repeat=RepeatLimits(cooldown_after=ALWAYS, hard_at=ALWAYS)))
    with writing(shop.wiring.engine) as conn:
        activate(conn, POLICY, put_policy(conn, policy, 1), 1)
        versions = active(conn)
    assert shop.wiring.runtime.wait_for(versions, PATIENCE_S)


class Hammer:
    """Clients that ask without a pause, and remember of each answer when its request began."""

    def __init__(self, shop):
        self.shop = shop
        self.answers, self.failures = [], []
        self.over = threading.Event()
        self.clients = [threading.Thread(target=self.ask) for _ in range(N_CLIENTS)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for client in self.clients:
            client.join()

    def ask(self):
        headers = self.shop.auth(Role.SITE)
        with httpx.Client(base_url=self.shop.url, headers=headers, timeout=PATIENCE_S) as client:
            while not self.over.is_set():
                began = time.monotonic()
                answer = client.post("/v1/recommendations", json={"placement": "home", "customer_id": BUYER})
                if answer.status_code == 200:
                    self.answers.append((began, answer.json()["basis"]))
                else:
                    self.failures.append(answer.text)

    def bases_from_now_on(self):
        """Wait for answers to requests that begin from now on, and say on what basis they were given."""
        since = time.monotonic()
        while time.monotonic() < since + PATIENCE_S:
            begun = [basis for began, basis in list(self.answers) if began >= since]
            if len(begun) >= N_ANSWERS:
                return begun
            time.sleep(0.01)
        raise AssertionError("nobody was answered")


def test_no_answer_uses_the_profile_once_its_withdrawal_was_confirmed(shop):
    never_tire(shop)
    shop.choose("given", *EVERYTHING)
    with Hammer(shop) as hammer:
        for _ in range(N_FLIPS):
            assert shop.choose("withdrawn", PROFILED).status_code == 201
            assert "profile" not in hammer.bases_from_now_on()
            assert shop.choose("given", PROFILED).status_code == 201
            assert set(hammer.bases_from_now_on()) == {"profile"}
        assert shop.choose("withdrawn", PROFILING).status_code == 201
        assert "profile" not in hammer.bases_from_now_on()
        assert shop.choose("given", PROFILING).status_code == 201
        assert "profile" not in hammer.bases_from_now_on()  # what was kept until then is forgotten
    assert hammer.failures == []
