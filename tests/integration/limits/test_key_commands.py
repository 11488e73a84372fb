"""``tactful keys``: a key's own limits are said when it is made, listed, and held to."""

import json

import pytest
from click.testing import CliRunner
from support.one_worker import environ_of

from api.cli import main


@pytest.fixture
def run(sqlite_store):
    def invoke(*arguments):
        environ = {**environ_of(sqlite_store.settings), "COLUMNS": "200"}
        return CliRunner().invoke(main, ["keys", *arguments], env=environ)

    return invoke


def make(run, *limits):
    made = run("create", "--role", "site", "--label", "shop", *limits, "--json")
    return json.loads(made.stdout)["key_id"]


def test_limits_are_kept_with_the_key_and_listed(run):
    limited = make(run, "--rate", "50", "--burst", "200", "--daily", "100000")
    free, as_all = make(run, "--rate", "0"), make(run)
    listed = {key["key_id"]: key for key in json.loads(run("list", "--json").stdout)}
    limits = ("n_per_second", "n_at_once", "n_per_day")
    assert [listed[limited][name] for name in limits] == [50, 200, 100_000]
    assert [listed[free][name] for name in limits] == [0, None, None]
    assert [listed[as_all][name] for name in limits] == [None] * 3
    rows = {line.split()[0]: line for line in run("list").stdout.splitlines()}
    assert rows[limited].rstrip().endswith("50 a second, 200 at once, 100000 a day")
    assert rows[free].rstrip().endswith("any a second")
    assert rows[as_all].rstrip().endswith(rows[as_all].split()[4]), "nothing behind the day it was made"


@pytest.mark.parametrize("limits", [("--rate", "-1"), ("--burst", "0"), ("--daily", "many")])
def test_limits_that_are_none_are_refused(run, limits):
    assert run("create", "--role", "site", "--label", "x", *limits).exit_code == 2
