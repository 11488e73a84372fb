"""Whoever decodes anything says where it comes from, so that no way in is left untried."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml
from support.parsers import PARSERS

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "decoders.yaml"
DECODERS = frozenset(
    {"loads", "b64decode", "urlsafe_b64decode", "fromisoformat", "frombuffer", "ZipFile", "ParquetFile"}
    | {"read_table", "DictReader", "iterparse", "decompress", "decompressobj"}
)
OF_MODULES = frozenset({("csv", "reader"), ("yaml", "parse"), ("yaml", "load"), ("yaml", "safe_load")})
NOT_FROM_OUTSIDE = frozenset(
    {"our records", "our database", "our models and measurements", "ships with us", "a package"}
    | {"checked by digest", "the operator", "HTTP"}
)


def decodes(module):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if node.func.attr in DECODERS or (owner, node.func.attr) in OF_MODULES:
                return True
    return False


def test_every_module_that_decodes_says_what():
    found = {
        module.relative_to(ROOT).as_posix()
        for floor in ("engine", "guardrails", "api")
        for module in (ROOT / floor).rglob("*.py")
        if decodes(module)
    }
    assert found == yaml.safe_load(CASES.read_text()).keys()


def test_what_comes_from_outside_has_a_parser_that_is_tried():
    said = set(yaml.safe_load(CASES.read_text()).values())
    assert said - NOT_FROM_OUTSIDE <= {parser.name for parser in PARSERS}
