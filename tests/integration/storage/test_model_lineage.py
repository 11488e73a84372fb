"""Training and forgetting tell where models come from, in counts and versions alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from support.learning import LATER_MS, TRAINED_MS, numbers_of, open_shop, takes_back, unseen

from api.forgetting.models import forget_customers
from api.training import train
from guardrails.consent.events import Status


def test_what_a_training_and_a_forgetting_did_is_told_and_of_nobody(sqlite_store, tmp_path):
    settings = replace(sqlite_store.settings, lineage_file=tmp_path / "lineage.jsonl")
    open_shop(sqlite_store, 16)
    trained = train(sqlite_store.engine, settings, TRAINED_MS, unseen)
    takes_back(sqlite_store, "c03", LATER_MS - 1, Status.RESTRICTED)
    gone = numbers_of(sqlite_store, "c03").values()
    forgotten = forget_customers(sqlite_store.engine, settings, gone, LATER_MS, unseen)
    text = settings.lineage_file.read_text("utf-8")
    events = [json.loads(line) for line in text.splitlines()]
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("train", "START"),
        ("train", "COMPLETE"),
        ("forget", "START"),
        ("forget", "COMPLETE"),
    ]
    (made,) = events[1]["outputs"]
    assert made["facets"]["version"]["datasetVersion"] == trained.version
    assert events[1]["run"]["facets"]["tactful_run"]["nCustomers"] == 16
    before, learned_from = events[3]["inputs"]
    assert before["facets"]["version"]["datasetVersion"] == trained.version
    assert learned_from["name"] == "interactions"
    assert events[3]["outputs"][0]["facets"]["version"]["datasetVersion"] == forgotten.after
    assert events[3]["run"]["facets"]["tactful_run"]["path"] == forgotten.path
    assert re.search(r"\bc\d\d\b", text) is None  # by whole words: random ids hold any three digits
