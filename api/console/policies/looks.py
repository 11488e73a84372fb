"""A version looked at from two sides: what its tests show, and what it treats differently from another."""

from __future__ import annotations

from flask import Response

from api.console.policies.editor import AUTHORS
from api.console.policies.life_case import case_of, path_of, people_of
from api.console.policies.life_changes import PARTS, changes_between
from api.console.policies.life_taking import READERS, VERSION
from api.console.showing import console_language, show
from api.pages.blueprint import Pages
from api.pages.sessions import actor
from api.policies.examining import examined
from api.policies.telling import told_tests
from api.policies.text import write_yaml
from api.policies.versions import held_against, life_and_policy, readable
from api.schemas.policies import PolicyDiffQuerySchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.wiring import wiring
from guardrails.messages import Phrase
from guardrails.policy.difference import Change, Difference, as_plain, compare
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import Policy
from guardrails.policy.sentences import sentences_of_rule, word_in_words

MOST_REGIONS = 50
"""So many kinds of cases are shown."""

MOST_VERSIONS = 30
"""So many other versions are offered, the newest."""

blueprint = Pages("policy_looks", __name__)

_CHANGES = {
    Change.WITHHELD: Phrase("are held back now, and were not"),
    Change.LET_THROUGH: Phrase("are no longer held back"),
    Change.GENERALISED: Phrase("are made less specific now"),
    Change.NOT_GENERALISED: Phrase("are no longer made less specific"),
    Change.DEMOTED: Phrase("move down now, or further than before"),
    Change.NOT_DEMOTED: Phrase("move down less than before"),
    Change.OBLIGED: Phrase("have to come with something now"),
    Change.NOT_OBLIGED: Phrase("no longer have to come with something"),
}


@blueprint.page("GET", f"{VERSION}/tests", READERS)
def tests_page(name: str, version: str) -> Response:
    """Show how the tests of a version go, and what they would not notice."""
    console_language()
    found = wiring()
    _, policy = life_and_policy(found.engine, found.clock, name, version)
    examination = examined(found.engine, version, found.clock()).examination
    told = told_tests(version, examination)
    rules = []
    for place, rule in enumerate(policy.rules):
        outcomes = [each for each in told["tests"] if each["rule_id"] == rule.id]
        survivors = [each for each in examination.mutation.survivors if each.rule_id == rule.id]
        rules.append((place, rule, outcomes, list(enumerate(survivors))))
    return show(
        "console/policies/tests.html",
        name=name,
        version=version,
        version_path=path_of(name, version),
        tests=told,
        rules=rules,
        text=write_yaml(policy),
        word=word_in_words,
        may_write=AUTHORS.permits(Role(actor().role)),
    )


@blueprint.page("GET", f"{VERSION}/diff", READERS, query=PolicyDiffQuerySchema())
def diff_page(query: dict[str, str], name: str, version: str) -> Response:
    """Show whom a version treats differently, each with an example, or that it is proven to be nobody."""
    console_language()
    found = wiring()
    life, policy = life_and_policy(found.engine, found.clock, name, version)
    against = query.get("against") or case_of(name, version).base
    with reading(found.engine) as conn:
        before = readable(conn, against)
        people = people_of(conn)
    difference = compare(before, policy)
    others = sorted(life.versions.values(), key=lambda each: (-each.at_ms, each.version))
    former, later = ({rule.id: rule for rule in each.rules} for each in (before, policy))
    return show(
        "console/policies/diff.html",
        name=name,
        version=version,
        version_path=path_of(name, version),
        against=against,
        before=before,
        changes=changes_between(before, policy),
        parts=PARTS,
        regions=_regions(difference, before, policy)[:MOST_REGIONS],
        n_regions=len(difference.regions),
        difference=difference,
        read_out={
            each.id: (sentences_of_rule(former[each.id]), sentences_of_rule(later[each.id]))
            for each in difference.changed
        },
        others=[each for each in others if each.version != version][:MOST_VERSIONS],
        in_force=held_against(life, version),
        people=people,
        fields=FIELDS,
        word=word_in_words,
    )


def _regions(difference: Difference, before: Policy, after: Policy) -> list[dict[str, object]]:
    """Return the cases that come out differently, as a page tells of them."""
    titles = {rule.id: rule.title for policy in (before, after) for rule in policy.rules}
    plain = as_plain(difference)["regions"]
    return [
        told | {"title": titles.get(region.rule, region.rule), "said": _CHANGES[region.change]}
        for region, told in zip(difference.regions, plain, strict=True)
    ]
