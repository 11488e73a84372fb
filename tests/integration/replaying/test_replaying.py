"""Decisions of a real shop are made again from what is kept: here, elsewhere, later, or not, and why."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from support import shops
from support.in_force import put_in_force, put_in_shadow, put_unreadable
from support.learning import N_ITEMS, TRAINED_MS, open_shop, unseen
from support.policies import a_policy, a_rule
from support.stores import NOW_MS, Store
from support.waiting import until

from api.metrics import Metrics
from api.replaying import MOST_KEPT, Replayer, ReplayReport, replay
from api.runtime import Runtime
from api.storage.connection import reading, writing
from api.storage.items import ItemRow, upsert_items
from api.storage.versions import MODEL, SHADOW, activate, active, deactivate, mark_erased
from api.training import train
from engine.interactions import DAY_MS, Interactions
from engine.snapshots import Snapshots
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.admit import admit
from guardrails.consent.purposes import Purpose
from guardrails.decide import decide
from guardrails.house import House
from guardrails.log.replay import Finding
from guardrails.messages import LANGUAGES
from guardrails.policy.language import Atom, Mode, Op, RuleEffect
from guardrails.request import Choices, Context, Known

BUILD = "b" * 64
SHOP_RULES = a_policy(
    a_rule("not-these", when=Atom("item.id", Op.IN, ("item-03", "item-11"))),
    a_rule("less", when=Atom("item.brand", Op.EQUAL, "Acme"), effect=RuleEffect.DEMOTE, share_micro=700_000),
    a_rule("told", when=Atom("evidence.from_history", Op.EQUAL, value=True), mode=Mode.WARN),
)
EXACT = (Finding.EXACT, Finding.EXACT)


@dataclass(frozen=True)
class Made:
    """A decision as it was recorded."""

    sections: dict[str, bytes]
    header: dict[str, Any]

    def __post_init__(self) -> None:
        assert set(self.sections) == {"req", "consent", "cand", "rules", "out"}


@dataclass
class Shop:
    """A store with a trained model, served."""

    store: Store
    runtime: Runtime
    metrics: Metrics

    @property
    def house(self) -> House:
        with reading(self.store.engine) as conn:
            return self.runtime.as_of(conn).house

    def made(self, n: int = 12) -> list[Made]:
        return [_made(self.house, seed) for seed in range(n)]

    def replayed(self, made: Made) -> ReplayReport:
        with reading(self.store.engine) as conn:
            return replay(conn, self.store.settings, made.sections, made.header, BUILD)

    def findings(self, made: Made) -> tuple[Finding, Finding]:
        report = self.replayed(made)
        return report.l1.finding, report.l2.finding

    def reload(self) -> None:
        with reading(self.store.engine) as conn:
            versions = active(conn)
        assert self.runtime.wait_for(versions, 30)
        until(lambda: self.house.catalogue.version in Snapshots(self.store.settings.catalogues_dir))


_BOUGHT = (int(Kind.PURCHASE), int(Channel.WEB), int(Purpose.PROFILING), 0, int(Provenance.OWN))


def _made(house: House, seed: int) -> Made:
    chance = np.random.default_rng(seed)
    bought = [
        (0, int(item), *_BOUGHT[:1], NOW_MS - int(days) * DAY_MS, *_BOUGHT[1:])
        for item, days in zip(
            chance.permutation(N_ITEMS)[: seed % 6], chance.integers(1, 60, 6), strict=False
        )
    ]
    page = None if seed % 3 else int(chance.integers(N_ITEMS))
    request = shops.a_request(
        "home" if page is None else "product_page",
        context=Context(item_idx=page, categories=() if page is None else (0,)),
        count=4,
        now_ms=NOW_MS,
        language=LANGUAGES[seed % len(LANGUAGES)],
    )
    choices = Choices(shops.a_ledger(*shops.EVERYTHING))
    admission = admit(request, choices, house.catalogue.sensitive_classes, house.consent)
    known = Known(Interactions.from_rows(bought), Interactions.empty())
    decision = decide(request, admission, known, house)
    record = shops.recorded(decision, request, known, house, build=BUILD)
    return Made(dict(shops.sections_of(record)), orjson.loads(record.header))


@pytest.fixture
def served(sqlite_store: Store) -> Iterator[Shop]:
    open_shop(sqlite_store, 16)
    train(sqlite_store.engine, sqlite_store.settings, TRAINED_MS, unseen)
    put_in_force(sqlite_store.engine, SHOP_RULES)
    put_in_shadow(sqlite_store.engine, a_policy(a_rule("nothing")))
    metrics = Metrics()
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, metrics)
    runtime.start()
    yield Shop(sqlite_store, runtime, metrics)
    runtime.close()


def test_every_decision_is_exact_on_both_levels(served):
    made = served.made(20)
    assert {served.findings(each) for each in made} == {EXACT}
    assert {each.header["basis"] for each in made} >= {"popular", "contextual"}
    assert all(orjson.loads(each.sections["rules"])["shadow"] for each in made)
    rounds = [taken for each in made for taken in orjson.loads(each.sections["cand"])["rounds"]]
    assert sum(any(taken["n_terms"]) for taken in rounds) > len(made) // 2


@pytest.mark.parametrize("n_threads", ["1", "2"])
def test_in_another_process_with_other_numbers_of_threads_they_are_exact(served, tmp_path, n_threads):
    made = served.made()
    written = [
        {
            "header": each.header,
            "sections": {name: base64.b64encode(text).decode() for name, text in each.sections.items()},
        }
        for each in made
    ]
    file = tmp_path / "records.json"
    file.write_bytes(orjson.dumps({"build": BUILD, "records": written}))
    script = Path(__file__).parents[2] / "support" / "replay_elsewhere.py"
    settings = served.store.settings
    threads = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), n_threads)
    here = os.pathsep.join(path for path in sys.path if path)
    said = subprocess.run(
        [sys.executable, str(script), settings.database_url, str(settings.data_dir), str(file)],
        env={**os.environ, **threads, "PYTHONHASHSEED": n_threads, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split("\n")[:-1] == ["exact exact"] * len(made)


def test_later_they_are_made_again_from_the_catalogue_and_the_model_of_then(served):
    before = served.made()
    with writing(served.store.engine) as conn:
        upsert_items(
            conn, [ItemRow("item-05", "Another name", "Home > Things", "Globex", 999, "EUR")], NOW_MS
        )
        deactivate(conn, MODEL)
        deactivate(conn, SHADOW)
    put_in_force(served.store.engine, a_policy())
    served.reload()
    after = served.made()
    assert {served.findings(each) for each in (*before, *after)} == {EXACT}
    catalogues = {orjson.loads(each.sections["cand"])["catalogue"] for each in (*before, *after)}
    assert catalogues <= set(Snapshots(served.store.settings.catalogues_dir).versions())
    assert len(catalogues) == 2


def test_another_price_in_the_catalogue_is_told(served):
    (made,) = served.made(1)
    considered = orjson.loads(made.sections["cand"])
    considered["rounds"][0]["seen"]["price_minor"][0] += 1
    altered = replace(made, sections={**made.sections, "cand": orjson.dumps(considered)})
    report = served.replayed(altered)
    assert (report.l2.finding, report.l2.pointer) == (
        Finding.DIFFERS,
        "/cand/rounds/0/seen/price_minor/0",
    )


def personal(served: Shop) -> Made:
    return next(each for each in served.made(20) if orjson.loads(each.sections["cand"])["model"])


class TestWhatIsNotKeptAnyMore:
    def test_a_catalogue(self, served):
        made = personal(served)
        Snapshots(served.store.settings.catalogues_dir).prune(())
        report = served.replayed(made)
        assert (report.l1.finding, report.l2.finding) == (Finding.EXACT, Finding.ARTEFACT_PRUNED)
        assert "is not kept" in report.l2.detail

    def test_a_model_that_was_removed_or_altered(self, served):
        made = personal(served)
        folder = served.store.settings.artefacts_dir / orjson.loads(made.sections["cand"])["model"]
        weights = bytearray((folder / "weights.npy").read_bytes())
        weights[-1] ^= 1
        (folder / "weights.npy").write_bytes(weights)
        assert "hash differs" in served.replayed(made).l2.detail
        shutil.rmtree(folder)
        assert served.findings(made) == (Finding.EXACT, Finding.ARTEFACT_PRUNED)

    def test_a_model_that_the_store_does_not_know(self, served):
        made = personal(served)
        cand = orjson.loads(made.sections["cand"]) | {"model": "0" * 64}
        altered = replace(made, sections={**made.sections, "cand": orjson.dumps(cand)})
        assert served.replayed(altered).l2.finding is Finding.ARTEFACT_PRUNED

    def test_a_model_that_somebody_was_forgotten_from_even_where_it_is_still_loaded(self, served):
        made = personal(served)
        replayer = Replayer(served.store.settings, BUILD)
        with reading(served.store.engine) as conn:
            assert replayer.replay(conn, made.sections, made.header).l2.finding is Finding.EXACT
        with writing(served.store.engine) as conn:
            mark_erased(conn, None, NOW_MS)
        with reading(served.store.engine) as conn:
            report = replayer.replay(conn, made.sections, made.header)
        assert (report.l1.finding, report.l2.finding) == (Finding.EXACT, Finding.ERASED)

    def test_a_policy(self, served):
        made = personal(served)
        altered = replace(made, header=made.header | {"policy": "0" * 64})
        assert served.findings(altered) == (Finding.POLICY_GONE, Finding.POLICY_GONE)


def test_many_states_are_replayed_in_turn_while_few_stay_loaded(served):
    made = served.made(2)
    for number in range(MOST_KEPT + 1):
        put_in_force(served.store.engine, a_policy(a_rule(f"rule-{number}")))
        made += served.made(2)
    replayer = Replayer(served.store.settings, BUILD)
    with reading(served.store.engine) as conn:
        for each in made + made[::-1]:
            report = replayer.replay(conn, each.sections, each.header)
            assert (report.l1.finding, report.l2.finding) == EXACT


def test_a_model_that_says_something_else_of_itself_than_it_did_is_not_replayed_with(served):
    made = personal(served)
    folder = served.store.settings.artefacts_dir / orjson.loads(made.sections["cand"])["model"]
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    manifest["model"]["notes"] = ["said later, and nothing goes by it"]
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    assert served.findings(made) == EXACT
    manifest["model"]["usefulness_floor"] += 1_000
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    assert served.findings(made) == (Finding.EXACT, Finding.ARTEFACT_PRUNED)


def test_where_no_policy_could_be_read_that_is_what_is_asked_again(sqlite_store):
    open_shop(sqlite_store, 16)
    put_unreadable(sqlite_store.engine)
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, Metrics())
    runtime.start()
    shop = Shop(sqlite_store, runtime, Metrics())
    (made,) = shop.made(1)
    said = orjson.loads(made.sections["rules"])["rounds"][0]["asked"][0]
    assert said["rule"] == "NO_POLICY"
    assert shop.findings(made) == EXACT
    runtime.close()


def test_without_a_model_or_a_policy_of_ones_own_they_are_exact(sqlite_store):
    open_shop(sqlite_store, 16)
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, Metrics())
    runtime.start()
    shop = Shop(sqlite_store, runtime, Metrics())
    assert {shop.findings(each) for each in shop.made()} == {EXACT}
    runtime.close()


def test_a_catalogue_that_cannot_be_kept_is_counted_and_no_outage(sqlite_store):
    open_shop(sqlite_store, 16)
    sqlite_store.settings.catalogues_dir.write_text("in the way")
    metrics = Metrics()
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, metrics)
    runtime.start()
    shop = Shop(sqlite_store, runtime, metrics)
    (made,) = shop.made(1)
    assert b"tactful_snapshots_failed_total 1.0" in metrics.exposition()
    assert shop.findings(made) == (Finding.EXACT, Finding.ARTEFACT_PRUNED)
    sqlite_store.settings.catalogues_dir.unlink()
    activate_again = {"name": "catalogue", "version": "77", "now_ms": NOW_MS}
    with writing(sqlite_store.engine) as conn:
        activate(conn, **activate_again)
    shop.reload()
    assert shop.findings(made) == EXACT
    runtime.close()
