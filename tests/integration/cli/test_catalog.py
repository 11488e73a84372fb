"""tactful catalog: the stored catalogue classified afresh, reported on, and raised by the shop."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, select, update

from api.cli import main
from api.storage.tables import active_versions, category_marks, items, log_entries

ITEMS = [
    {"item_id": "wine", "title": "Riesling", "category": "Drinks > Wine"},
    {"item_id": "juice", "title": "Apple juice", "category": "Drinks > Juice"},
    {"item_id": "card", "title": "Mother's Day card [large]", "category": "Cards"},
    {"item_id": "jacket", "title": "Rain jacket, only 2 left", "category": "Clothing"},
    {"item_id": "thing", "title": "Serenity [No. 4]"},
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on a shop of its own that sells ``ITEMS``; its database is ``run.database``."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("COLUMNS", "120")

    def invoke(*arguments):
        return CliRunner().invoke(main, [str(each) for each in arguments])

    feed = tmp_path / "items.jsonl"
    feed.write_text("\n".join(json.dumps(item) for item in ITEMS))
    assert invoke("db", "upgrade").exit_code == 0
    assert invoke("import", "items", feed).exit_code == 0
    file = tmp_path / "shop" / "tactful.db"
    invoke.database = create_engine(f"sqlite:///{file}")
    yield invoke
    invoke.database.dispose()


def stored(run, item_id):
    with run.database.connect() as conn:
        row = conn.execute(select(items).where(items.c.item_id == item_id)).mappings().one()
    return {name: row[name] for name in ("sensitive_class", "tier", "deciding_layer", "age_restricted")}


def spoil(run, item_id, **values):
    """Store of an item what another version of the word lists might have said."""
    with run.database.begin() as conn:
        conn.execute(update(items).where(items.c.item_id == item_id).values(values))


def catalogue_version(run):
    with run.database.connect() as conn:
        named = active_versions.c.name == "catalogue"
        return conn.execute(select(active_versions.c.version).where(named)).scalar_one()


def data(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_is_up_to_date_is_left_alone(run):
    before = catalogue_version(run)
    done = data(run("catalog", "classify", "--json"))
    assert (done["n_items"], done["n_changed"]) == (5, 0)
    assert catalogue_version(run) == before


def test_what_is_decided_otherwise_now_is_stored_and_counted(run):
    good = stored(run, "wine")
    spoil(run, "wine", sensitive_class=None, tier=0, deciding_layer="none", age_restricted=False)
    spoil(run, "juice", sensitive_class="alcohol", tier=2, deciding_layer="keyword")
    spoil(run, "card", occasions=0)
    spoil(run, "thing", unclassified=False)
    before = catalogue_version(run)
    assert data(run("catalog", "classify", "--json")) == {
        "n_items": 5,
        "n_changed": 4,
        "n_other_class": 2,
        "n_raised": 1,
        "n_lowered": 1,
        "n_other_occasions": 1,
    }
    assert stored(run, "wine") == good
    assert catalogue_version(run) != before
    assert data(run("catalog", "classify", "--json"))["n_changed"] == 0


def test_it_works_through_a_catalogue_in_runs(run, monkeypatch):
    monkeypatch.setattr("api.classifying.N_IN_RUN", 2)
    spoil(run, "thing", unclassified=False)
    done = data(run("catalog", "classify", "--json"))
    assert (done["n_items"], done["n_changed"]) == (5, 1)
    assert data(run("catalog", "classify", "--report", "--json"))["n_items"] == 5


def test_without_json_one_line_says_what_changed(run):
    spoil(run, "card", occasions=0)
    result = run("catalog", "classify")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 of 5 items changed: 0 class, 0 raised, 0 lowered, 1 occasions" in result.stderr


def test_the_report_says_what_is_covered_and_changes_nothing(run):
    spoil(run, "card", occasions=0)
    before = catalogue_version(run)
    report = data(run("catalog", "classify", "--report", "--json"))
    assert report == {
        "n_items": 5,
        "by_class": [
            {"class": "alcohol", "tier": 2, "n_items": 1},
            {"class": None, "tier": 0, "n_items": 4},
        ],
        "by_layer": {
            "google": {"n_items": 0, "share": 0.0},
            "attribute": {"n_items": 0, "share": 0.0},
            "keyword": {"n_items": 1, "share": 0.2},
            "shop": {"n_items": 0, "share": 0.0},
            "none": {"n_items": 4, "share": 0.8},
        },
        "by_occasion": {},
        "n_age_restricted": 1,
        "n_pressing": 1,
        "n_unclassified": 1,
        "n_outdated": 1,
        "pressing": [{"item_id": "jacket", "title": "Rain jacket, only 2 left"}],
        "unclassified": [{"item_id": "thing", "title": "Serenity [No. 4]"}],
    }
    assert catalogue_version(run) == before
    assert data(run("catalog", "classify", "--report", "--json")) == report


def test_the_report_is_a_table_for_people(run):
    shown = run("catalog", "classify", "--report")
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "alcohol S2 1" in lines
    assert "words of category and title 1 20.0%" in lines
    assert "mothers_day 1" in lines
    assert "a title that presses 1 jacket Rain jacket, only 2 left" in lines
    assert "nothing but a title to go by 1 thing Serenity [No. 4]" in lines
    assert "not up to date" not in shown.stderr


def test_the_report_names_the_command_that_brings_items_up_to_date(run):
    spoil(run, "thing", unclassified=False)
    shown = run("catalog", "classify", "--report")
    assert "1 items are not up to date: run `tactful catalog classify`" in shown.stderr


def test_an_empty_catalogue_is_reported_as_well(run):
    with run.database.begin() as conn:
        conn.execute(items.delete())
    assert data(run("catalog", "classify", "--report", "--json"))["by_class"] == []
    assert run("catalog", "classify", "--report").exit_code == 0


def test_an_item_is_raised_at_once(run):
    before = catalogue_version(run)
    raised = data(run("catalog", "raise", "thing", "--tier", "3", "--class", "bereavement", "--json"))
    assert raised == {
        "item_id": "thing",
        "sensitive_class": "bereavement",
        "tier": 3,
        "layer": "shop",
        "age_restricted": False,
    }
    assert stored(run, "thing")["sensitive_class"] == "bereavement"
    assert catalogue_version(run) != before
    assert data(run("catalog", "classify", "--json"))["n_changed"] == 0


def test_a_tier_alone_raises_what_was_found(run):
    shown = run("catalog", "raise", "wine", "--tier", "3")
    assert "`wine` is alcohol, tier 3, decided by a mark of the shop" in shown.stderr
    assert stored(run, "wine") == {
        "sensitive_class": "alcohol",
        "tier": 3,
        "deciding_layer": "shop",
        "age_restricted": True,
    }


def test_a_mark_below_what_was_found_changes_nothing(run):
    shown = run("catalog", "raise", "wine", "--tier", "1", "--class", "child_audience")
    assert "`wine` is alcohol, tier 2, decided by words of category and title" in shown.stderr


def test_a_mark_is_not_lowered(run):
    assert run("catalog", "raise", "juice", "--tier", "3", "--class", "health").exit_code == 0
    refused = run("catalog", "raise", "juice", "--tier", "2")
    assert refused.exit_code == 1
    assert "a mark can only be raised: it is tier 3 now" in refused.stderr
    assert stored(run, "juice")["tier"] == 3


def test_a_mark_outlives_an_import_that_says_nothing_of_it(run, tmp_path):
    assert run("catalog", "raise", "juice", "--tier", "2", "--class", "health").exit_code == 0
    assert (
        run("catalog", "raise", "--category", "Cards", "--tier", "3", "--class", "bereavement").exit_code == 0
    )
    shown = run("import", "items", tmp_path / "items.jsonl")
    assert "5 unchanged" in shown.output
    assert (stored(run, "juice")["tier"], stored(run, "card")["tier"]) == (2, 3)


def test_what_is_imported_later_is_marked_with_its_category(run, tmp_path):
    assert (
        run("catalog", "raise", "--category", "Cards", "--tier", "3", "--class", "bereavement").exit_code == 0
    )
    later = tmp_path / "later.jsonl"
    later.write_text(json.dumps({"item_id": "black", "title": "Black card", "category": "Cards > Plain"}))
    assert run("import", "items", later).exit_code == 0
    assert (stored(run, "black")["sensitive_class"], stored(run, "black")["tier"]) == ("bereavement", 3)


def test_a_category_is_raised_with_all_below_it_and_nothing_else(run):
    done = data(
        run("catalog", "raise", "--category", "drinks", "--tier", "3", "--class", "religion", "--json")
    )
    assert done == {
        "category": "drinks",
        "n_items": 2,
        "n_changed": 2,
        "n_other_class": 2,
        "n_raised": 2,
        "n_lowered": 0,
        "n_other_occasions": 0,
    }
    assert stored(run, "juice")["sensitive_class"] == "religion"
    assert stored(run, "wine")["age_restricted"]
    assert stored(run, "card")["tier"] == 0
    assert data(run("catalog", "classify", "--json"))["n_changed"] == 0


def test_a_category_is_marked_once_however_it_is_written(run):
    assert (
        run("catalog", "raise", "--category", "Drinks >juice", "--tier", "2", "--class", "health").exit_code
        == 0
    )
    shown = run("catalog", "raise", "--category", "DRINKS > Juice >", "--tier", "3")
    assert "1 of 1 items changed: 0 class, 1 raised" in shown.stderr
    refused = run("catalog", "raise", "--category", "drinks>juice", "--tier", "1")
    assert (refused.exit_code, "it is tier 3 now" in refused.stderr) == (1, True)
    with run.database.connect() as conn:
        (mark,) = conn.execute(select(category_marks)).mappings().all()
    assert (mark["category"], mark["sensitive_class"], mark["tier"]) == ("drinks > juice", "health", 3)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("no-such-item", "--tier", "3"), "this item is not in the catalogue"),
        (("wine", "--tier", "3", "--class", "astrology"), "unknown sensitive class `astrology`"),
        (("--category", "Drinks", "--tier", "3", "--class", "astrology"), "unknown sensitive class"),
    ],
)
def test_what_cannot_be_raised_is_named(run, arguments, why):
    before = catalogue_version(run)
    refused = run("catalog", "raise", *arguments)
    assert (refused.exit_code, why in refused.stderr) == (1, True)
    assert catalogue_version(run) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tier", "3"),
        ("wine", "--category", "Drinks", "--tier", "3"),
        ("--category", " > ", "--tier", "3"),
        ("wine",),
        ("wine", "--tier", "0"),
        ("wine", "--tier", "4"),
    ],
)
def test_what_is_not_understood_is_refused(run, arguments):
    assert run("catalog", "raise", *arguments).exit_code == 2


def test_the_log_says_who_marked_what(run):
    assert run("catalog", "raise", "juice", "--tier", 2, "--class", "health").exit_code == 0
    assert run("catalog", "raise", "--category", "drinks>juice", "--tier", 3).exit_code == 0
    with run.database.connect() as conn:
        of_marks = log_entries.c.type == "config"
        entries = [
            json.loads(each) for each in conn.execute(select(log_entries.c.entry).where(of_marks)).scalars()
        ]
    said = [each for each in entries if each["what"] == "sensitive_mark"]
    assert [(each.get("item"), each.get("category"), each["tier"]) for each in said] == [
        ("juice", None, 2),
        (None, "drinks > juice", 3),
    ]
    assert {each["actor"] for each in said} == {"system"}
