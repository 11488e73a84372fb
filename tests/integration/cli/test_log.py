"""``tactful log``: exports that strangers can check, and a log that is checked where it lives."""

import json
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner
from support.bundles import OTHER_WITNESS, WITNESS
from support.http import BUYER
from support.log_shop import LogShop, copy_of, fill_a_shop

from api.cli import main
from api.logbook import open_logbook
from api.storage.api_keys import Role
from api.storage.connection import open_engine
from api.wiring import now_ms
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import EMPTY_ROOT
from guardrails.log.notes import sign_note, text_of
from guardrails.log.verifier import ZipFiles, parse_json

INCOMPLETE, UNWITNESSED = 2, 3


class Shop(LogShop):
    def done(self, *arguments, role=None):
        result = self.log(*arguments, role=role)
        assert result.exit_code == 0, result.output
        return result

    def data(self, *arguments, role=None):
        return json.loads(self.done(*arguments, "--json", role=role).stdout)

    def logbook(self):
        engine = open_engine(self.settings)
        return open_logbook(self.settings, engine, now_ms)

    def cosign(self, witness=WITNESS):
        """Have a witness sign the log as it is."""
        logbook = self.logbook()
        vouched = logbook.publish()
        noted = sign_note(text_of(vouched.note), [witness], now_ms() // 1000)
        logbook.guard.cosign(vouched, {witness.name: noted.rstrip("\n").rpartition("\n")[2] + "\n"})
        logbook.close()

    def tamper(self, *statements):
        """Change the database as somebody does who has the file."""
        conn = sqlite3.connect(self.settings.database_url.removeprefix("sqlite:///"))
        triggers = conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert conn.execute(statement).rowcount, statement
        conn.commit()
        conn.close()

    def places(self):
        """Where in the log the decisions are."""
        return [at for (at,) in self.sql("SELECT log_index FROM decisions ORDER BY log_index")]

    def size(self):
        return int(self.done("checkpoint").stdout.split("\n")[1])


@pytest.fixture(scope="module")
def filled(sqlite_template, tmp_path_factory):
    return fill_a_shop(sqlite_template, tmp_path_factory.mktemp("filled") / "shop")


@pytest.fixture
def shop(filled, tmp_path, monkeypatch):
    settings = copy_of(filled, tmp_path / "shop", monkeypatch)
    monkeypatch.setenv("TACTFUL_LOG_WITNESSES", f"https://witness.example|{WITNESS.vkey}")
    return Shop(settings, filled[1], tmp_path, filled[2])


@pytest.fixture
def bundle(shop):
    shop.cosign()
    file = shop.folder / "bundle.zip"
    shop.done("export", file)
    return file


def verify(bundle, *arguments):
    """Run the verifier that lies in a bundle, with another Python process that knows nothing else."""
    program = bundle.with_name("verify.py")
    program.write_bytes(ZipFiles(bundle)["verify.py"])
    command = [sys.executable, "-I", str(program), str(bundle), "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_an_export_is_found_valid_by_the_verifier_that_comes_with_it(shop, bundle):
    code, report = verify(bundle, "--witness", WITNESS.vkey, "--decision", shop.ids[2])
    assert (code, report["verdict"]) == (0, "valid"), report
    assert shop.done("verify", bundle).stdout.endswith("verdict: valid\n")
    said = shop.data("verify", bundle, "--witness", WITNESS.vkey, "--decision", shop.ids[2])
    assert said["checks"][0]["kind"] == "ok"


def test_an_export_can_be_read_by_its_owner_only_and_leaves_nothing_beside_it(shop, bundle):
    assert bundle.stat().st_mode & 0o777 == 0o600
    before = sorted(shop.folder.iterdir())
    shop.done("export", bundle)
    assert sorted(shop.folder.iterdir()) == before


def test_an_export_that_fails_leaves_the_one_before_it(shop, bundle):
    before = bundle.read_bytes()
    shop.tamper("DELETE FROM log_entries WHERE log_index = 0")
    assert shop.log("export", bundle).exit_code == 1
    assert bundle.read_bytes() == before
    assert not list(shop.folder.glob(".bundle*"))


def test_an_export_holds_policies_and_models_unless_told_otherwise(shop, bundle):
    names = set(ZipFiles(bundle))
    assert sum(name.startswith("policies/") for name in names) == 1
    assert sum(name.startswith("models/") for name in names) == 1
    bare = shop.folder / "bare.zip"
    shop.done("export", bare, "--no-policies", "--no-models")
    assert set(ZipFiles(bare)) == {name for name in names if not name.startswith(("policies/", "models/"))}
    assert verify(bare)[0] == 0


def test_nothing_is_opened_in_an_export_unless_it_is_asked_for(shop, bundle):
    assert not any(name.startswith("disclosures/") for name in ZipFiles(bundle))
    assert shop.disclosures() == []


def test_sections_that_are_opened_are_proven_and_logged_first(shop):
    file = shop.folder / "opened.zip"
    told = shop.data("export", file, "--sections", "rules,out", role=Role.AUDITOR)
    assert (told["n_opened"], told["n_erased"]) == (4, 0)
    (entry,) = shop.disclosures()
    assert (entry["kind"], entry["n"]) == ("export", 4)
    code, report = verify(file, "--allow-unwitnessed")
    assert code == 0, report
    opened = [line for line in report["checks"] if "what is disclosed" in line["text"]]
    assert len(opened) == 4
    assert all(line["text"].endswith("out, rules") for line in opened)
    files = ZipFiles(file)
    entries = parse_json(files["MANIFEST.json"])["end"]
    assert told["logged_at"] < entries
    name = next(name for name in files if name.startswith("disclosures/"))
    assert set(parse_json(files[name])["sections"]) == {"rules", "out"}


def test_sections_of_one_decision_or_of_one_customer_are_opened_alone(shop):
    file = shop.folder / "one.zip"
    one = ("export", file, "--sections", "out")
    assert shop.data(*one, "--decision", shop.ids[0], role=Role.ADMIN)["n_opened"] == 1
    assert shop.data(*one, "--customer", BUYER, role=Role.AUDITOR)["n_opened"] == 3
    assert shop.data(*one, "--customer", "nobody-1", role=Role.AUDITOR)["n_opened"] == 0
    assert verify(file, "--allow-unwitnessed")[0] == 0
    refused = shop.log(*one, "--decision", "no-such-decision", role=Role.AUDITOR)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert [entry["n"] for entry in shop.disclosures()] == [1, 3, 0]


@pytest.mark.parametrize("role", [Role.SITE, Role.MARKETER, Role.APPROVER])
def test_records_are_opened_by_auditors_and_admins_only(shop, role):
    file = shop.folder / "refused.zip"
    for arguments in (
        ("export", file, "--sections", "out"),
        ("export", file, "--view", "csv"),
        ("replay", "--all"),
        ("why", shop.ids[1]),
        ("verify", "--decision", shop.ids[1]),
    ):
        result = shop.log(*arguments, role=role)
        assert (result.exit_code, result.stdout) == (1, ""), arguments
        assert f"the role `{role.value}` may not open records" in result.stderr
        assert shop.log(*arguments).exit_code == 2
    assert not file.exists()
    assert shop.disclosures() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("export",),
        ("export", "no-such-folder/file.zip"),
        ("export", "{}/a.zip", "--sections", "everything"),
        ("export", "{}/a.zip", "--decision", "x"),
        ("export", "{}/a.zip", "--customer", "x"),
        ("export", "{}/a.zip", "--from", "yesterday"),
        ("export", "{}/a.zip", "--from", "2026-02-01", "--to", "2026-02-01"),
        ("export", "{}/a.zip", "--view", "pdf"),
        ("export", "{}/a.csv", "--view", "csv", "--sections", "rules"),
        ("verify", "{}/no-such-file.zip"),
        ("verify", "--older", "{}/no-such-file"),
        ("verify", "--witness", "nonsense"),
        ("verify", "--log-key", WITNESS.vkey),
        ("verify", "{}", "--witnessed"),
        ("verify", "--decision", "x", "--witnessed"),
        ("replay",),
        ("replay", "--all", "--sample", "3"),
        ("replay", "--sample", "0"),
        ("replay", "--all", "--level", "3"),
        ("why",),
        ("why", "x", "--language", "xx"),
        ("checkpoint", "--no-such-option"),
    ],
)
def test_what_is_not_understood_is_refused_with_2(shop, arguments):
    result = shop.log(*(each.replace("{}", str(shop.folder)) for each in arguments), role=Role.AUDITOR)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert not list(shop.folder.glob("a.*"))


def test_a_part_of_the_log_is_exported_by_its_dates(shop):
    file = shop.folder / "part.zip"
    shop.cosign()
    whole = shop.data("export", file, "--from", "2020-01-01", "--to", "2200-01-01")
    assert (whole["first"], whole["end"]) == (0, whole["size"])
    result = shop.log("export", file, "--to", "2020-01-01")
    assert (result.exit_code, "no entries of that time" in result.stderr) == (1, True)
    minute = "strftime('%s', '2020-01-01 10:00') / 60"
    shop.tamper(f"UPDATE log_entries SET minute = {minute} WHERE log_index = 1")  # noqa: S608  as below
    part = shop.data("export", file, "--from", "2020-01-01", "--to", "2020-01-02", "--no-models")
    assert (part["first"], part["end"]) == (1, 2)
    assert verify(file)[0] == INCOMPLETE
    assert verify(file, "--range", "1:2")[0] == 0


def test_an_export_goes_as_far_as_a_witness_has_signed(shop):
    file = shop.folder / "witnessed.zip"
    refused = shop.log("export", file, "--witnessed")
    assert (refused.exit_code, "no witness" in refused.stderr) == (1, True)
    shop.cosign()
    size = shop.size()
    shop.done("replay", "--all", role=Role.AUDITOR)
    assert shop.data("export", file, "--witnessed")["size"] == size
    assert verify(file, "--witness", WITNESS.vkey)[0] == 0
    shop.done("export", file)
    assert verify(file)[0] == UNWITNESSED


def test_checkpoints_and_keys_are_what_the_log_is_checked_with(shop):
    assert shop.log("checkpoint", "--witnessed").exit_code == 1
    shop.cosign()
    note = shop.done("checkpoint", "--witnessed").stdout
    assert note == shop.done("checkpoint").stdout
    keys = shop.data("keys")
    assert Checkpoint.parse(text_of(note)).origin == keys["origin"]
    assert keys["witnesses"] == [WITNESS.vkey]
    words = shop.done("keys").stdout
    assert all(vkey in words for vkey in (*keys["vkeys"], *keys["witnesses"]))
    assert f"\u2014 {WITNESS.name} " in note


def test_the_log_is_checked_where_it_lives(shop):
    assert shop.log("verify").exit_code == UNWITNESSED
    shop.done("verify", "--allow-unwitnessed")
    shop.cosign()
    older = shop.folder / "older"
    older.write_text(shop.done("checkpoint").stdout)
    report = shop.data("verify", "--witness", WITNESS.vkey, "--older", older)
    assert (report["verdict"], report["first_bad_index"]) == ("valid", None)
    assert shop.log("verify", "--witness", OTHER_WITNESS.vkey).exit_code == UNWITNESSED
    shop.done("replay", "--all", role=Role.AUDITOR)
    shop.done("verify", "--witnessed")
    assert shop.log("verify", "--older", older).exit_code == UNWITNESSED


def test_a_log_that_was_never_signed_is_incomplete(sqlite_store, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATABASE_URL", sqlite_store.settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(sqlite_store.settings.data_dir))
    result = CliRunner().invoke(main, ["log", "verify"])
    assert (result.exit_code, "no checkpoint" in result.stdout) == (INCOMPLETE, True)


def entry(at, change):
    return f"UPDATE log_entries SET entry = {change} WHERE log_index = {at}"  # noqa: S608  a test's own words


FIRST, SECOND, LAST = "{0}", "{1}", "{3}"
"""Where the shop's decisions are."""

MADE_UP = "INSERT INTO decisions SELECT 99, 'x', minute, kind_no FROM decisions LIMIT 1"
SOME_TEXT = """CAST(replace(entry, '"n_shown":', '"n_shown":1') AS BLOB)"""
ANOTHER_BODY = "(SELECT sealed FROM decision_bodies WHERE log_index = {0})"

TAMPERINGS = {
    "an entry is edited": (entry(SECOND, SOME_TEXT), SECOND),
    "an entry is a text": (entry(SECOND, "'some text'"), SECOND),
    "an entry is a number": (entry(SECOND, "123456789"), SECOND),
    "an entry is that of another": (
        entry(LAST, "(SELECT entry FROM log_entries WHERE log_index = {0})"),
        LAST,
    ),
    "an entry is no JSON": (entry(SECOND, "x'00'"), SECOND),
    "an entry is absurdly long": (entry(SECOND, "zeroblob(70000)"), SECOND),
    "an entry is gone": ("DELETE FROM log_entries WHERE log_index = {1}", SECOND),
    "the first entry is gone": ("DELETE FROM log_entries WHERE log_index = 0", "0"),
    "an entry is added": (
        "INSERT INTO log_entries SELECT 99, type, minute, entry FROM log_entries LIMIT 1",
        None,
    ),
    "the type is another": ("UPDATE log_entries SET type = 'prune' WHERE log_index = {1}", SECOND),
    "the minute is another": ("UPDATE log_entries SET minute = minute - 9 WHERE log_index = {1}", SECOND),
    "the id is another": ("UPDATE decisions SET decision_id = 'x' WHERE log_index = {1}", SECOND),
    "a decision is not found": ("DELETE FROM decisions WHERE log_index = {0}", FIRST),
    "a decision is made up": (MADE_UP, None),
    "a body is changed": ("UPDATE decision_bodies SET sealed = zeroblob(300) WHERE log_index = {3}", LAST),
    "bodies are swapped": (
        f"UPDATE decision_bodies SET sealed = {ANOTHER_BODY} WHERE log_index = {{1}}",  # noqa: S608  as above
        SECOND,
    ),
    "a tile is edited": (
        "UPDATE log_tiles SET hashes = CAST(zeroblob(64) || substr(hashes, 65) AS BLOB)",
        "0",
    ),
    "a tile is a text": ("UPDATE log_tiles SET hashes = 'some text'", "0"),
    "a tile is cut short": ("UPDATE log_tiles SET hashes = substr(hashes, 1, 32 * {1})", SECOND),
    "a tile is gone": ("DELETE FROM log_tiles WHERE level = 0", "0"),
    "the root is another": ("UPDATE log_state SET root = zeroblob(32)", None),
    "the root is a text": ("UPDATE log_state SET root = 'some text'", None),
    "the frontier is another": ("UPDATE log_state SET frontier = zeroblob(length(frontier))", None),
    "the log is longer than it was": ("UPDATE log_state SET size = size + 1", None),
    "the log is shorter than it was": (
        f"UPDATE log_state SET size = 0, frontier = x'', root = x'{EMPTY_ROOT.hex()}'",  # noqa: S608  as above
        "0",
    ),
    "entries are said to be pruned": ("UPDATE log_state SET min_index = {1}", "0"),
}
"""What somebody does who has the database, and the first entry that is, or may be, not what it was."""


@pytest.mark.parametrize("what", TAMPERINGS)
def test_every_change_of_the_database_is_found(shop, what):
    shop.cosign()
    statement, first_bad = TAMPERINGS[what]
    places = shop.places()
    shop.tamper(statement.format(*places))
    result = shop.log("verify", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["verdict"]) == (1, "tampered"), report
    if first_bad is not None:
        assert report["first_bad_index"] == int(first_bad.format(*places)), report
    assert "first bad index" in shop.log("verify").stdout
