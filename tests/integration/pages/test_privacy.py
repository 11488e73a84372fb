"""The privacy centre, as a customer's browser and whoever watches the wire see it."""

import base64
import io
import json
import logging
import re
import zipfile
import zlib
from dataclasses import replace

import pytest
from support.http import BUYER, EVERYTHING, LIMITED, PROFILED, PROFILING, fill, serving
from support.pages import OF_CUSTOMERS, come_in, customer_token, hold, send, somebody, token_in

from api.errors import StoreUnavailableError
from api.logging import LOGGER, JsonLines
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.customers import read_mutes
from guardrails.consent.purposes import sensitive_key

OTHER = "other-4712"
ROOMS = ("", "/known", "/shown", "/quiet", "/data", "/history", "/erase")
SHARING = "third_party_sharing"
EMAIL = "marketing.communications.email"


@pytest.fixture
def shop(sqlite_store):
    """A shop whose buyer has agreed to everything that suggestions rest on."""
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        assert served.choose("given", *EVERYTHING, explicit=True).status_code == 201
        yield served


@pytest.fixture
def customer(shop):
    with somebody(shop) as client:
        come_in(shop, client, BUYER)
        yield client


@pytest.fixture
def written():
    """Everything that any logger writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))
    everything = [LOGGER, logging.getLogger()]
    levels = [logger.level for logger in everything]
    for logger in everything:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield stream
    for logger, level in zip(everything, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def press(client, path, seen_on="/privacy", **fields):
    """Press a button of a page."""
    return send(client, path, seen_on=seen_on, **fields)


def suggested(shop, **asked):
    return shop.recommend(customer_id=BUYER, **asked).json()


def decoded(cookie):
    """What a cookie says to whoever looks at it: signed, and not encrypted."""
    payload = cookie.lstrip(".").split(".")[0]
    content = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return zlib.decompress(content) if cookie.startswith(".") else content


# Coming in


@pytest.mark.parametrize("whole_link", [True, False])
def test_the_link_or_its_token_alone_lets_the_customer_in(shop, whole_link):
    made = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()
    with somebody(shop) as client:
        answer = client.post("/privacy/enter", data={"token": made["url" if whole_link else "token"]})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/privacy")
        assert "Suggestions use what you did here." in client.get("/privacy").text


def test_the_shops_own_page_may_send_the_token(shop):
    with somebody(shop) as client:
        answer = client.post(
            "/privacy/enter",
            data={"token": customer_token(shop, BUYER)},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert answer.status_code == 303


@pytest.mark.parametrize("token", ["", "ct_nothing", "x", "#", "ct_" + "a" * 5000])
def test_what_is_no_token_is_said_kindly_and_opens_nothing(shop, token):
    with somebody(shop) as client:
        answer = client.post("/privacy/enter", data={"token": token})
        assert answer.status_code == 422
        assert "This link has ended." in answer.text
        assert client.get("/privacy").headers["Location"] == "/privacy/enter"


def test_a_token_that_has_ended_leads_to_the_entrance_which_names_whom_to_turn_to(sqlite_store):
    keys = fill(sqlite_store.settings)
    later = {"now_ms": 0}
    settings = replace(sqlite_store.settings, contact="Ask Anna, anna@shop.example")
    with serving(settings, keys) as shop, somebody(shop) as client:
        client.post("/privacy/enter", data={"token": customer_token(shop, BUYER)})
        assert client.get("/privacy").status_code == 200
        now_ms = shop.wiring.clock() + 901_000
        with serving(settings, keys, clock=lambda: now_ms) as later, somebody(later) as same:
            hold(same, client.cookies[OF_CUSTOMERS], OF_CUSTOMERS)
            answer = same.get("/privacy", follow_redirects=True)
            assert answer.url.path == "/privacy/enter"
            assert "This link has ended." in answer.text
            assert "Ask Anna, anna@shop.example" in answer.text
            assert same.post("/privacy/choices", data={}).status_code in {303, 403}


def test_somebody_never_heard_of_has_every_room_too_and_can_choose(shop):
    with somebody(shop) as client:
        come_in(shop, client, "never-heard-of")
        for room in ROOMS:
            assert client.get(f"/privacy{room}").status_code == 200
        press(client, "/privacy/personalize", personalize="no")
        assert "You stopped personalizing." in client.get("/privacy").text
        assert press(client, "/privacy/known", scope="brand", value="Acme", action="drop").status_code == 303


def test_leaving_forgets_the_customer(shop, customer):
    assert press(customer, "/privacy/leave").headers["Location"] == "/privacy/enter"
    assert customer.get("/privacy").headers["Location"] == "/privacy/enter"


def test_the_language_that_is_chosen_stays(shop, customer):
    customer.headers["Accept-Language"] = "de"
    assert "Vorschläge verwenden, was Sie hier getan haben." in customer.get("/privacy").text
    press(customer, "/privacy/language", language="sv", next="/privacy/known")
    for room in ROOMS:
        assert '<html lang="sv">' in customer.get(f"/privacy{room}").text
    assert '<html lang="nb">' in customer.get("/privacy?language=nb").text
    assert '<html lang="nb">' in customer.get("/privacy/known").text


# What is kept to oneself


def test_no_id_of_a_customer_is_in_any_address_cookie_or_log_line(shop, written):
    with somebody(shop) as client:
        seen = []
        client.event_hooks["response"].append(seen.append)
        client.post("/privacy/enter", data={"token": customer_token(shop, BUYER)})
        for room in ROOMS:
            assert client.get(f"/privacy{room}").status_code == 200
        changed = press(client, "/privacy/personalize", personalize="no")
        assert client.get(changed.headers["Location"]).status_code == 200
        press(client, "/privacy/known", scope="item", value="bread-1", action="drop")
        press(client, "/privacy/quiet", scope="brand", value="Acme", action="mute")
        press(client, "/privacy/requests", kind="objection")
        press(client, "/privacy/download", format="json")
        erased = press(client, "/privacy/erase", seen_on="/privacy/erase", mode="delete")
        client.get(erased.headers["Location"])
    pseudonym = shop.wiring.subjects.account(BUYER).hex()
    for answer in seen:
        cookies = [
            decoded(text.split("=", 1)[1].split(";")[0]) for text in answer.headers.get_list("Set-Cookie")
        ]
        told = [
            str(answer.url),
            answer.headers.get("Location", ""),
            *answer.headers.get_list("Set-Cookie"),
            *cookies,
        ]
        for each in told:
            text = each.decode("latin-1") if isinstance(each, bytes) else each
            assert BUYER not in text
            assert pseudonym not in text
    assert seen
    assert BUYER not in written.getvalue()
    assert pseudonym not in written.getvalue()
    assert "ct_" not in written.getvalue()


def test_no_page_is_kept_by_anybody(shop, customer):
    for room in ROOMS:
        assert customer.get(f"/privacy{room}").headers["Cache-Control"] == "no-store"


def test_what_is_another_customers_cannot_be_seen_or_changed(shop, customer):
    shop.choose("given", *EVERYTHING, customer_id=OTHER)
    decision_id = shop.recommend(customer_id=OTHER).json()["decision_id"]
    record_id = shop.choose("given", EMAIL, customer_id=OTHER).json()["events"][0]["record_id"]
    assert customer.get(f"/privacy/changed?before={decision_id}&after={decision_id}").status_code == 403
    assert customer.get(f"/privacy/history/{record_id}").status_code == 404
    for path, fields in (
        ("/privacy/shown/feedback", {"decision": decision_id, "item": "bread-1", "kind": "too_personal"}),
        ("/privacy/shown/contest", {"decision": decision_id}),
    ):
        assert press(customer, path, **fields).status_code == 403
    asked = shop.ask("GET", f"/v1/customers/{OTHER}/requests").json()
    assert asked == {"requests": []}
    unknown = customer.get("/privacy/changed?before=none&after=none")
    assert unknown.status_code == 403  # whether there is such a decision is not told


# Choosing


def test_what_is_refused_on_the_page_is_not_used_by_the_very_next_recommendation(shop, customer):
    assert suggested(shop)["basis"] == "profile"
    press(customer, "/privacy/personalize", personalize="no")
    after = suggested(shop)
    assert (after["basis"], after["profiling"]) == ("popular", False)
    press(customer, "/privacy/personalize", personalize="yes")
    assert suggested(shop)["basis"] == "profile"


def test_taking_consent_back_forgets_the_profile_and_is_effective_at_once(shop, customer):
    press(customer, "/privacy/choices", purpose=PROFILING, answer="no")
    assert suggested(shop)["basis"] == "popular"
    stands = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    (profiling,) = (each for each in stands if each["purpose"] == PROFILING)
    assert profiling["status"] == "ConsentWithdrawn"


def test_a_no_that_was_never_a_yes_is_a_refusal_and_a_yes_after_it_is_one(shop, customer):
    for answer, status in (("no", "ConsentRefused"), ("yes", "ConsentGiven"), ("no", "ConsentWithdrawn")):
        press(customer, "/privacy/choices", purpose=EMAIL, answer=answer)
        stands = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
        assert next(each["status"] for each in stands if each["purpose"] == EMAIL) == status


def test_what_rests_on_an_interest_is_objected_to(shop, customer):
    limited = "personalize.content.limited"
    press(customer, "/privacy/choices", purpose=limited, answer="no")
    stands = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    assert next(each["status"] for each in stands if each["purpose"] == limited) == "ObjectionRaised"


def test_a_yes_to_a_sensitive_kind_is_an_express_one(shop, customer):
    key = sensitive_key("alcohol")
    press(customer, "/privacy/choices", purpose=key, answer="yes")
    stands = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    assert next(each["permission"]["permitted"] for each in stands if each["purpose"] == key)


def test_a_yes_names_the_notice_that_asks_for_it_and_the_page_shows_it(shop, customer):
    notice = {
        "notice_id": "shop",
        "version": "7",
        "language": "en",
        "jurisdiction": "EU",
        "text": "We would like to write to you.",
        "purposes": [EMAIL],
        "material_change": False,
    }
    assert shop.ask("PUT", "/v1/notices", Role.ADMIN, json=notice).status_code in {200, 201}
    press(customer, "/privacy/choices", purpose=EMAIL, answer="yes")
    page = customer.get("/privacy").text
    assert "We would like to write to you." in page
    assert "shop 7" in customer.get("/privacy/history").text


@pytest.mark.parametrize(
    ("jurisdiction", "said", "permitted"),
    [("US", "Only your own yes on this page goes before it.", True), (None, "No yes goes before it.", False)],
)
def test_a_signal_of_the_browser_is_shown_and_whether_a_yes_goes_before_it(
    sqlite_store, jurisdiction, said, permitted
):
    consent = replace(sqlite_store.settings.consent, jurisdiction=jurisdiction)
    settings = replace(sqlite_store.settings, consent=consent)
    with serving(settings, fill(settings)) as shop, somebody(shop) as customer:
        come_in(shop, customer, BUYER)
        customer.headers["Sec-GPC"] = "1"
        assert said in customer.get("/privacy").text
        press(customer, "/privacy/choices", purpose=SHARING, answer="yes")
        page = customer.get("/privacy").text
        assert ("Your own yes here goes before it." in page) is permitted


def test_every_choice_has_a_receipt(shop, customer):
    press(customer, "/privacy/choices", purpose=EMAIL, answer="no")
    found = re.search(r'href="(/privacy/history/[^"]+)"', customer.get("/privacy/history").text)
    receipt = customer.get(found[1])
    assert receipt.headers["Content-Disposition"].startswith("attachment")
    assert receipt.json()["services"][0]["purposes"][0]["purpose"] == EMAIL
    assert BUYER not in receipt.text


def test_a_restriction_can_be_lifted_where_it_was_asked_for(shop, customer):
    press(customer, "/privacy/requests", kind="restriction")
    assert suggested(shop)["basis"] == "none" or suggested(shop)["profiling"] is False
    assert "Your data is kept and not used" in customer.get("/privacy").text
    press(customer, "/privacy/restriction")
    assert "Your data is kept and not used" not in customer.get("/privacy").text
    assert suggested(shop)["basis"] == "profile"


# What is known, and what was shown


def test_what_is_taken_out_counts_no_longer_and_both_slates_are_records(shop, customer):
    answer = press(customer, "/privacy/known", scope="item", value="bread-1", action="drop")
    before, after = re.fullmatch(
        r"/privacy/changed\?before=(.+)&after=(.+)", answer.headers["Location"]
    ).groups()
    page = customer.get(answer.headers["Location"])
    assert "It is taken out, and counts no longer." in page.text
    for decision_id in (before, after):
        assert shop.decision(decision_id)["decision_id"] == decision_id
    used = shop.ask("GET", f"/v1/customers/{BUYER}/interests").json()["pieces"]
    assert "bread-1" not in {each["item_id"] for each in used}


def test_the_two_slates_differ_by_the_change_alone(shop, customer):
    answer = press(customer, "/privacy/known", scope="item", value="lamp-3", action="drop")  # never touched
    assert "You see the same things as before" in customer.get(answer.headers["Location"]).text


def test_a_gift_says_nothing_of_the_customer_any_more(shop, customer):
    press(customer, "/privacy/known", scope="item", value="milk-2", action="relabel")
    page = customer.get("/privacy/known").text
    assert "a gift" in page
    used = shop.ask("GET", f"/v1/customers/{BUYER}/interests").json()["pieces"]
    assert "milk-2" not in {each["item_id"] for each in used}


def test_what_is_muted_is_not_suggested_until_it_is_allowed_again(shop, customer):
    assert any(each["item_id"].startswith("milk") for each in suggested(shop, count=16)["items"])
    press(customer, "/privacy/quiet", scope="category", value="Food > Dairy", action="mute")
    assert not any(each["item_id"].startswith("milk") for each in suggested(shop, count=16)["items"])
    press(customer, "/privacy/quiet", scope="category", value="Food > Dairy", action="lift")
    with reading(shop.wiring.engine) as conn:
        assert read_mutes(conn, shop.wiring.subjects.account(BUYER)) == ()


@pytest.mark.parametrize(
    "fields", [{"scope": "occasion", "value": "nonesuch"}, {"scope": "occasion", "value": ""}]
)
def test_an_occasion_that_does_not_exist_is_muted_by_nobody(shop, customer, fields):
    answer = press(customer, "/privacy/quiet", action="mute", **fields)
    assert answer.headers["Location"] == "/privacy/quiet"
    assert "Choose something first." in customer.get("/privacy/quiet").text


def test_the_parts_of_every_suggestion_add_up_to_all_of_it(shop, customer):
    asked = suggested(shop)
    page = customer.get("/privacy/shown").text
    assert asked["items"][0]["reason"]["text"] in page
    sums = [
        sum(float(share) for share in re.findall(r": ([0-9.]+)%</li>", parts))
        for parts in re.findall(r"What it is made up of.*?</details>", page, re.DOTALL)
    ]
    assert sums
    assert all(abs(total - 100) < 0.5 for total in sums), sums


def test_what_is_said_of_a_suggestion_is_taken_down_and_the_thing_is_gone(shop, customer):
    asked = suggested(shop)
    item_id = asked["items"][0]["item_id"]
    fields = {"decision": asked["decision_id"], "item": item_id, "kind": "too_personal"}
    assert press(customer, "/privacy/shown/feedback", seen_on="/privacy/shown", **fields).status_code == 303
    assert item_id not in {each["item_id"] for each in suggested(shop)["items"]}


def test_a_contested_decision_is_a_request_with_its_clock(shop, customer):
    decision_id = suggested(shop)["decision_id"]
    press(customer, "/privacy/shown/contest", seen_on="/privacy/shown", decision=decision_id)
    (row,) = shop.ask("GET", f"/v1/customers/{BUYER}/requests").json()["requests"]
    assert (row["kind"], row["decision_id"]) == ("contest", decision_id)
    assert "being dealt with" in customer.get("/privacy/data").text


# Taking along, and being erased


def test_the_download_is_everything_in_the_language_of_the_page(shop, customer):
    customer.headers["Accept-Language"] = "da"
    as_json = press(customer, "/privacy/download", seen_on="/privacy/data", format="json")
    assert as_json.json()["language"] == "da"
    assert BUYER in as_json.text
    as_csv = press(customer, "/privacy/download", seen_on="/privacy/data", format="csv")
    assert "interactions.csv" in zipfile.ZipFile(io.BytesIO(as_csv.content)).namelist()


@pytest.mark.parametrize("mode", ["delete", "anonymize"])
def test_whoever_is_erased_is_nobody_at_once_and_has_a_receipt(shop, customer, mode):
    cookie = customer.cookies[OF_CUSTOMERS]
    answer = press(customer, "/privacy/erase", seen_on="/privacy/erase", mode=mode)
    assert suggested(shop)["profiling"] is False
    receipt = customer.get(answer.headers["Location"])
    assert receipt.status_code == 200
    assert "Nothing of you is used any more" in receipt.text
    with somebody(shop) as stranger:  # the address is enough, and says nothing of who it was
        assert stranger.get(answer.headers["Location"]).status_code == 200
        proof = stranger.get(f"{answer.headers['Location']}/proof")
        assert proof.text.startswith("c2sp.org/tlog-proof@v1")
        hold(stranger, cookie, OF_CUSTOMERS)  # what another browser of theirs still holds
        assert stranger.get("/privacy").headers["Location"] == "/privacy/enter"
    assert customer.get("/privacy").headers["Location"] == "/privacy/enter"


def test_only_an_erasure_has_a_page_of_its_own(shop, customer):
    withdrawn = shop.choose("withdrawn", PROFILING).json()["cascade_id"]
    assert withdrawn is not None
    assert customer.get(f"/privacy/erased/{withdrawn}").status_code == 404
    assert customer.get("/privacy/erased/unknown").status_code == 404
    assert customer.get("/privacy/erased/unknown/proof").status_code == 404


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/privacy/personalize", {"personalize": "perhaps"}),
        ("/privacy/choices", {"purpose": "nonesuch", "answer": "yes"}),
        ("/privacy/choices", {"purpose": PROFILED}),
        ("/privacy/known", {"scope": "item", "value": "bread-1", "action": "burn"}),
        ("/privacy/shown/feedback", {"decision": "x", "item": "bread-1", "kind": "purchased"}),
        ("/privacy/requests", {"kind": "erasure"}),
        ("/privacy/download", {"format": "exe"}),
        ("/privacy/erase", {"mode": "half"}),
    ],
)
def test_what_no_form_of_ours_would_send_changes_nothing(shop, customer, path, fields):
    before = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    answer = press(customer, path, **fields)
    assert answer.status_code == 303
    assert customer.get("/privacy").status_code == 200
    assert shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"] == before


def test_a_part_of_the_page_comes_back_where_a_script_asks_for_it(shop, customer):
    token = token_in(customer.get("/privacy"))
    part = customer.post(
        "/privacy/choices",
        data={"purpose": EMAIL, "answer": "no"},
        headers={"HX-Request": "true", "X-CSRF-Token": token},
    )
    assert part.status_code == 200
    assert part.text.strip().startswith("<article")
    assert "<html" not in part.text


def take_recorder(shop, monkeypatch):
    """Nothing is accepted for the log any more."""
    shop.wiring.recorder.close()
    return StoreUnavailableError


def break_house(shop, monkeypatch):
    """The model in force cannot be asked, in a way that nobody has thought of."""
    snapshot = shop.wiring.runtime.current()
    broken = replace(snapshot, house=replace(snapshot.house, recommender=object()))
    monkeypatch.setattr(shop.wiring.runtime, "_snapshot", broken)
    return AttributeError


def take_house(shop, monkeypatch):
    """Nothing could be loaded so far."""
    shop.wiring.runtime.close()
    monkeypatch.setattr(shop.wiring.runtime, "_snapshot", None)
    return StoreUnavailableError


@pytest.mark.parametrize("spoil", [take_recorder, break_house, take_house])
@pytest.mark.parametrize(
    ("path", "fields", "purpose", "status"),
    [
        ("/privacy/personalize", {"personalize": "no"}, PROFILED, "ConsentWithdrawn"),
        ("/privacy/choices", {"purpose": PROFILING, "answer": "no"}, PROFILING, "ConsentWithdrawn"),
        ("/privacy/choices", {"purpose": LIMITED, "answer": "no"}, LIMITED, "ObjectionRaised"),
    ],
)
def test_a_comparison_that_cannot_be_made_holds_no_change_up(
    shop, customer, written, monkeypatch, spoil, path, fields, purpose, status
):
    token = token_in(customer.get("/privacy"))
    error = spoil(shop, monkeypatch)
    answer = customer.post(path, data={"csrf_token": token, **fields})
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/privacy")
    stands = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    assert next(each["status"] for each in stands if each["purpose"] == purpose) == status
    said = [line for line in written.getvalue().splitlines() if "privacy:compare:failed" in line]
    assert {json.loads(line)["error"] for line in said} == {error.__name__}
    assert not any(BUYER in line for line in said)
    monkeypatch.undo()
    assert purpose == LIMITED or suggested(shop)["profiling"] is False
