"""``tactful policy``: the life of a change from the command line, by keys that may and keys that may not."""

import json
import re

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, func, select
from support.http import BUYER, EVERYTHING, fill, serving

from api.cli import main
from api.forgetting.files import REHEARSALS_FOLDER
from api.policies.service import shipped_version
from api.storage.api_keys import Role, create_key
from api.storage.connection import open_engine, reading, writing
from api.storage.policies import read_entries
from api.storage.rehearsals import RehearsalState, StoredRehearsal, get_rehearsal, insert_rehearsal
from api.storage.tables import decision_bodies
from api.storage.versions import policy_in_force
from api.wiring import now_ms

TIGHTER = """\
policy: house
limits:
  G17.upsell_hard: 0.25
rules:
  - id: no-bread
    title: No bread today
    when: {field: item.categories, op: contains_any, value: ["Food > Bread"]}
    applies_to: {placement: [home]}
    effect: block
    rationale: The oven is cold.
    owner: merchandising
    review_by: 2099-06-01
    customer_sentence: We have no bread today.
    tests:
      - {note: bread, given: {item.categories: ["Food > Bread"], request.placement: home}, expect: block}
      - {note: milk, given: {item.categories: ["Food > Dairy"], request.placement: home}, expect: allow}
      - {note: elsewhere, given: {item.categories: ["Food > Bread"], request.placement: cart}, expect: allow}
"""
LOOSER = TIGHTER.replace("0.25", "0.60")
MORE_CONTACTS = TIGHTER.replace("G17.upsell_hard: 0.25", "G20.outbound_week: 50")


class Shop:
    """A shop on the command line, and a key of each role."""

    def __init__(self, settings, keys, folder, monkeypatch):
        self.settings, self.keys, self.folder, self.monkeypatch = settings, keys, folder, monkeypatch
        self.said = []

    def policy(self, *arguments, role=None, stdin=None):
        """Run a command with the key of a role, and see to it that nothing gives the key away."""
        environ = {"TACTFUL_KEY": self.keys[role]} if role is not None else {}
        result = CliRunner().invoke(main, ["policy", *map(str, arguments)], input=stdin, env=environ)
        assert "Traceback" not in result.output
        assert not any(key in result.output for key in self.keys.values())
        assert BUYER not in result.output
        return result

    def done(self, *arguments, role=None, stdin=None):
        result = self.policy(*arguments, role=role, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result

    def data(self, *arguments, role=None):
        return json.loads(self.done(*arguments, "--json", role=role).stdout)

    def refused(self, *arguments, role=None):
        result = self.policy(*arguments, role=role)
        assert (result.exit_code, result.stdout) == (1, "")
        return result.stderr

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def status(self):
        return self.data("status")

    def in_force(self):
        engine = open_engine(self.settings)
        with reading(engine) as conn:
            version = policy_in_force(conn)[1]
        engine.dispose()
        return version

    def key(self, role):
        """A second key of a role."""
        engine = open_engine(self.settings)
        with writing(engine) as conn:
            _, secret = create_key(conn, role, "somebody else", now_ms())
        engine.dispose()
        return secret


@pytest.fixture
def shop(sqlite_store, tmp_path, monkeypatch):
    settings = sqlite_store.settings
    monkeypatch.setenv("TACTFUL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(settings.data_dir))
    monkeypatch.delenv("TACTFUL_KEY", raising=False)
    return Shop(settings, fill(settings), tmp_path, monkeypatch)


@pytest.fixture
def file(shop):
    return shop.write("house.yaml", TIGHTER)


@pytest.fixture
def served(shop):
    """Three decisions that show bread; one is clicked, one is called too personal."""
    with serving(shop.settings, shop.keys) as served:
        served.choose("given", *EVERYTHING)
        answers = [served.recommend(customer_id=BUYER).json() for _ in range(3)]
        for answer, kind in zip(answers, ("clicked", "too_personal"), strict=False):
            bread = next(each["item_id"] for each in answer["items"] if each["item_id"].startswith("bread"))
            said = {"items": [{"item_id": bread, "kind": kind}]}
            path = f"/v1/decisions/{answer['decision_id']}/feedback"
            assert served.ask("POST", path, json=said).status_code == 200
    return shop


def test_a_change_goes_from_file_to_in_force_by_two_keys_and_back(shop, file):
    version = shop.done("propose", file, role=Role.MARKETER).stdout.strip()
    assert version == shop.done("show", "--hash", file).stdout.strip()
    assert shop.in_force() == shipped_version()
    assert "the role `marketer` may not" in shop.refused("approve", file, role=Role.MARKETER)
    approved = shop.done("approve", file, role=Role.APPROVER)
    assert f"in place of {shipped_version()[:12]}" in approved.stderr
    assert shop.in_force() == shipped_version()
    active = shop.data("activate", version[:8], role=Role.MARKETER)
    assert (active["state"], active["in_force"]) == ("active", version)
    assert shop.in_force() == version
    assert "proven equal" in shop.done("diff", "--exit-code", file).stdout

    assert "not proposed" in shop.refused("activate", shipped_version(), role=Role.MARKETER)
    shop.done("rollback", shipped_version()[:8], role=Role.MARKETER)
    shop.done("approve", shipped_version(), role=Role.APPROVER)
    shop.done("activate", shipped_version(), role=Role.APPROVER)
    assert shop.in_force() == shipped_version()
    kinds = [step["kind"] for step in shop.status()["history"]]
    assert kinds == [
        "found",
        "drafted",
        "proposed",
        "approved",
        "activated",
        "proposed",
        "approved",
        "activated",
    ]


def test_whoever_wrote_or_proposed_a_change_cannot_approve_it(shop, file):
    shop.done("propose", file, role=Role.APPROVER)
    assert "somebody else has to" in shop.refused("approve", file, role=Role.APPROVER)
    shop.keys["second"] = shop.key(Role.APPROVER)
    shop.done("approve", file, role="second")


def test_what_was_edited_since_is_not_what_was_approved(shop, file):
    shop.done("propose", file, role=Role.MARKETER)
    shop.done("approve", file, role=Role.APPROVER)
    edited = shop.write("house.yaml", TIGHTER.replace("0.25", "0.20"))
    assert shop.refused("activate", edited, role=Role.MARKETER) == "Error: this version is not in the store\n"
    assert shop.refused("approve", edited, role=Role.APPROVER) == "Error: this version is not in the store\n"
    assert shop.in_force() == shipped_version()


def test_a_draft_with_errors_is_not_proposed_and_its_lines_are_named(shop):
    looser = shop.write("looser.yaml", LOOSER)
    said = shop.refused("propose", looser, role=Role.MARKETER)
    assert f"{looser}:3:3: error L3 `G17.upsell_hard` may be tightened, not loosened" in said
    assert said.endswith("Error: the draft has errors, 1 in all: mend them first\n")
    version = shop.done("show", "--hash", looser).stdout.strip()
    assert "/limits/G17.upsell_hard: error L3" in shop.refused("propose", version, role=Role.MARKETER)


def test_more_contacts_than_ship_take_an_auditor(shop):
    file = shop.write("house.yaml", MORE_CONTACTS)
    assert "an auditor has to approve" in shop.done("propose", file, role=Role.MARKETER).stderr
    assert "waits for an auditor" in shop.done("status").stdout
    assert "an auditor has to approve as well" in shop.done("approve", file, role=Role.APPROVER).stderr
    assert "an auditor" in shop.refused("activate", file, role=Role.MARKETER)
    shop.done("approve", file, role=Role.AUDITOR)
    shop.done("activate", file, role=Role.MARKETER)


def test_an_approval_names_what_has_to_be_in_force(shop, file):
    version = shop.done("propose", file, role=Role.MARKETER).stdout.strip()
    assert "another base" in shop.refused("approve", version, "--base", version, role=Role.APPROVER)
    shop.done("approve", version, "--base", shipped_version()[:10], role=Role.APPROVER)


def test_a_proposal_is_rejected_with_a_reason(shop, file):
    version = shop.done("propose", file, role=Role.MARKETER).stdout.strip()
    assert shop.policy("reject", version, role=Role.APPROVER).exit_code == 2
    shop.done("reject", version, "--reason", "people want bread", role=Role.APPROVER)
    assert "not proposed" in shop.refused("approve", version, role=Role.APPROVER)
    assert shop.status()["history"][-1]["reason"] == "people want bread"
    assert "people" in shop.done("status").stdout


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "two\nlines", "bell \x07"])
def test_a_reason_says_something_on_one_line(shop, file, reason):
    result = shop.policy("reject", file, "--reason", reason, role=Role.APPROVER)
    assert result.exit_code == 2


def test_an_approved_version_can_wait_for_its_time(shop, file):
    shop.done("propose", file, role=Role.MARKETER)
    shop.done("approve", file, role=Role.APPROVER)
    said = shop.done("activate", file, "--at", "2098-01-02T05:00+02:00", role=Role.MARKETER)
    assert "comes into force at 2098-01-02 03:00 UTC" in said.stderr
    assert shop.in_force() == shipped_version()
    assert "from 2098-01-02 03:00 UTC" in shop.done("status").stdout
    assert "future" in shop.refused("activate", file, "--at", "2020-01-01", role=Role.MARKETER)
    shop.done("end", file, role=Role.MARKETER)
    assert shop.data("activate", file, "--until", "2098-01-02", role=Role.MARKETER)["state"] == "active"
    assert "until 2098-01-02 00:00 UTC" in shop.done("status").stdout


def test_a_version_is_watched_tried_out_and_ended(shop, file):
    shop.done("shadow", file, "--until", "2098-01-02", role=Role.MARKETER)
    assert "not proposed" in shop.refused("challenge", file, "--share", "0.1", role=Role.MARKETER)
    shop.done("propose", file, role=Role.MARKETER)
    shop.done("approve", file, role=Role.APPROVER)
    said = shop.done("challenge", file, "--share", "0.1", role=Role.MARKETER)
    assert "in force for 10 % of customers" in said.stderr
    told = shop.done("status").stdout
    assert "watched beside it" in told
    assert "tried out on 10 % of customers" in told
    shop.done("end", file, "--reason", "enough seen", role=Role.MARKETER)
    assert shop.status()["shadow"] is shop.status()["challenger"] is None
    assert shop.policy("challenge", file, "--share", "0.9", role=Role.MARKETER).exit_code == 2


def test_the_glass_is_broken_with_a_reason_and_not_for_long(shop, file):
    assert shop.policy("break-glass", file, role=Role.MARKETER).exit_code == 2
    over = ("break-glass", file, "--reason", "mould", "--hours", "25")
    assert shop.policy(*over, role=Role.MARKETER).exit_code == 2
    said = shop.done("break-glass", file, "--reason", "mould", "--hours", "2", role=Role.MARKETER)
    assert "have it approved by then" in said.stderr
    assert shop.in_force() == said.stdout.strip()
    assert "the glass was broken" in shop.done("status").stdout
    shop.done("end", file, role=Role.MARKETER)
    assert shop.in_force() == shipped_version()


@pytest.mark.parametrize(
    "command", [("challenge", "--share"), ("break-glass", "--reason", "mould", "--hours")]
)
def test_a_share_and_a_time_are_numbers(shop, file, command):
    step, *options = command
    over = shop.policy(step, file, *options, "nan", role=Role.MARKETER)
    assert (over.exit_code, "not a number" in over.stderr) == (2, True)


def test_wrong_keys_are_refused(shop, file, tmp_path):
    for role in (Role.SITE, Role.AUDITOR):
        assert "may not" in shop.refused("propose", file, role=role)
    shop.keys["unknown"] = "tactful_marketer_made-up"
    assert "not known or was revoked" in shop.refused("propose", file, role="unknown")
    nobody = shop.policy("propose", file)
    assert nobody.exit_code == 2
    assert "set TACTFUL_KEY" in nobody.stderr
    assert shop.status()["n_steps"] <= 1


def test_a_key_can_stand_in_a_file_and_never_in_an_argument(shop, file, tmp_path):
    key = shop.write("key", f"{shop.keys[Role.MARKETER]}\n")
    shop.done("propose", file, "--key-file", key)
    assert shop.policy("propose", file, "--key", shop.keys[Role.MARKETER]).exit_code == 2
    empty = shop.write("empty", "\n")
    assert shop.policy("propose", file, "--key-file", empty).exit_code == 2


def test_a_revoked_key_acts_no_more(shop, file):
    shop.done("propose", file, role=Role.MARKETER)
    approver = next(
        key
        for key in json.loads(CliRunner().invoke(main, ["keys", "list", "--json"]).stdout)
        if key["role"] == "approver"
    )
    assert CliRunner().invoke(main, ["keys", "revoke", approver["key_id"]]).exit_code == 0
    assert "was revoked" in shop.refused("approve", file, role=Role.APPROVER)


def test_other_commands_do_not_mind_the_variable_of_the_key(shop):
    listed = CliRunner().invoke(main, ["keys", "list"], env={"TACTFUL_KEY": shop.keys[Role.ADMIN]})
    assert listed.exit_code == 0


def test_a_version_is_named_by_its_first_digits_if_these_are_enough(shop, file):
    version = shop.done("propose", file, role=Role.MARKETER).stdout.strip()
    assert shop.done("show", version[:8]).stdout == shop.done("show", file).stdout
    assert shop.policy("approve", version[:7], role=Role.APPROVER).exit_code == 2
    assert "no version begins with" in shop.policy("show", "0" * 12).stderr


def test_what_is_in_force_can_be_shown_before_and_after_the_first_step(shop, file):
    assert shop.done("show", "--hash").stdout.strip() == shipped_version()
    assert shop.done("status").stdout == f"in force: {shipped_version()[:12]}, as it ships\n"
    assert shop.done("show", shipped_version()).stdout == shop.done("show").stdout


def test_the_last_steps_are_told_as_many_as_asked_for(shop, file):
    shop.done("propose", file, role=Role.MARKETER)
    assert [step["kind"] for step in shop.data("status", "--last", "1")["history"]] == ["proposed"]
    assert shop.data("status", "--last", "0")["history"] == []
    assert "tests (marketer)" in shop.done("status").stdout


def test_a_draft_is_rehearsed_in_words_and_as_data(served, file):
    shop = served
    told = shop.done("rehearse", file)
    assert "rehearsed: 3 of 3 retained decisions" in told.stdout
    assert re.search(r"newly withheld: [1-9]", told.stdout)
    assert "no-bread" in told.stdout
    assert re.search(r"by placement *\n  home +30 +9 ", told.stdout)
    assert "intended: 1 of 9" in told.stdout
    assert "1 for called too personal or of no interest later" in told.stdout
    assert "collateral: 1 of 9" in told.stdout
    assert "not known: 7" in told.stdout
    out, plot = shop.folder / "report.json", shop.folder / "plot.png"
    report = shop.data("rehearse", file, "--out", out, "--plot", plot)
    assert report["report"]["decisions"]["n_rehearsed"] == 3
    assert json.loads(out.read_text()) == report
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert shop.data("rehearse", file)["sha256"] == report["sha256"]
    nothing = shop.data("rehearse", file, "--base", file)["report"]
    assert nothing["newly_withheld"]["n"] == nothing["newly_allowed"]["n"] == 0
    said = shop.done("propose", file, role=Role.MARKETER).stderr
    assert "rehearsed on 3 decisions" in said


def test_a_version_in_the_store_is_rehearsed_and_what_cannot_be_known_is_said(served):
    shop = served
    older = shop.write("older.yaml", TIGHTER.replace("G17.upsell_hard: 0.25", "G21.view_days: 20"))
    version = shop.done("propose", older, role=Role.MARKETER).stdout.strip()
    engine = open_engine(shop.settings)
    with writing(engine) as conn:
        conn.execute(delete(decision_bodies).where(decision_bodies.c.log_index == first_decision(conn)))
    engine.dispose()
    told = shop.done("rehearse", version[:12]).stdout
    assert "rehearsed: 2 of 3 retained decisions" in told
    assert "left out: erased 1" in told
    assert "G21.view_days: it acts on what is read and proposed" in told
    told = shop.done("rehearse", "-", "--base", version, stdin=shop.done("show").stdout).stdout
    assert "newly allowed: 6; nobody was shown these" in told


def first_decision(conn):
    return conn.execute(select(func.min(decision_bodies.c.log_index))).scalar()


def test_a_rehearsal_that_cannot_be_done_keeps_a_draft_from_being_proposed(served, file):
    shop = served
    (shop.settings.data_dir / REHEARSALS_FOLDER).write_text("in the way")
    said = shop.refused("propose", file, role=Role.MARKETER)
    assert said.endswith("Error: the rehearsal failed\n")
    assert [step["kind"] for step in shop.status()["history"]] == ["found", "drafted"]


def test_a_rehearsal_that_somebody_else_left_behind_is_taken_over(shop, file):
    version = shop.done("show", "--hash", file).stdout.strip()
    engine, at_ms = open_engine(shop.settings), now_ms()
    left = StoredRehearsal(
        rehearsal_id="left",
        version=version,
        base=shipped_version(),
        state=RehearsalState.RUNNING,
        n_done=0,
        n_total=10,
        report=None,
        report_sha256=None,
        actor="a key",
        started_at_ms=at_ms,
        claimed_until_ms=at_ms + 1_500,
        finished_at_ms=None,
    )
    with writing(engine) as conn:
        insert_rehearsal(conn, left)
    shop.done("propose", file, role=Role.MARKETER)
    with reading(engine) as conn:
        assert get_rehearsal(conn, "left").state is RehearsalState.DONE
    engine.dispose()


def test_where_nothing_is_retained_a_rehearsal_says_so(shop, file):
    told = shop.done("rehearse", file, "--plot", shop.folder / "plot.png")
    assert "nothing was rehearsed: 0 decisions are retained" in told.stdout


def test_what_has_no_meaning_is_not_rehearsed(shop):
    unguarded = TIGHTER.replace(
        '{field: item.categories, op: contains_any, value: ["Food > Bread"]}',
        '{field: item.price_minor, op: ">", value: 3}',
    )
    said = shop.refused("rehearse", shop.write("unguarded.yaml", unguarded))
    assert "unguarded.yaml:7:5: error unguarded" in said


def test_every_step_of_the_command_line_is_in_the_chain_that_requests_use(shop, file):
    shop.done("propose", file, role=Role.MARKETER)
    engine = open_engine(shop.settings)
    with reading(engine) as conn:
        entries = read_entries(conn)
    engine.dispose()
    assert [entry.step.role for entry in entries] == ["system", "marketer", "marketer"]
    assert [entry.step.number for entry in entries] == [1, 2, 3]
