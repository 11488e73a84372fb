"""Nothing that is kept for later grows for ever: every cache says how much it holds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(file for floor in ("api", "engine", "guardrails") for file in (ROOT / floor).rglob("*.py"))

WITHOUT_SIZE = {
    "api/rights/readings.py partial(_own_rules, of)": "lives as long as one request",
    "api/routes/consents.py notice_of": "lives as long as one request",
    "api/storage/statements.py _insertion": "one for each table, and list of columns, in our code",
    "api/storage/statements.py _worded": "one for each statement in our code",
    "guardrails/policy/sides.py _presence": "two for each field of the language",
    "guardrails/policy/sides.py everything": "one for each field of the language",
    "guardrails/reasons.py _sentences": "one for each language there is a catalogue of",
}
"""Caches that hold as much as they are asked for, and why that is little."""


def unbounded(source: str) -> list[str]:
    """Return the name of everything in a module that is cached without saying how much of it is kept."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "cache":
            found.append(ast.unparse(node.args[0]))
        elif isinstance(node, ast.FunctionDef) and any(map(_has_no_size, node.decorator_list)):
            takes = node.args
            if takes.args or takes.kwonlyargs or takes.vararg or takes.kwarg:
                found.append(node.name)
    return sorted(found)


def _has_no_size(decorator: ast.expr) -> bool:
    said = ast.unparse(decorator).removeprefix("functools.")
    return said in {"cache", "lru_cache"} or (said.startswith("lru_cache(") and "None" in said)


def test_every_cache_has_a_size_or_a_reason_to_need_none():
    found = {
        f"{file.relative_to(ROOT).as_posix()} {name}"
        for file in MODULES
        for name in unbounded(file.read_text("utf-8"))
    }
    assert found == set(WITHOUT_SIZE)


@pytest.mark.parametrize(
    "decorator", ["@cache", "@functools.cache", "@lru_cache", "@lru_cache(maxsize=None)", "@lru_cache(None)"]
)
def test_a_cache_without_a_size_is_found(decorator):
    assert unbounded(f"{decorator}\ndef of(customer): ...\nkept = cache(those)") == ["of", "those"]


def test_what_says_its_size_or_takes_nothing_is_left_alone():
    assert unbounded("@lru_cache(maxsize=8)\ndef of(customer): ...\n@cache\ndef it(): ...") == []
