"""Nothing waits or grows for ever: what the database is told, and what bodies may be."""

import gzip

import pytest
from sqlalchemy import text
from support.http import fill, serving

from api.storage.api_keys import Role
from api.storage.connection import (
    IDLE_S,
    PAGES_KIB,
    SERVING_PAGES_KIB,
    STATEMENT_S,
    WAITING_S,
    clear_deleted,
    open_engine,
    reading,
    upgrade,
)

DEEP = 100_000


def set_to(store, name):
    with reading(store.engine) as conn:
        return conn.execute(text(f"SHOW {name}")).scalar_one()


@pytest.fixture
def shop(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False)) as served:
        yield served


def test_postgresql_is_told_how_long_a_statement_a_lock_and_an_idle_transaction_may_take(postgresql_store):
    def as_told():
        return {name: set_to(postgresql_store, name) for name in told}

    told = {
        "statement_timeout": f"{STATEMENT_S // 60}min",
        "lock_timeout": f"{WAITING_S}s",
        "idle_in_transaction_session_timeout": f"{IDLE_S // 60}min",
    }
    assert as_told() == told
    upgrade(postgresql_store.engine)
    clear_deleted(postgresql_store.engine, ["mutes"])
    assert as_told() == told, "what takes as long as it takes leaves nothing of that behind"


def test_connections_of_a_served_shop_keep_little_of_a_file_to_themselves(shop):
    def pages_kib(engine):
        with reading(engine) as conn:
            return -conn.execute(text("PRAGMA cache_size")).scalar_one()

    importing = open_engine(shop.settings)
    assert pages_kib(shop.wiring.engine) == SERVING_PAGES_KIB
    assert pages_kib(importing) == PAGES_KIB > SERVING_PAGES_KIB
    importing.dispose()


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/events"])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_that_goes_too_deep_is_refused_as_what_it_is(shop, path, opening):
    headers = {"Content-Type": "application/json"}
    answer = shop.ask("POST", path, content=opening * DEEP, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-body")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_yaml_that_goes_too_deep_is_refused_as_what_it_is(shop, opening):
    answer = shop.ask(
        "POST",
        "/v1/policies",
        Role.MARKETER,
        content=opening * DEEP,
        headers={"Content-Type": "application/yaml"},
    )
    assert answer.status_code == 422, answer.text


def test_yaml_that_grows_while_it_is_read_is_refused(shop):
    laughs = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9) if n else '1'}]" for n in range(12))
    answer = shop.ask(
        "POST", "/v1/policies", Role.MARKETER, content=laughs, headers={"Content-Type": "application/yaml"}
    )
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_nothing_is_unpacked_that_somebody_sends(shop, coding):
    bomb = gzip.compress(b" " * 5_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    assert shop.ask("POST", "/v1/recommendations", content=bomb, headers=headers).status_code == 415
