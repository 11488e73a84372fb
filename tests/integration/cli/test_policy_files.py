"""``tactful policy`` on files: lint, test, diff, show and schema, as an editor, a hook and CI see them."""

import json
import subprocess
import sys
from hashlib import sha256

import pytest
from click.testing import CliRunner
from support.http import fill

from api.cli import main
from api.policies.shipped import shipped_policy
from guardrails.policy.directions import WRITTEN
from guardrails.policy.document import to_document, to_plain
from guardrails.policy.fields import FIELDS

GOOD = """\
# what we promise while we owe somebody a parcel
policy: house
limits:
  G17.upsell_hard: 0.30
rules:
  - id: late-parcel
    title: No upsell while a delivery is late
    when: {field: customer.open_delivery_delay, op: "=", value: true}
    applies_to: {intent: [upsell]}
    effect: block
    rationale: Selling more while we owe a parcel reads as contempt.
    owner: customer-care
    review_by: 2099-06-01
    customer_sentence: We hold back offers while your order is late.
    tests:
      - {note: late, given: {customer.open_delivery_delay: true}, expect: block}
      - {note: on time, given: {customer.open_delivery_delay: false}, expect: allow}
      - {note: else, given: {customer.open_delivery_delay: true}, candidate: {intent: similar}, expect: allow}
"""

UNNOTICED = "".join(GOOD.splitlines(keepends=True)[:-1])
"""Without the last test nobody would notice if the rule held back all that is suggested."""

BAD = """\
policy: house
limits:
  G17.upsell_hard: 0.60
rules:
  - id: zeta
    title: No dear things
    when: {field: candidate.price_step, op: ">", value: 0.2}
    effect: block
    mode: shadow
    rationale: Kind.
    owner: customer-care
    review_by: 2099-06-01
    customer_sentence: We hold this back.
  - id: alpha
    title: Nothing that is paid for and is not
    when: {all: [{field: item.sponsored, op: "=", value: true},
                 {field: item.sponsored, op: "=", value: false}]}
    effect: block
    mode: shadow
    rationale: Kind.
    owner: customer-care
    review_by: 2099-06-01
    customer_sentence: We hold this back.
"""

SAID = """\
house.yaml:3:3: error L3 `G17.upsell_hard` may be tightened, not loosened: it ships as 0.5
    for example: rule = G17, floor = 0.5, draft = 0.6
house.yaml:5:5: warning no_test `tests`: no test shows what this rule does: ADD
house.yaml:7:5: error unguarded `candidate.price_step` may be absent: GUARD
    for example: add = {field: candidate.price_step, op: has, value: true}
house.yaml:14:5: warning no_test `tests`: no test shows what this rule does: ADD
house.yaml:16:5: error never_fires this never acts: what it asks of `item.sponsored` contradicts itself
""".replace("ADD", "add one where it acts, and one where it does not").replace(
    "GUARD", "add `candidate.price_step has true` to the same `all`, or nobody can tell"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a folder of its own, without a database."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, stdin=None):
        return CliRunner().invoke(main, ["policy", *map(str, arguments)], input=stdin)

    return invoke


@pytest.fixture
def written(tmp_path):
    """Write a file into the folder, and return its name."""

    def write(name, text):
        (tmp_path / name).write_text(text)
        return name

    return write


def data(result):
    return json.loads(result.stdout)


def test_a_policy_that_is_in_order_passes(run, written):
    result = run("lint", written("house.yaml", GOOD))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1] == "0 errors, 0 warnings"


def test_what_ships_passes(run):
    shown = run("show").stdout
    assert run("lint", "--strict", "-", stdin=shown).exit_code == 0
    assert run("test", "--strict", "-", stdin=shown).exit_code == 0


def test_findings_stand_by_line_and_column_of_the_file_each_with_its_example(run, written):
    result = run("lint", written("house.yaml", BAD))
    assert result.exit_code == 1
    assert result.stdout == SAID
    assert result.stderr.splitlines()[-1] == "3 errors, 2 warnings"


def test_findings_are_the_same_as_data(run, written):
    result = run("lint", "--json", written("house.yaml", BAD))
    assert result.exit_code == 1
    found = data(result)
    assert [(each["line"], each["column"], each["severity"], each["code"]) for each in found] == [
        (3, 3, "error", "L3"),
        (5, 5, "warning", "no_test"),
        (7, 5, "error", "unguarded"),
        (14, 5, "warning", "no_test"),
        (16, 5, "error", "never_fires"),
    ]
    assert [each["pointer"] for each in found][2] == "/rules/0/when"
    assert found[2]["example"] == {"add": {"field": "candidate.price_step", "op": "has", "value": True}}
    assert {each["file"] for each in found} == {"house.yaml"}


@pytest.mark.parametrize(
    ("name", "text", "begins"),
    [
        ("house.yaml", "policy: house\nlimts: {}\n", "house.yaml:2:1: error unknown_key `limts`"),
        ("house.yaml", "policy: [\n", "house.yaml:2:1: error syntax "),
        ("house.yaml", "policy: a\npolicy: b\n", "house.yaml:2:1: error duplicate_key "),
        ("house.json", '{"policy": "house",\n "rules": 1}', "house.json:2:2: error wrong_type "),
        ("house.json", '{"policy": }', "house.json:1:12: error syntax "),
        ("house", ' {"policy": }', "house:1:13: error syntax the text is not valid JSON here"),
        ("house", "policy: house\nrules: 1\n", "house:2:1: error wrong_type "),
    ],
)
def test_what_cannot_be_read_is_said_by_line_and_column_too(run, written, name, text, begins):
    result = run("lint", written(name, text))
    assert result.exit_code == 1
    assert result.stdout.startswith(begins)
    assert run("test", name).stdout == result.stdout
    assert data(run("test", "--json", name)) == [
        {"file": name, "findings": data(run("lint", "--json", name))}
    ]
    for command in ("diff", "show"):
        refused = run(command, name)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert begins in refused.stderr


def test_what_is_missing_is_named_where_it_belongs(run, written):
    said = run("lint", written("house.yaml", GOOD.replace("    owner: customer-care\n", ""))).stdout
    assert said == "house.yaml:6:5: error missing `owner`: this is missing\n"
    said = run("lint", written("house.yaml", "a: &x [1]\nb: *x\n")).stdout
    assert said.startswith("house.yaml:1:4: error not_supported anchors and aliases are not used here")
    assert "for example" not in said


def test_standard_input_is_read_as_what_it_is(run):
    as_json = run("show", "--json", "-", stdin=GOOD).stdout
    assert as_json.startswith("{")
    assert run("show", "--json", "-", stdin=as_json).stdout == as_json
    assert run("lint", "-", stdin=BAD).stdout.startswith("-:3:3: error L3 ")


def test_warnings_count_only_if_asked_to(run, written):
    file = written("house.yaml", UNNOTICED)
    relaxed, strict = run("lint", file), run("lint", "--strict", file)
    assert (relaxed.exit_code, strict.exit_code) == (0, 1)
    assert relaxed.stdout == strict.stdout
    assert "warning surviving_mutants" in strict.stdout


def test_several_files_are_looked_at_in_one_go(run, written):
    result = run("lint", written("good.yaml", GOOD), written("bad.yaml", BAD), "--json")
    assert result.exit_code == 1
    assert {each["file"] for each in data(result)} == {"bad.yaml"}


def test_names_are_held_against_the_shop_where_there_is_one(sqlite_store, written, run, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATABASE_URL", sqlite_store.settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(sqlite_store.settings.data_dir))
    fill(sqlite_store.settings, model=False)
    file = written("house.yaml", GOOD.replace("{intent: [upsell]}", "{placement: [hmoe]}"))
    here, anywhere = run("lint", file), run("lint", "--no-shop", file)
    assert "house.yaml:9:" in here.stdout
    assert "`hmoe`" in here.stdout
    assert "`home`" in here.stdout
    assert "hmoe" not in anywhere.stdout


def test_without_a_database_it_is_said_that_names_were_not_looked_up(run, written):
    assert "there is no database" in run("lint", written("house.yaml", GOOD)).stderr
    assert "there is no database" not in run("lint", "--no-shop", "house.yaml").stderr


def test_tests_are_run_and_counted(run, written):
    result = run("test", "--json", written("house.yaml", GOOD))
    assert result.exit_code == 0
    (report,) = data(result)
    assert [each["passed"] for each in report["tests"]] == [True, True, True]
    assert report["coverage"]["conditions_micro"] == 1_000_000
    assert report["mutation"]["score_micro"] == 1_000_000
    assert report["findings"] == []
    shown = run("test", "house.yaml")
    assert "late-parcel" in shown.stdout
    assert shown.stderr == (
        "house.yaml: 3 of 3 tests pass; conditions exercised 100 %, boundaries tested 100 %, small changes "
        "noticed 100 %\n"
    )


def test_a_failing_test_is_named_by_its_line(run, written):
    wrong = GOOD.replace("{customer.open_delivery_delay: false}, expect: allow", "{}, expect: block")
    result = run("test", written("house.yaml", wrong))
    assert result.exit_code == 1
    assert (
        "house.yaml:17:9: error failing_test `on time`: the rule is to `block`, and it does `allow`\n"
        "    for example: expected = block, did = allow\n"
    ) in result.stdout
    assert "2 of 3 tests pass" in result.stderr


def test_a_rule_whose_tests_would_not_notice_a_change_is_named_and_fails_if_asked_to(run, written):
    file = written("house.yaml", UNNOTICED)
    relaxed, strict = run("test", file), run("test", "--strict", file)
    assert (relaxed.exit_code, strict.exit_code) == (0, 1)
    (report,) = data(run("test", "--json", file))
    assert report["mutation"]["survivors"]
    assert report["mutation"]["score_micro"] < 1_000_000


def test_what_only_looks_different_is_proven_equal(run, written):
    plain = to_plain_of(run, GOOD)
    shuffled = {key: plain[key] for key in reversed(plain)}
    one, other = written("one.yaml", GOOD), written("other.json", json.dumps(shuffled))
    result = run("diff", "--exit-code", one, other)
    assert (result.exit_code, result.stdout) == (0, "proven equal: no limit and no verdict differs\n")
    assert data(run("diff", "--json", one, other))["proven_equal"] is True
    assert run("show", "--hash", one).stdout == run("show", "--hash", other).stdout


def to_plain_of(run, text):
    return data(run("show", "--json", "-", stdin=text))


def test_a_rule_that_is_said_in_other_words_is_proven_equal(run, written):
    other = GOOD.replace(
        'when: {field: customer.open_delivery_delay, op: "=", value: true}',
        'when: {any: [{field: customer.open_delivery_delay, op: "!=", value: false}]}',
    )
    result = run("diff", "--exit-code", written("one.yaml", GOOD), written("other.yaml", other))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "proven equal: no limit and no verdict differs",
        "rule late-parcel: changed when",
    ]


def test_what_differs_is_said_in_words_with_an_example(run, written):
    looser = GOOD.replace("{intent: [upsell]}", "{intent: [upsell], placement: [cart, home]}")
    one, other = written("one.yaml", GOOD), written("other.yaml", looser.replace("0.30", "0.25"))
    result = run("diff", one, other)
    example = (
        "request.placement = product_page, candidate.intent = upsell, customer.open_delivery_delay = true"
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "limit G17.upsell_hard: 0.3 -> 0.25, tighter",
        "rule late-parcel: changed applies_to",
        "no longer withheld, by late-parcel",
        "    where candidate.intent is upsell and customer.open_delivery_delay is true",
        "    but not where one of these acts: late-parcel",
        f"    for example: {example}",
        "    before: block (late-parcel); after: allow",
    ]
    assert run("diff", "--exit-code", one, other).exit_code == 1
    report = data(run("diff", "--exit-code", "--json", one, other))
    assert report["regions"][0]["change"] == "newly_let_through"


def test_a_rule_with_alternatives_is_said_to_act_in_each(run, written):
    more = GOOD.replace(
        'when: {field: customer.open_delivery_delay, op: "=", value: true}',
        """when:
      any:
        - {field: item.price_minor, op: has, value: false}
        - all: [{field: visit.n_pages, op: has}, {field: visit.n_pages, op: in, value: [1, 2, 7]}]
        - all:
            - {field: item.categories, op: contains_any, value: [Wine, Beer]}
            - {field: item.brand, op: not_in, value: [Acme, null]}
            - {field: evidence.tier, op: "<", value: 2}""",
    )
    result = run("diff", written("one.yaml", "policy: house"), written("other.yaml", more))
    where = [line.strip() for line in result.stdout.splitlines() if "where" in line]
    upsell, said = (
        "candidate.intent is upsell and",
        "is not Acme or null and item.categories has Beer or Wine",
    )
    assert where == [
        f"where {upsell} item.price_minor is absent",
        f"or where {upsell} visit.n_pages is 1 to 2 or 7",
        f"or where {upsell} evidence.tier is at most 1 and item.brand {said}",
    ]


def test_days_demotions_and_obligations_that_differ_are_named(run, written):
    dated = GOOD.replace("effect: block", "effect: demote(0.5)\n    effective_from: 2030-01-01")
    dated = dated.replace("expect: block", "expect: demote")
    other = (
        dated.replace("demote(0.5)", "demote(0.25)\n    obligations: [explain]") + "time_zone: Europe/Oslo\n"
    )
    lines = run("diff", written("one.yaml", dated), written("other.yaml", other)).stdout.splitlines()
    assert lines[:2] == [
        "days begin in Europe/Oslo, and began in UTC",
        "rule late-parcel: changed share_micro, obligations",
    ]
    assert "demoted further, by late-parcel" in lines
    assert "newly asked for: explain, by late-parcel" in lines
    assert "    before: demote(0.5) (late-parcel); after: demote(0.25), explain (late-parcel)" in lines


def test_an_example_in_which_nothing_is_out_of_the_ordinary_is_called_so(run, written):
    always = GOOD.replace('op: "=", value: true}\n', "op: in, value: [true, false]}\n")
    said = run("lint", written("house.yaml", always.replace("{intent: [upsell]}", "{channel: [web]}"))).stdout
    assert "error always_fires" in said
    assert "    for example: an ordinary suggestion to an ordinary customer\n" in said


def test_a_file_alone_is_held_against_what_ships_where_nothing_else_is_in_force(run, written):
    result = run("diff", written("house.yaml", GOOD))
    assert "rule late-parcel: added" in result.stdout
    assert "rule enough-offers-in-a-visit: removed" in result.stdout
    assert "what ships is taken to be in force" in result.stderr
    assert run("diff", "--exit-code", "-", stdin=run("show").stdout).exit_code == 0


def test_a_policy_is_shown_the_one_way_it_is_written(run, written):
    shown = run("show", written("house.yaml", GOOD))
    assert shown.exit_code == 0
    assert run("show", "-", stdin=shown.stdout).stdout == shown.stdout
    assert "#" not in shown.stdout
    version = sha256(to_document(shipped_policy())).hexdigest()
    assert run("show", "--hash").stdout == f"{version}\n"
    assert data(run("show", "--hash", "--json")) == {"version": version}
    assert data(run("show", "--json")) == to_plain(shipped_policy())


@pytest.mark.parametrize(
    "arguments",
    [
        ("lint",),
        ("lint", "no-such-file.yaml"),
        ("lint", "--forcibly", "-"),
        ("test", "."),
        ("diff",),
        ("diff", "no-such-file.yaml"),
        ("show", "abc"),
        ("no-such-command",),
    ],
)
def test_what_is_not_understood_has_an_exit_code_of_its_own(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_every_field_and_every_limit_is_listed_and_everything_a_form_needs_as_data(run):
    shown = run("schema")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    for name in (*FIELDS, *WRITTEN):
        assert [line for line in lines if line.split()[:1] == [name]], name
    schema = data(run("schema", "--json"))
    assert [field["name"] for field in schema["fields"]] == list(FIELDS)
    assert {limit["name"] for limit in schema["limits"]} == set(WRITTEN)


def test_help_says_what_each_exit_code_means_and_loads_no_heavy_library(run):
    for command in main.commands["policy"].commands:
        assert "Exit codes: 0 " in run(command, "--help").stdout
    heavy = ("numpy", "sqlalchemy", "marshmallow", "yaml")
    code = (
        "import sys; from api.cli import main; main(['policy', '--help'], standalone_mode=False);"
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in shown


def test_what_needs_no_database_loads_none(run, written):
    written("a", GOOD)
    commands = [("lint", "--no-shop", "a"), ("test", "a"), ("diff", "a", "a"), ("show", "a")]
    code = (
        "import sys; from api.cli import main\n"
        f"for each in {commands!r}: main(['policy', *each], standalone_mode=False)\n"
        "print('LOADED', 'sqlalchemy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "LOADED False" in shown
