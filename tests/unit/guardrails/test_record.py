from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from support import shops
from support.scenes import agreeing, any_scenes
from support.shops import (
    EVERYTHING,
    NOW_MS,
    Choices,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    an_event,
    decided,
    did,
    just_did,
    knowing,
    on_page,
    recorded,
    sections_of,
)
from support.tries import tries

from engine.vocabulary import Channel
from guardrails.consent.events import Status
from guardrails.errors import RecordError
from guardrails.log.canonical import canonical
from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.log.packing import pack
from guardrails.log.record import (
    SALT_BYTES,
    SECTIONS,
    _asked,
    _cand,
    _consent,
    _out,
    _req,
    _rules,
    open_body,
    section_digest,
)
from guardrails.request import Context
from guardrails.rules import CATALOGUE

REQUEST = a_request("product_page", context=on_page("lamp-0", "milk-3"))
KNOWN = knowing(
    [did("bread-0"), did("cream-1", age_days=3), did("wool-0"), did("bread-1"), did("milk-1", is_gift=True)],
    [just_did("soap-0")],
    [shops.was_shown("milk-2")],
)
DECISION = decided(REQUEST, agreeing(), KNOWN)
RECORD = recorded(DECISION, REQUEST, KNOWN)
HEADER = orjson.loads(RECORD.header)
READ = {name: orjson.loads(content) for name, content in sections_of(RECORD).items()}


def columns_in(document):
    """Yield the NumPy arrays anywhere in a document."""
    if isinstance(document, np.ndarray):
        yield document
    elif isinstance(document, dict | list | tuple):
        for member in document.values() if isinstance(document, dict) else document:
            yield from columns_in(member)


class TestTheHeader:
    def test_says_what_kind_of_thing_happened_and_nothing_about_whom(self):
        assert {
            "v": 2,
            "type": "decision",
            "id": "00000000-0000-4000-8000-000000000000",
            "t_min": NOW_MS // 60_000,
            "placement": "product_page",
            "basis": "profile",
            "engine": "b" * 64,
            "policy": a_house().policy_version,
            "model": a_house().recommender.version,
            "mode": "enforce",
            "outcome": "personalised",
            "arm": None,
            "n_cand": sum(len(taken.candidates) for taken in DECISION.rounds),
            "n_shown": len(DECISION.suggestions),
            "n_withheld": sum(len(taken.slate.held_back) for taken in DECISION.rounds),
            "sd": None,
        } == HEADER | {"sd": None}

    def test_is_canonical(self):
        assert canonical(HEADER) == RECORD.header

    def test_carries_the_digests_of_the_sections(self):
        salts, sections = open_body(RECORD.body)
        assert HEADER["sd"] == [section_digest(name, salts[name], sections[name]) for name in SECTIONS]

    def test_holds_nothing_personal(self):
        """Plant a mark in everything that is the customer's or the shop's, and look for it."""
        mark = "planted"
        titles = tuple(f"{mark} {title}" for title in a_catalogue().titles)
        item_ids = tuple(f"{item_id}-{mark}" for item_id in a_catalogue().item_ids)
        catalogue = replace(a_catalogue(), item_ids=item_ids, titles=titles)
        events = [
            an_event(purpose, record_id=f"{mark}-{purpose}", notice_version=mark) for purpose in EVERYTHING
        ]
        house = a_house(catalogue=catalogue)
        request = replace(REQUEST, seed=mark.encode().ljust(16))
        choices = Choices(a_ledger(but=events))
        record = recorded(
            decided(request, choices, KNOWN, house), request, KNOWN, house, response=mark.encode()
        )
        everything = b"".join(sections_of(record).values())
        assert everything.count(mark.encode()) > 20
        seed = base64.b64encode(request.seed)
        assert seed in everything
        for planted in (mark.encode(), seed, str(NOW_MS).encode(), b"bread-0", b"lamp-0"):
            assert planted not in record.header

    def test_two_customers_with_the_same_counts_have_the_same_header_but_for_digests(self):
        other = knowing(
            [
                did("bread-0"),
                did("cream-1", age_days=4),
                did("wool-0"),
                did("bread-1"),
                did("milk-1", is_gift=True),
            ]
        )
        first = orjson.loads(recorded(decided(REQUEST, agreeing(), KNOWN), REQUEST, KNOWN).header)
        second = orjson.loads(recorded(decided(REQUEST, agreeing(), other), REQUEST, other).header)
        assert {name for name in first if first[name] != second[name]} <= {"sd", "ct", "n_withheld", "n_cand"}

    def test_names_no_model_where_none_had_a_say(self):
        request = a_request("email", channel=Channel.EMAIL)
        header = orjson.loads(recorded(decided(request), request).header)
        assert (header["model"], header["basis"], header["outcome"]) == (None, "none", "empty")

    def test_says_that_it_fell_back(self):
        decision = decided(a_request(), Choices(ledger=None))
        assert orjson.loads(recorded(decision, a_request()).header)["mode"] == "fallback"


class TestTheBody:
    def test_opens_to_salts_and_sections(self):
        salts, sections = open_body(RECORD.body)
        assert list(salts) == list(sections) == list(SECTIONS)
        assert {len(salt) for salt in salts.values()} == {SALT_BYTES}
        assert len(set(salts.values())) == len(SECTIONS)

    def test_every_section_is_canonical(self):
        assert all(canonical(READ[name]) == content for name, content in sections_of(RECORD).items())

    @given(scene=any_scenes())
    @tries(20)
    def test_every_section_of_any_record_is_canonical_and_its_wide_columns_were_looked_at(self, scene):
        decision, house = scene.decide(), scene.house
        record = recorded(decision, scene.request, scene.known, house)
        assert canonical(orjson.loads(record.header)) == record.header
        assert all(canonical(orjson.loads(each)) == each for each in sections_of(record).values())
        documents = [
            *(_req(scene.request, house.catalogue), _consent(decision, scene.known)),
            *(_cand(decision, scene.request, house), _rules(decision), _out(decision, house.catalogue, b"")),
        ]
        assert all(column.itemsize < 8 for column in columns_in(documents))

    def test_who_was_asked_is_written_under_each_policy_as_it_is(self):
        for n_rules in range(1, len(CATALOGUE) + 1):
            for house in (a_house(rules=CATALOGUE[:n_rules]), a_house(rules=CATALOGUE[-n_rules:])):
                record = recorded(decided(REQUEST, agreeing(), KNOWN, house), REQUEST, KNOWN, house)
                asked = orjson.loads(sections_of(record)["rules"])["rounds"][0]["asked"]
                assert [each["rule"] for each in asked] == [rule.id for rule in house.rules]
        assert _asked.cache_info().currsize <= _asked.cache_parameters()["maxsize"] == 64

    def test_a_digest_is_what_it_is_said_to_be(self):
        salt, content = b"s" * 16, b'{"a":1}'
        assert (
            section_digest("req", salt, content)
            == base64.urlsafe_b64encode(hashlib.sha256(b"gr1\x00req\x00" + salt + content).digest())
            .rstrip(b"=")
            .decode()
        )

    def test_sections_are_told_apart_by_name_and_salt(self):
        digests = {section_digest(name, salt, b"{}") for name in SECTIONS for salt in (b"a" * 16, b"b" * 16)}
        assert len(digests) == 10

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"nonsense",
            pack(b"no base64!\n{}\n{}\n{}\n{}\n{}"),
            pack(b"AAAA\n{}"),
            pack(b"AAAA\n{}\n{}\n{}\n{}\n{}\n{}"),
            RECORD.body[:-9],
        ],
    )
    def test_what_is_not_a_body_is_refused(self, body):
        with pytest.raises(RecordError, match="cannot be opened"):
            open_body(body)

    @pytest.mark.parametrize("secret", [b"", b"x" * 15, b"x" * 17])
    def test_a_secret_too_short_or_too_long_is_refused(self, secret):
        with pytest.raises(RecordError, match="a secret of 16 bytes"):
            recorded(DECISION, REQUEST, secret=secret)

    def test_what_cannot_be_written_canonically_is_refused(self):
        house = a_house(catalogue=replace(a_catalogue(), titles=("e\u0301",) * a_catalogue().n_items))
        with pytest.raises(RecordError):
            recorded(decided(REQUEST, agreeing(), KNOWN, house), REQUEST, KNOWN, house)


class TestTheSections:
    def test_req_says_what_was_asked(self):
        req = READ["req"]
        assert (req["ts"], req["item"], req["basket"]) == (NOW_MS, "lamp-0", ["milk-3"])
        assert req["placement"]["name"] == "product_page"
        assert req["categories"] == ["Home"]
        assert base64.b64decode(req["seed"]) == REQUEST.seed

    def test_consent_says_what_stood_what_was_read_and_what_was_kept_out(self):
        consent = READ["consent"]
        by_purpose = {entry["purpose"]: entry for entry in consent["permissions"]}
        profiling = by_purpose[shops.PROFILING]
        assert profiling["permitted"]
        assert profiling["channels"] == [Channel.WEB, Channel.APP]
        assert profiling["record_id"] == f"consent-{shops.PROFILING}"
        assert consent["reads"] == [{"store": "interactions", "n": 1}]
        assert consent["profiling"] is KNOWN.profiling
        assert consent["kept_out"] == [{"rule": "G11", "n": 1}, {"rule": "G12", "n": 2}]
        assert consent["muted"]["categories"] == ["Pharmacy"]

    def test_consent_says_why_not(self):
        choices = Choices(a_ledger(*EVERYTHING, but=[an_event(shops.PROFILED, Status.CONSENT_WITHDRAWN)]))
        decision = decided(REQUEST, choices)
        consent = orjson.loads(sections_of(recorded(decision, REQUEST))["consent"])
        assert (consent["history"], consent["history_by"]) == (False, shops.PROFILED)
        assert {entry["because"] for entry in consent["permissions"]} == {None, "WITHDRAWN"}

    def test_without_reading_no_read_is_recorded(self):
        consent = orjson.loads(sections_of(recorded(decided(a_request()), a_request()))["consent"])
        assert consent["reads"] == []

    def test_cand_names_catalogue_model_and_page(self):
        assert READ["cand"]["catalogue"] == a_catalogue().version
        assert READ["cand"]["model"] == a_house().recommender.version
        assert READ["cand"]["page"] == {
            "category": a_catalogue().categories.index("Home"),
            "sensitive_class": None,
        }

    def test_cand_of_no_page_says_none(self):
        request = a_request(context=Context())
        assert orjson.loads(sections_of(recorded(decided(request), request))["cand"])["page"] is None

    def test_cand_holds_a_column_entry_for_every_candidate(self):
        considered = READ["cand"]["rounds"][0]
        n = len(considered["items"])
        columns = [
            *considered["seen"].values(),
            considered["score"],
            considered["base"],
            considered["intent"],
        ]
        assert {len(column) for column in columns if isinstance(column, list)} == {n}
        assert len(considered["ptr"]) == n + 1

    def test_rules_hold_everything_that_fired_and_every_rule_asked(self):
        said = READ["rules"]["rounds"][0]
        assert [each["rule"] for each in said["asked"]] == [rule.id for rule in CATALOGUE]
        assert all(ReasonCode(each["reason"]) in REGISTRY for each in said["asked"])
        judged = DECISION.rounds[0].judged
        fired = {
            (rule, row)
            for rule, judgement in enumerate(judged.judgements)
            for row, effect in enumerate(judgement.effect)
            if effect
        }
        assert set(zip(said["fired"]["rule"], said["fired"]["row"], strict=True)) == fired
        assert len({len(column) for column in said["fired"].values()}) == 1

    def test_the_names_of_categories_and_brands_stand_beside_their_codes(self):
        for taken, considered in zip(DECISION.rounds, READ["cand"]["rounds"], strict=True):
            catalogue = taken.view.catalogue
            for name, codes, names in (
                ("categories", taken.view.category, catalogue.categories),
                ("brands", taken.view.brand, catalogue.brands),
            ):
                known = sorted({code for code in codes.tolist() if code >= 0})
                assert considered[name] == [names[code] for code in known]

    def test_out_says_what_was_answered(self):
        out = READ["out"]
        assert [each["item"] for each in out["list"]] == [
            a_catalogue().item_ids[each.item_idx] for each in DECISION.suggestions
        ]
        assert [(each["purpose"], each["lawful_basis"]) for each in out["list"]] == [
            (each.rests_on.purpose, each.rests_on.basis) for each in DECISION.suggestions
        ]
        assert out["response_sha256"] == hashlib.sha256(b"{}").hexdigest()
        assert len(out["withheld"]) == HEADER["n_withheld"]


def test_every_reason_code_has_an_entry_and_every_rule_one_of_them():
    assert set(REGISTRY) == set(ReasonCode)
    assert {rule.reason_code for rule in CATALOGUE} <= set(REGISTRY)
