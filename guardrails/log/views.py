"""Views of the log in words that others use: provenance, a table of reasons, statements of reasons.

Each view is made a decision at a time, so that a log may be larger than memory. What is not disclosed is
not in it: without any section a decision is only what its entry says, which names nobody.

* ``provenance``: PROV-JSON (W3C Member Submission of 24 April 2013, of the PROV data model). A decision is
  a bundle of its own. Entities are policy, model, catalogue, the kinds of evidence and the slate; the
  activity is the decision; agents are the shop, its software and, as a role that names nobody, the customer.
* ``reasons``: CSV, a row for each suggestion that was withheld or shown. Takes ``rules`` and ``out``.
* ``statements``: JSON in the words of the EU's DSA Transparency Database, submission schema 2 (in force
  since 1 July 2025), a statement for each suggestion that was withheld. Takes ``rules`` and ``out``. Not to
  be submitted as it is: to withhold a suggestion of the shop's own goods is no restriction in the sense of
  article 17 of the DSA, and where goods of others are sold, the fields that ``NOT_IN_STATEMENTS`` names have
  to be filled in from elsewhere.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from engine.vocabulary import Kind, word
from guardrails.log.codes import REGISTRY, ReasonCode

Json = Mapping[str, Any]

COLUMNS = ("log_index", "minute", "placement", "outcome", "rule", "reason", "item")
"""Of the table of reasons; ``minute`` is UTC, ``rule`` is empty where nothing withheld the item."""

SHOWN, WITHHELD = "shown", "withheld"

NEEDED = MappingProxyType(
    {"prov": frozenset[str](), "csv": frozenset({"rules", "out"}), "dsa": frozenset({"rules", "out"})}
)
"""Sections that each view cannot do without, by the view's short name."""

SCHEMA = "DSA Transparency Database, submission schema 2 (1 July 2025)"

NOT_IN_STATEMENTS = MappingProxyType(
    {
        "decision_monetary": "no payment is restricted",
        "decision_provision": "no service is suspended",
        "decision_account": "no account is suspended",
        "account_type": "the item is no account's",
        "illegal_content_legal_ground": "nothing is withheld for being illegal content",
        "illegal_content_explanation": "nothing is withheld for being illegal content",
        "decision_ground_reference_url": "the policy is named by its hash",
        "category_addition": "one category says it",
        "category_specification": "no keyword fits",
        "content_id": "the record has the shop's own id, which stands in decision_facts, and no EAN-13",
        "content_date": "when the item was first offered is not in the record",
        "content_language": "the language of the item is not in the record",
        "territorial_scope": "it holds for one request, wherever that came from",
        "end_date_visibility_restriction": "it ends with the request",
        "end_date_monetary_restriction": "no payment is restricted",
        "end_date_account_restriction": "no account is suspended",
        "end_date_service_restriction": "no service is suspended",
        "source_identity": "nobody gave notice",
    }
)
"""Fields of the schema that do not apply, or that a record cannot fill, and why."""

_CATEGORIES = MappingProxyType(
    {
        ReasonCode.MINOR: "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
        ReasonCode.AGE_RESTRICTED: "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
        ReasonCode.LEGAL_RESTRICTED: "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    }
)
_OTHER_CATEGORY = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHOP, _CUSTOMER = "tactful:shop", "tactful:customer"


class Viewed(NamedTuple):
    """A decision as it is viewed.

    Attributes:
        log_index: where in the log it is.
        entry: its entry, parsed.
        sections: what is disclosed of it, parsed, by name.
    """

    log_index: int
    entry: Json
    sections: Mapping[str, Json]


class Verdict(NamedTuple):
    """What became of one item.

    Attributes:
        outcome: ``SHOWN`` or ``WITHHELD``.
        item: its id.
        rule: the rule that withheld it; empty where none did.
        reason: the rule's code, or the code of the reason it was shown for.
    """

    outcome: str
    item: str
    rule: str
    reason: str


def verdicts(viewed: Viewed) -> Iterator[Verdict]:
    """Yield what became of each item, as the sections ``rules`` and ``out`` say: withheld ones first."""
    reasons = _reasons(viewed.sections["rules"])
    out = viewed.sections["out"]
    for each in out["withheld"]:
        yield Verdict(WITHHELD, each["item"], each["rule"], reasons[each["rule"]])
    for each in out["list"]:
        yield Verdict(SHOWN, each["item"], "", each["code"])


def reasons(decisions: Iterable[Viewed]) -> Iterator[bytes]:
    """Yield the table of reasons in pieces, its heading first."""
    yield _row(COLUMNS)
    for viewed in decisions:
        said = viewed.entry
        for each in verdicts(viewed):
            where = (viewed.log_index, _time(said["t_min"]), said["placement"])
            yield _row((*where, each.outcome, each.rule, each.reason, each.item))


def statements(decisions: Iterable[Viewed]) -> Iterator[bytes]:
    """Yield statements of reasons in pieces of one JSON document."""
    head = orjson.dumps({"schema": SCHEMA, "not_applicable": dict(NOT_IN_STATEMENTS)})
    yield from _listed(head, "statements", b"[]", map(orjson.dumps, _statements(decisions)))


def provenance(decisions: Iterable[Viewed], origin: str) -> Iterator[bytes]:
    """Yield the provenance of decisions in pieces of one PROV-JSON document.

    Args:
        decisions: to be described.
        origin: the log's name.
    """
    prefix = {"tactful": "urn:tactful:", "xsd": "http://www.w3.org/2001/XMLSchema#"}
    members = (
        orjson.dumps(_decision_id(viewed)) + b":" + orjson.dumps(_bundle(viewed, origin))
        for viewed in decisions
    )
    yield from _listed(orjson.dumps({"prefix": prefix}), "bundle", b"{}", members)


def _reasons(rules: Json) -> dict[str, str]:
    """Return the reason code of each rule that was asked, about one item or about the list."""
    found: dict[str, str] = {}
    for said in rules["rounds"]:
        found |= {each["rule"]: each["reason"] for each in said["asked"]}
        found |= {each["rule_id"]: each["reason_code"] for each in said["slate"]}
    return found


def _row(cells: Iterable[object]) -> bytes:
    """Write a row; a text that a spreadsheet would take for a formula is quoted."""
    written = io.StringIO()
    texts = (str(cell) for cell in cells)
    csv.writer(written).writerow(f"'{text}" if text.startswith(_FORMULA) else text for text in texts)
    return written.getvalue().encode()


def _listed(head: bytes, name: str, brackets: bytes, members: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a JSON object with one member more, whose own members come one by one."""
    yield head[:-1] + b"," + orjson.dumps(name) + b":" + brackets[:1]
    for number, member in enumerate(members):
        yield (b",\n" if number else b"\n") + member
    yield b"\n" + brackets[1:] + b"}\n"


def _time(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _statements(decisions: Iterable[Viewed]) -> Iterator[dict[str, object]]:
    for viewed in decisions:
        withheld = (each for each in verdicts(viewed) if each.outcome == WITHHELD)
        for number, each in enumerate(withheld):
            yield _statement(viewed.entry, each, number)


def _statement(entry: Json, verdict: Verdict, number: int) -> dict[str, object]:
    code = ReasonCode(verdict.reason)
    meaning, law = REGISTRY[code].meaning, REGISTRY[code].law
    return {
        "puid": f"{entry['id']}-{number}",
        "decision_visibility": ["DECISION_VISIBILITY_OTHER"],
        "decision_visibility_other": "not suggested in answer to one request; offered in the shop as before",
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": f"rule {verdict.rule} of policy {entry['policy']}",
        "incompatible_content_explanation": f"{code}: {meaning}" + (f" ({law})" if law else ""),
        "incompatible_content_illegal": "No",
        "category": _CATEGORIES.get(code, _OTHER_CATEGORY),
        "content_type": ["CONTENT_TYPE_PRODUCT"],
        "application_date": _time(entry["t_min"])[:10],
        "decision_facts": f"item {verdict.item} was considered for placement {entry['placement']}",
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_FULLY",
    }


def _decision_id(viewed: Viewed) -> str:
    return f"tactful:decision/{viewed.entry['id']}"


def _bundle(viewed: Viewed, origin: str) -> Json:
    """Describe one decision; statements about relations have no names that anybody could refer to."""
    said, decision = viewed.entry, _decision_id(viewed)
    at, slate = _time(said["t_min"]), f"{decision}/slate"
    policy, software = f"tactful:policy/{said['policy']}", f"tactful:engine/{said['engine']}"
    used = _used(viewed)
    associated = [
        {"prov:activity": decision, "prov:agent": software, "prov:plan": policy},
        {"prov:activity": decision, "prov:agent": _SHOP, "prov:role": "controller"},
        {"prov:activity": decision, "prov:agent": _CUSTOMER, "prov:role": "served"},
    ]
    return {
        "entity": {
            policy: _typed("tactful:Policy"),
            **used,
            slate: _typed("tactful:Slate", **_slate(viewed)),
        },
        "activity": {
            decision: {
                **_typed("tactful:Decision"),
                "prov:startTime": at,
                "prov:endTime": at,
                "tactful:log_index": viewed.log_index,
                **{f"tactful:{name}": said[name] for name in ("placement", "basis", "outcome", "mode")},
            }
        },
        "agent": {
            _SHOP: {**_typed("prov:Organization"), "prov:label": origin},
            software: _typed("prov:SoftwareAgent"),
            _CUSTOMER: _typed("prov:Person"),
        },
        "used": _unnamed(
            "u", [{"prov:activity": decision, "prov:entity": entity} for entity in (policy, *used)]
        ),
        "wasGeneratedBy": _unnamed("g", [{"prov:entity": slate, "prov:activity": decision, "prov:time": at}]),
        "wasAssociatedWith": _unnamed("a", associated),
        "wasAttributedTo": _unnamed("t", [{"prov:entity": slate, "prov:agent": _SHOP}]),
        "actedOnBehalfOf": _unnamed("b", [{"prov:delegate": software, "prov:responsible": _SHOP}]),
    }


def _used(viewed: Viewed) -> dict[str, Json]:
    """Return what the decision was made from besides its policy, as far as that is disclosed."""
    model, cand = viewed.entry["model"], viewed.sections.get("cand")
    found: dict[str, Json] = {} if model is None else {f"tactful:model/{model}": _typed("tactful:Model")}
    if cand is None:
        return found
    found[f"tactful:catalogue/{cand['catalogue']}"] = _typed("tactful:Catalogue")
    kinds = Counter(kind for considered in cand["rounds"][-1:] for kind in considered["evidence"]["kind"])
    for kind, n in sorted(kinds.items()):
        name = word(Kind(kind))
        entity = f"{_decision_id(viewed)}/evidence/{name}"
        found[entity] = _typed("tactful:Evidence", **{"tactful:kind": name, "tactful:n": n})
    return found


def _slate(viewed: Viewed) -> dict[str, object]:
    out = viewed.sections.get("out")
    shown: dict[str, object] = {"tactful:n_shown": viewed.entry["n_shown"]}
    if out is not None:
        shown["tactful:item"] = [each["item"] for each in out["list"]]
    return shown


def _typed(type_: str, **more: object) -> dict[str, object]:
    return {"prov:type": {"$": type_, "type": "xsd:QName"}, **more}


def _unnamed(letter: str, relations: Iterable[Json]) -> dict[str, Json]:
    return {f"_:{letter}{number}": relation for number, relation in enumerate(relations)}
