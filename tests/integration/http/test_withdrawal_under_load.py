"""Many customers change their minds while many clients ask: every record agrees with the ledger."""

import itertools
import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import orjson
from support.http import BUYER, OFFERS, PROFILED, STORAGE
from support.tries import many

from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.consents import read_events
from api.storage.decisions import read_decision
from engine.vocabulary import Channel
from guardrails.consent.check import Question, check
from guardrails.consent.ledger import replay
from guardrails.log.record import open_body

N_CUSTOMERS, N_CLIENTS = 200, 8
N_REQUESTS = {"sqlite": many(10_000) // N_CLIENTS * N_CLIENTS, "postgresql": 2_000}
SHARE_OF_CHOICES = 0.2
FLIPPED = (PROFILED, OFFERS, STORAGE)
"""Consent to the profile itself is left out: withdrawing it sets a forgetting off, shown elsewhere."""


@dataclass(frozen=True)
class Answer:
    """A decision, and between which moments it was asked for and received."""

    customer_id: str
    decision_id: str
    began: float
    ended: float


@dataclass(frozen=True)
class Choice:
    """A choice that was stored, and between which moments it was sent and confirmed."""

    record_id: str
    began: float
    ended: float


class Crowd:
    """Clients that ask for anybody at random, and now and then change anybody's mind."""

    def __init__(self, shop):
        self.shop = shop
        self.n_requests = N_REQUESTS[shop.wiring.engine.dialect.name]
        self.answers, self.choices = [], defaultdict(list)
        self.lock = threading.Lock()

    def client(self, number):
        rng = random.Random(number)
        headers = self.shop.auth(Role.SITE)
        with httpx.Client(base_url=self.shop.url, headers=headers, timeout=60) as client:
            for _ in range(self.n_requests // N_CLIENTS):
                customer_id = f"{BUYER}-{rng.randrange(N_CUSTOMERS)}"
                choosing = rng.random() < SHARE_OF_CHOICES
                (self.choose if choosing else self.ask)(client, customer_id, rng)

    def choose(self, client, customer_id, rng):
        body = {"purpose": rng.choice(FLIPPED), "status": rng.choice(["given", "withdrawn"])}
        began = time.monotonic()
        answer = client.post(f"/v1/customers/{customer_id}/consents", json=body)
        ended = time.monotonic()
        assert answer.status_code == 201, answer.text
        (event,) = answer.json()["events"]
        with self.lock:
            self.choices[customer_id].append(Choice(event["record_id"], began, ended))

    def ask(self, client, customer_id, _rng):
        began = time.monotonic()
        answer = client.post("/v1/recommendations", json={"placement": "home", "customer_id": customer_id})
        assert answer.status_code == 200, answer.text
        with self.lock:
            self.answers.append(Answer(customer_id, answer.json()["decision_id"], began, time.monotonic()))


class Ledgers:
    """What the ledger can have been when an answer was made: exactly known, but for what was under way."""

    def __init__(self, conn, shop, choices):
        self.settings = shop.settings.consent
        self.choices = {each.record_id: each for some in choices.values() for each in some}
        subjects = shop.wiring.subjects
        self.events = {each: read_events(conn, subjects.account(each)) for each in choices}

    def permissions(self, answer, purpose, at_ms):
        """Return every permission that can have held while the answer was made."""
        before, during = [], []
        for event in self.events.get(answer.customer_id, []):
            choice = self.choices[event.record_id]
            if event.purpose != purpose or choice.began > answer.ended:
                continue
            (before if choice.ended < answer.began else during).append(event)
        stored = itertools.chain.from_iterable(
            itertools.combinations(during, n) for n in range(len(during) + 1)
        )
        question = Question(purpose, at_ms, channel=Channel.WEB)
        return [check(replay([*before, *some]), question, self.settings) for some in stored]


def told_by(record):
    """Return what a record says of each purpose, and at which time."""
    _, sections = open_body(record.body)
    consent, asked = orjson.loads(sections["consent"]), orjson.loads(sections["req"])
    return {each["purpose"]: each for each in consent["permissions"]}, asked["ts"]


def test_every_record_agrees_with_the_ledger_as_of_its_moment(shop):
    crowd = Crowd(shop)
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        list(pool.map(crowd.client, range(N_CLIENTS)))
    assert len(crowd.answers) + sum(map(len, crowd.choices.values())) == crowd.n_requests

    n_open = 0
    with reading(shop.wiring.engine) as conn:
        ledgers = Ledgers(conn, shop, crowd.choices)
        for answer in crowd.answers:
            record = read_decision(conn, shop.wiring.logbook.keyring, answer.decision_id)
            told, at_ms = told_by(record)
            for purpose in FLIPPED:
                possible = ledgers.permissions(answer, purpose, at_ms)
                n_open += len({each.permitted for each in possible}) > 1
                assert (told[purpose]["permitted"], told[purpose]["because"], told[purpose]["record_id"]) in [
                    (each.permitted, each.because, each.record_id) for each in possible
                ]
    assert n_open < len(crowd.answers) / 20, "nearly every answer has exactly one ledger to agree with"
