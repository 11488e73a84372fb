"""A customer who used everything the service offers, erased over HTTP: no byte of theirs is left.

Other tests plant text in every column; here the text gets there by the service itself.
"""

import logging
import time

import pytest
from support.forgetting import traces
from support.http import EVERYTHING

from api.logging import JsonLines, note

NAME = "customer-Zebedee-4711"
MARKS = {what: f"mark-{what}-7f3a" for what in ("visit", "event", "record", "brand", "category", "case")}
"""Of visit, event and case the service keeps keyed digests alone."""


@pytest.fixture
def log(caplog):
    caplog.handler.setFormatter(JsonLines())
    logger = logging.getLogger("tactful")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


def uses_everything(shop):
    """Agree, look around, be shown things, say something of them, mute, and export it all."""
    consents = [
        {
            "purpose": purpose,
            "status": "given",
            "record_id": f"{MARKS['record']}-{number}",
        }
        for number, purpose in enumerate(EVERYTHING)
    ]
    path = f"/v1/customers/{NAME}"
    answers = [shop.ask("POST", f"{path}/consents", json={"events": consents})]
    mutes = [{"scope": scope, "value": MARKS[scope]} for scope in ("brand", "category")]
    answers.append(shop.ask("PUT", f"{path}/preferences", json={"mutes": mutes}))
    now_ms = shop.wiring.clock()
    events = [
        {
            "event_id": f"{MARKS['event']}-{number}",
            "kind": "purchase" if number % 2 else "view",
            "item_id": f"bread-{number % 5}",
            "customer_id": NAME,
            "session_id": MARKS["visit"],
            "at_ms": now_ms,
        }
        for number in range(10)
    ]
    answers.append(shop.ask("POST", "/v1/events", json={"events": events}))
    answers.append(shop.ask("POST", "/v1/events", json={"events": list(news(now_ms))}))
    for _ in range(3):
        shown = shop.recommend(customer_id=NAME, session_id=MARKS["visit"])
        said = {"items": [{"item_id": shown.json()["items"][0]["item_id"], "kind": "not_interested"}]}
        feedback = shop.ask("POST", f"/v1/decisions/{shown.json()['decision_id']}/feedback", json=said)
        answers += [shown, feedback]
    shown_in_visit = shop.recommend(session_id=MARKS["visit"])
    export = shop.ask("GET", f"{path}/export")
    answers += [shown_in_visit, export]
    assert [answer.text for answer in answers if not answer.is_success] == []
    kept = shop.settings.data_dir / "exports"
    kept.mkdir(exist_ok=True)
    (kept / "export.json").write_text(export.text)


def news(now_ms):
    """What has happened to them beside: at the account, and before they logged in."""
    of_kind = {
        "complaint_opened": {"reference": MARKS["case"]},
        "delivery_delayed": {"reference": MARKS["case"]},
        "payment_failed": {},
        "loss_declared": {},
        "self_excluded": {"sensitive_class": "gambling"},
        "mute": {"scope": "item", "value": "lamp-1"},
        "gift": {"reference": f"{MARKS['event']}-1"},
    }
    who = {"customer_id": NAME, "session_id": MARKS["visit"]}
    for kind, more in of_kind.items():
        yield {"event_id": f"{MARKS['event']}-{kind}", "kind": kind, "at_ms": now_ms, **who, **more}
    at_visit = {"kind": "payment_failed", "session_id": MARKS["visit"], "at_ms": now_ms}
    yield {"event_id": f"{MARKS['event']}-visit", **at_visit}


def needles_of(shop):
    subjects = shop.wiring.subjects
    texts = (NAME, *MARKS.values())
    keys = (subjects.account(NAME), subjects.session(MARKS["visit"]))
    case = subjects.reference(keys[0], MARKS["case"])
    return {
        "digest of the case": case.encode(),
        **{text: text.encode() for text in texts},
        **{f"{text} in utf-16": text.encode("utf-16-le") for text in texts},
        **{f"key {number}": key for number, key in enumerate(keys)},
        **{f"key {number} in hex": key.hex().encode() for number, key in enumerate(keys)},
    }


@pytest.mark.parametrize("mode", ["delete", "anonymize"])
def test_whoever_used_everything_leaves_no_byte_behind(store, shop, mode, log):
    uses_everything(shop)
    needles = needles_of(shop)
    found = traces(store, needles)
    for text in (NAME, *(MARKS[what] for what in ("record", "brand", "category"))):
        assert any(hit.startswith(f"{text} in ") for hit in found), text
    assert any(hit.startswith("digest of the case ") for hit in found)
    assert any(hit.startswith("key 0 ") for hit in found)
    assert any(hit.startswith("key 1 ") for hit in found)

    cascade_id = shop.ask("DELETE", f"/v1/customers/{NAME}", params={"mode": mode}).json()["cascade_id"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = shop.ask("GET", f"/v1/cascades/{cascade_id}")
        if told.json()["finished_at_ms"] is not None:
            break
        time.sleep(0.02)
    assert {each["status"] for each in told.json()["steps"]} == {"complete"}

    note("test:log:read")
    assert "http:request:answered" in log.text
    assert traces(store, needles, beside=[log.text.encode(), told.content]) == []
    export = shop.ask("GET", f"/v1/customers/{NAME}/export").text  # that it was asked for is a new fact
    assert [mark for mark in MARKS.values() if mark in export] == []
