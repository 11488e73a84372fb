"""Runs the examples in ``tests/cases/consent``: written to be read and corrected by a lawyer."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from engine.vocabulary import Channel, from_word
from guardrails.consent.ages import AgeBand
from guardrails.consent.check import Question, check
from guardrails.consent.events import Parent
from guardrails.consent.ledger import ConsentEvent, Status, replay, validate, with_defaults
from guardrails.consent.permission import Denial, GpcStatus, LawfulBasis
from guardrails.consent.settings import ConsentSettings

FOLDER = Path(__file__).parents[2] / "cases" / "consent"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def load_cases():
    for path in sorted(FOLDER.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text())["cases"]:
            yield pytest.param(case, id=case["title"])


CASES = list(load_cases())


def ms(moment):
    when = moment if isinstance(moment, date) else datetime.fromisoformat(moment)
    if not isinstance(when, datetime):
        when = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return (when - EPOCH) // timedelta(milliseconds=1)


def event_of(given, number):
    fields = dict(given)
    channels, categories = fields.pop("channels", None), fields.pop("data_categories", None)
    valid_until, goods = fields.pop("valid_until", None), fields.pop("item_categories", None)
    event = ConsentEvent(
        record_id=fields.pop("record", f"event-{number}"),
        purpose=fields.pop("purpose"),
        status=Status(fields.pop("status")),
        at_ms=ms(fields.pop("at")),
        valid_until_ms=None if valid_until is None else ms(valid_until),
        channels=None if channels is None else frozenset(from_word(Channel, word) for word in channels),
        data_categories=None if categories is None else frozenset(categories),
        notice_id="privacy",
        notice_version="2026-01",
        method=fields.pop("method", "toggle"),
        actor=fields.pop("actor", "data_subject"),
        explicit=fields.pop("explicit", False),
        confirmed_override=fields.pop("confirmed_override", False),
        parent=parent_of(fields.pop("parent", None)),
        item_categories=None if goods is None else frozenset(goods),
    )
    assert not fields, f"the case names unknown fields {sorted(fields)}"
    return event


def parent_of(fields):
    return fields and Parent(fields["relation"], fields["verification_method"], ms(fields["verified_at"]))


def question_of(asked):
    fields = dict(asked)
    at_ms, channel = ms(fields.pop("at")), fields.pop("channel", None)
    band = fields.pop("age_band", None)
    return Question(
        at_ms=at_ms,
        channel=channel and from_word(Channel, channel),
        age_band=band and AgeBand(band),
        **fields,
    )


def settings_of(given):
    outdated = {
        notice: {str(version): ms(since) for version, since in versions.items()}
        for notice, versions in given.get("outdated", {}).items()
    }
    return ConsentSettings(**{"jurisdiction": "EU", **given, "outdated": outdated})


def answer_of(case):
    settings = settings_of(case.get("settings", {}))
    events = [
        with_defaults(event_of(given, number), settings) for number, given in enumerate(case.get("given", []))
    ]
    for event in events:
        validate(event)
    return check(replay(events), question_of(case["asked"]), settings)


def test_there_are_enough_cases_and_no_title_is_used_twice():
    titles = [parameter.id for parameter in CASES]
    assert len(titles) >= 30
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("case", CASES)
def test_the_case_is_complete(case):
    assert set(case) - {"settings", "given"} == {"title", "asked", "expect", "why"}
    assert set(case["expect"]) <= {"permitted", "because", "basis", "decided_by", "expires", "gpc"}
    assert ("because" in case["expect"]) is not case["expect"]["permitted"]


@pytest.mark.parametrize("case", CASES)
def test_the_check_answers_as_the_case_says(case):
    expect, answer = case["expect"], answer_of(case)
    assert answer.permitted is expect["permitted"]
    assert answer.because == (Denial(expect["because"]) if "because" in expect else None)
    assert answer.basis is LawfulBasis(expect.get("basis", "none"))
    if "gpc" in expect:
        assert answer.gpc is GpcStatus(expect["gpc"])
    if "decided_by" in expect:
        assert answer.record_id == expect["decided_by"]
    if "expires" in expect:
        assert answer.expires_at_ms == ms(expect["expires"])
