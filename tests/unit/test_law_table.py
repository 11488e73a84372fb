"""The table of what the law asks, ``tests/cases/law.yaml``: complete, and every test in it really runs."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parents[1]
ROWS = yaml.safe_load((TESTS / "cases" / "law.yaml").read_text("utf-8"))["rows"]

N_LINES_OF_LAW = 39
FIELDS = {"id", "law", "asks", "held_by", "not_applicable", "beyond"}
MAX_CHARACTERS = 140
NOT_RUN = ("skip", "xfail")
CALLED_IN = {
    Path("cases/consent"): "title",
    Path("cases/policy"): "note",
    Path("cases/rules"): "note",
}

EXAMPLE = """
@pytest.mark.skipif(True, reason="")
def test_skipped(): ...

@pytest.mark.parametrize("n", [1])
def test_run(n): ...

def helper(): ...

class TestSomething:
    def test_inside(self): ...

class Something:
    def test_never_collected(self): ...
"""

NAMED = [pytest.param(name, id=f"{row['id']} {name}") for row in ROWS for name in row["held_by"]]


@cache
def collected(file: str) -> frozenset[str]:
    """Return what pytest collects of a file, ``Class::function`` where there is a class."""
    path = TESTS / file
    if not path.name.startswith("test_"):
        return frozenset()
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not skipped(node):
            found |= {f"{node.name}::{name}" for name in functions_in(node)}
    return frozenset(found | functions_in(ast.parse(path.read_text("utf-8"))))


def functions_in(parent: ast.Module | ast.ClassDef) -> set[str]:
    """Return the names of the tests that stand right in a module or a class."""
    functions = [node for node in parent.body if isinstance(node, ast.FunctionDef) and not skipped(node)]
    return {node.name for node in functions if node.name.startswith("test_")}


def skipped(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether a test says that it is not to be run, or may fail."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any(f"mark.{word}" in mark for mark in marks for word in NOT_RUN)


@cache
def titles_in(file: str) -> frozenset[str]:
    """Return the titles of the examples in a file; every example in these folders is run."""
    called = CALLED_IN[Path(file).parent]
    return frozenset(case[called] for case in yaml.safe_load((TESTS / file).read_text("utf-8"))["cases"])


def test_every_line_of_the_law_has_a_row():
    assert len(ROWS) == N_LINES_OF_LAW
    assert [id_ for id_, times in Counter(row["id"] for row in ROWS).items() if times > 1] == []
    assert [law for law, times in Counter(row["law"] for row in ROWS).items() if times > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_every_row_can_be_read_and_names_what_holds_it(row):
    """A row that does not apply too: it names the test that shows why."""
    assert set(row) <= FIELDS
    assert {"id", "law", "asks", "held_by"} <= set(row)
    assert 0 < len(row["asks"]) <= MAX_CHARACTERS
    assert len(set(row["held_by"])) == len(row["held_by"]) > 0
    assert all(row.get(name, "said").strip() for name in ("not_applicable", "beyond"))


@pytest.mark.parametrize("name", NAMED)
def test_every_test_in_the_table_exists_and_is_run(name):
    file, _, rest = name.partition("::")
    assert rest in (titles_in(file) if file.endswith(".yaml") else collected(file))


def test_a_test_that_is_gone_or_is_not_run_would_be_noticed(tmp_path, monkeypatch):
    for name in ("test_some.py", "some.py"):
        (tmp_path / name).write_text(EXAMPLE, "utf-8")
    monkeypatch.setattr(f"{__name__}.TESTS", tmp_path)
    collected.cache_clear()
    assert collected("test_some.py") == {"test_run", "TestSomething::test_inside"}
    assert collected("some.py") == frozenset()
    collected.cache_clear()
