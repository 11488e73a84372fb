"""Nothing is depended on without a reason, and an audit that reached nobody is not a clean one."""

import json

import pytest
from support import audit
from support.audit import CLEAN, UNKNOWN, WEAK, Audit, main, read_report
from support.dependencies import declared, explained, n_rows, normalised
from support.sbom import REASON, explain

SOUND = {"name": "a", "version": "1", "vulns": []}
BROKEN = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
LEFT_OUT = {"name": "c", "skip_reason": "not found"}


def report(*dependencies):
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_every_direct_dependency_stands_in_the_readme_with_its_reason_and_nothing_else_does():
    assert sorted(explained()) == declared()
    assert n_rows() == len(declared()), "no row that is not understood, and none twice"


def test_every_reason_says_something():
    assert [name for name, why in explained().items() if len(why) < len("likewise")] == []


def test_a_component_has_the_reason_of_the_readme_or_names_what_brings_it():
    bill = {
        "components": [{"bom-ref": each, "name": each} for each in ("A_a", "b", "c", "d", "pip")],
        "dependencies": [
            {"ref": "A_a", "dependsOn": ["b"]},
            {"ref": "b", "dependsOn": ["c"]},
            {"ref": "c", "dependsOn": ["b"]},
            {"ref": "d", "dependsOn": ["c"]},
            {"ref": "pip"},
        ],
    }
    assert explain(bill, {"a-a": "for the tests", "d": "likewise"}) == ["pip"]
    told = {each["name"]: each["properties"] for each in bill["components"]}
    assert told["A_a"] == [{"name": REASON, "value": "for the tests"}]
    assert told["b"] == [{"name": REASON, "value": "comes with a-a, d"}]
    assert told["c"] == [{"name": REASON, "value": "comes with a-a, d"}]
    assert told["pip"][0]["value"].startswith("in the environment")
    assert normalised("A_a.b") == "a-a-b"


def test_a_report_tells_what_is_weak_and_what_was_left_out():
    assert read_report(report(SOUND, BROKEN, LEFT_OUT)) == Audit(2, 1, ("b 2: CVE-1, mended in 3",))
    assert read_report("") == Audit(0, 0, ())


@pytest.mark.parametrize(
    ("reports", "arguments", "code"),
    [
        ({"pypi": report(SOUND)}, [], CLEAN),
        ({"pypi": report(SOUND, BROKEN)}, ["--or-say-so"], WEAK),
        ({"pypi": report(LEFT_OUT, LEFT_OUT), "osv": report(SOUND)}, [], CLEAN),
        ({"pypi": report(LEFT_OUT), "osv": ""}, [], UNKNOWN),
        ({"pypi": report(SOUND, LEFT_OUT), "osv": ""}, [], UNKNOWN),
        ({"pypi": "", "osv": ""}, ["--or-say-so"], CLEAN),
    ],
)
def test_only_a_service_that_has_answered_for_everything_can_say_that_nothing_is_known(
    monkeypatch, capsys, reports, arguments, code
):
    monkeypatch.setattr(audit, "_ask", reports.__getitem__)
    assert main(arguments) == code
    is_known = code == WEAK or any(read_report(each) == Audit(1, 0, ()) for each in reports.values())
    assert ("NOT AUDITED" in capsys.readouterr().out) == (not is_known)
