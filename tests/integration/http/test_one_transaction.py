"""A request reads in one transaction, which begins when all of it has arrived and ends before it waits."""

import io
import threading
from contextlib import contextmanager

import orjson
import pytest
from sqlalchemy import event
from support.http import BUYER, EVERYTHING, PROFILING

from api.storage.api_keys import KeyLimits, Role, create_key, find_key, revoke
from api.storage.connection import writing
from api.storage.recorder import Recorder

ASKED = {"placement": "home", "customer_id": BUYER}


class Body(io.BytesIO):
    """A body that notes when it is waited for."""

    def __init__(self, content, noted):
        super().__init__(content)
        self.noted = noted

    def read(self, *size):
        self.noted.append("body")
        return super().read(*size)

    def readinto(self, buffer):
        self.noted.append("body")
        return super().readinto(buffer)


@contextmanager
def noting(engine, noted):
    """Note what this thread does with connections, and nobody else."""
    here = threading.get_ident()

    def note(what):
        def heard(*_):
            if threading.get_ident() == here:
                noted.append(what)

        return heard

    listeners = [(name, note(name)) for name in ("checkout", "begin", "checkin")]
    for name, heard in listeners:
        event.listen(engine, name, heard)
    try:
        yield
    finally:
        for name, heard in listeners:
            event.remove(engine, name, heard)


@pytest.fixture
def asking(shop, monkeypatch):
    """Ask in this thread; return the answer, and what happened on the way in its order."""
    submit = Recorder.submit
    noted = []

    def record(recorder, written):
        noted.append("record")
        return submit(recorder, written)

    monkeypatch.setattr(Recorder, "submit", record)
    client = shop.app.test_client()

    def ask(secret, asked=ASKED, **headers):
        noted.clear()
        content = orjson.dumps(asked)
        environ = {"wsgi.input": Body(content, noted), "CONTENT_LENGTH": str(len(content))}
        with noting(shop.wiring.engine, noted):
            answer = client.post(
                "/v1/recommendations",
                headers={"Authorization": f"Bearer {secret}", **headers},
                content_type="application/json",
                environ_overrides=environ,
            )
        return answer, [what for what, before in zip(noted, [None, *noted], strict=False) if what != before]

    return ask


READ_ONCE = ["body", "checkout", "begin", "checkin"]
LOOKED_UP_FIRST = ["checkout", "begin", "checkin", "body"]


def test_who_is_known_is_looked_up_where_all_else_is_read_once_the_body_is_here(shop, asking):
    key = shop.keys[Role.SITE]
    shop.wiring.seen_keys.note(key, None)
    answer, steps = asking(key)
    assert answer.status_code == 200
    assert steps == [*LOOKED_UP_FIRST, "checkout", "begin", "checkin", "record"]
    answer, steps = asking(key)
    assert answer.status_code == 200
    assert steps == [*READ_ONCE, "record"]
    token = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()["token"]
    answer, steps = asking(token, {"placement": "home"})
    assert answer.status_code == 200
    assert steps == [*READ_ONCE, "record"]


def test_of_a_stranger_no_body_is_waited_for(asking):
    answer, steps = asking("tactful_site_guessed")
    assert answer.status_code == 401
    assert steps == ["checkout", "begin", "checkin"]
    answer, steps = asking("ct_guessed")
    assert answer.status_code == 401
    assert "body" not in steps


def test_nothing_is_held_while_requests_of_the_day_are_taken(shop, asking):
    with writing(shop.wiring.engine) as conn:
        _, key = create_key(conn, Role.SITE, "tests", 1, KeyLimits(n_per_day=200))
    taking = ["checkin", "checkout", "begin"] * 2 + ["checkin", "record"]
    asking(key)  # takes two
    assert asking(key)[1] == [*READ_ONCE, "record"]
    assert asking(key)[1] == ["body", "checkout", "begin", *taking]
    assert asking(key)[0].headers["RateLimit"].startswith('"day";r=196;')


REFUSED = (
    {"placement": "nowhere"},
    {"placement": "home", "count": -1},
    {"placement": "home", "context": {"item_id": "unheard of"}},
    {"placement": "home", "after": "unheard of"},
)


def test_what_is_refused_holds_no_connection(shop, asking):
    asking(shop.keys[Role.SITE])
    for asked in REFUSED:
        answer, steps = asking(shop.keys[Role.SITE], {"customer_id": BUYER, **asked})
        assert answer.status_code == 422, asked
        assert steps == READ_ONCE, asked


def test_what_the_request_itself_says_is_seen_by_it(shop, asking):
    shop.choose("given", *EVERYTHING)
    key = shop.keys[Role.SITE]
    assert asking(key)[0].json["basis"] == "profile"
    answer, steps = asking(key, ADPC="withdraw=*")
    assert answer.json["basis"] != "profile"
    assert steps[:4] == READ_ONCE
    assert steps.count("begin") == 3  # the caller, what is stored, all else


def test_a_key_that_was_revoked_and_a_consent_that_was_withdrawn_hold_from_the_next_request(shop, asking):
    shop.choose("given", *EVERYTHING)
    key = shop.keys[Role.SITE]
    asking(key)
    assert asking(key)[0].json["basis"] == "profile"
    shop.choose("withdrawn", PROFILING)
    assert asking(key)[0].json["basis"] != "profile"
    with writing(shop.wiring.engine) as conn:
        revoke(conn, find_key(conn, key).key_id, 1)
    assert asking(key)[0].status_code == 401
