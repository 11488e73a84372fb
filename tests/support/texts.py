"""Every text of the source code that a customer or a caller may come to read, found by reading the code.

A text counts when it is handed to one of ``SPEAKERS``. One that is put together on the spot (an
f-string, a sum) cannot be said in another language: it has to be a ``Phrase``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from api.problems import PROBLEM_OF
from engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[2]

SPEAKERS = {
    "Phrase": (0,),
    "Finding": (0,),
    "at": (1,),
    "FieldError": (1,),
    "PlacedError": (1,),
    "BadEvent": (2,),
    "ValidationError": (0,),
    "say": (0,),
    "say_how_many": (1,),
    **{
        error.__name__: (0,)
        for error in PROBLEM_OF
        if not issubclass(error, EngineError) and error.__name__ != "InvalidRequestError"
    },
}
"""What is given a text, and which argument that is."""

PAGES = ("api/console", "api/storefront")
"""What has catalogues of its own."""

SILENT = (
    "api/cli",
    "api/demo",
    "api/imports/merchant",
    "api/imports/consents.py",
    "guardrails/sensitive/keywords.py",
)
"""What only a shop's operator meets, on the command line, in English."""


def texts(package: str) -> set[str]:
    """Return the texts of a package."""
    return {text for call in _calls(package) for text in _texts_of(call)}


def texts_of_templates(package: str) -> set[str]:
    """Return the texts that the templates of a package say."""
    pages = (ROOT / package / "templates").rglob("*.html")
    said = re.compile(r'\b(?:say|how_many)\((?:[^"()]+, )?"([^"]+)"')
    return {text for page in pages for text in said.findall(page.read_text("utf-8"))}


def put_together(package: str) -> list[str]:
    """Return where a text is put together on the spot."""
    return [
        f"{ast.unparse(call)}"
        for call in _calls(package)
        for argument in _arguments(call)
        if isinstance(argument, ast.JoinedStr | ast.BinOp)
    ]


def _calls(package: str) -> Iterator[ast.Call]:
    for file in sorted((ROOT / package).rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        if path.startswith(SILENT) or (path.startswith(PAGES) and not package.startswith(PAGES)):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in SPEAKERS:
                yield node


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    for at in SPEAKERS[_name(call.func)]:
        if at < len(call.args):
            yield call.args[at]


def _texts_of(call: ast.Call) -> Iterator[str]:
    for argument in _arguments(call):
        if isinstance(argument, ast.Dict):
            yield from (each for value in argument.values for each in _constants(value))
        elif isinstance(argument, ast.DictComp):
            yield from _constants(argument.value)
        elif isinstance(argument, ast.Constant | ast.IfExp):
            yield from _constants(argument)


def _constants(node: ast.expr) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
