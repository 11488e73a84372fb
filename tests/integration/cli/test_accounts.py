"""``tactful accounts``: the first admin comes from here, and whoever is locked out gets back in."""

import json

import pytest
from click.testing import CliRunner

from api.cli import main

PASSWORD = "four quiet herons wade"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))

    def invoke(*arguments, typed=None):
        return CliRunner().invoke(main, [*arguments], input=typed)

    assert invoke("db", "upgrade").exit_code == 0
    return invoke


def create(run, name="ada", role="admin"):
    return run("accounts", "create", name, "--role", role, "--password-stdin", typed=f"{PASSWORD}\n")


def listed(run):
    return json.loads(run("accounts", "list", "--json").stdout)


def test_a_password_is_asked_for_twice_and_shown_nowhere(run):
    made = run("accounts", "create", "Ada", "--role", "admin", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert made.stdout == ""
    assert PASSWORD not in made.output
    (account,) = listed(run)
    assert (account["name"], account["role"], account["disabled_at_ms"]) == ("ada", "admin", None)
    assert "ada" in run("accounts", "list").stdout


def test_two_that_are_not_the_same_are_asked_for_again(run):
    made = run(
        "accounts", "create", "ada", "--role", "admin", typed=f"{PASSWORD}\nx\n{PASSWORD}\n{PASSWORD}\n"
    )
    assert made.exit_code == 0
    assert len(listed(run)) == 1


def test_a_password_that_is_made_up_is_all_that_is_printed(run):
    made = run("accounts", "create", "ada", "--role", "admin", "--generate")
    assert made.exit_code == 0
    assert len(made.stdout.strip()) == 23
    as_data = json.loads(run("accounts", "create", "bo", "--role", "auditor", "--generate", "--json").stdout)
    assert set(as_data) == {"account_id", "name", "role", "password"}
    typed = run("accounts", "create", "cy", "--role", "auditor", "--password-stdin", "--json", typed=PASSWORD)
    assert set(json.loads(typed.stdout)) == {"account_id", "name", "role"}


def test_accounts_are_changed_and_put_out_of_use(run):
    create(run)
    create(run, "bo", "marketer")
    assert run("accounts", "role", "BO", "auditor").exit_code == 0
    assert run("accounts", "password", "bo", "--generate").stdout.strip()
    assert run("accounts", "disable", "bo").exit_code == 0
    assert [(each["name"], each["role"]) for each in listed(run)] == [("ada", "admin"), ("bo", "auditor")]
    assert listed(run)[1]["disabled_at_ms"] is not None
    verified = run("log", "verify", "--json")
    assert verified.exit_code in (0, 3), verified.output  # 3: nobody outside has witnessed it


@pytest.mark.parametrize(
    ("arguments", "typed", "told"),
    [
        (("create", "ada", "--role", "admin", "--password-stdin"), PASSWORD, "there is or was an account"),
        (("create", "bo", "--role", "admin", "--password-stdin"), "short", "fewer than 12 characters"),
        (("create", "bo", "--role", "admin", "--password-stdin"), "", "fewer than 12 characters"),
        (("create", " ", "--role", "admin", "--generate"), None, "it is no name"),
        (("password", "ada", "--password-stdin"), "password1234", "tried first"),
        (("password", "nobody", "--generate"), None, "there is no account `nobody` in use"),
        (("disable", "nobody"), None, "there is no account `nobody` in use"),
        (("disable", "ada"), None, "this is the only admin"),
        (("role", "ada", "auditor"), None, "this is the only admin"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run, arguments, typed, told):
    create(run)
    result = run("accounts", *arguments, typed=typed)
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert [each["name"] for each in listed(run)] == ["ada"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "bo"),
        ("create", "bo", "--role", "site", "--generate"),
        ("create", "bo", "--role", "admin", "--generate", "--password-stdin"),
        ("role", "bo", "owner"),
    ],
)
def test_what_is_not_understood_changes_nothing(run, arguments):
    assert run("accounts", *arguments).exit_code == 2
    assert listed(run) == []
