"""The demo's own files: how far the building has come, its keys, and what it showed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from api.errors import DemoDataError

FORMAT = 5
"""Shops of the formats before have models that are no longer read, or lack keys, records or accounts."""
STATE_FILE = "demo.json"
KEYS_FILE = "keys.json"
EXAMPLES_FILE = "examples.json"
PASSWORD = "console password"  # noqa: S105  what it is called in the file of the keys


@dataclass(frozen=True, slots=True)
class DemoState:
    """What is known about the demo shop.

    Attributes:
        format: of this file.
        clock_ms: the clock the shop was built by, milliseconds since the epoch.
        weeks_moved: how many weeks later than in the data everything happens.
        last_purchase_ms: time of the youngest purchase.
        finished: the shop stands.
    """

    format: int
    clock_ms: int
    weeks_moved: int = 0
    last_purchase_ms: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One example with its answer; everything as plain data.

    Attributes:
        title: what the customer chose and where we are.
        lesson: what to see in the answer.
        request: body of the request.
        basis: how personal the evidence behind the slate is.
        profiling: why the history may not be used, or ``None`` where it may.
        decision_id: under which the decision is recorded.
        suggestions: rank, item id, title, price and reason of each.
        withheld: item id, title, rule, and why, of some of what was withheld; all are counted.
        n_withheld: number of candidates withheld, by rule.
        kept_out: number of interactions that were no evidence, by rule.
        reads: number of reads of each store that holds personal data.
        answer: the whole answer as it was sent.
    """

    title: str
    lesson: str
    request: Mapping[str, Any]
    basis: str
    profiling: str | None
    decision_id: str
    suggestions: list[dict[str, Any]]
    withheld: list[dict[str, Any]]
    n_withheld: dict[str, int]
    kept_out: dict[str, int]
    reads: dict[str, int]
    answer: dict[str, Any]


def read_state(data_dir: Path) -> DemoState | None:
    """Return what is known about the demo shop in a folder; ``None`` when nothing was begun there.

    Raises:
        DemoDataError: the file is damaged or of another version.
    """
    file = data_dir / STATE_FILE
    if not file.exists():
        return None
    document = _read(file, dict)
    if document.get("format") != FORMAT:
        raise DemoDataError(f"`{file}` is of another version: remove the folder and start again")
    return DemoState(**document)


def is_built(data_dir: Path) -> bool:
    """Tell whether the demo has loaded its data here, all of it.

    Raises:
        DemoDataError: the file that says so is damaged or of another version.
    """
    state = read_state(data_dir)
    return state is not None and state.finished


def write_state(data_dir: Path, state: DemoState) -> None:
    """Keep what is known about the demo shop."""
    write_privately(data_dir / STATE_FILE, asdict(state))


def read_keys(data_dir: Path) -> dict[str, str]:
    """Return the secret of each role's key, and the password of the accounts.

    Raises:
        DemoDataError: the file is missing or damaged.
    """
    keys: dict[str, str] = _read(data_dir / KEYS_FILE, dict)
    return keys


def read_examples(data_dir: Path) -> list[Example]:
    """Return the examples as they were answered when the shop was built.

    Raises:
        DemoDataError: the file is missing or damaged.
    """
    return [Example(**each) for each in _read(data_dir / EXAMPLES_FILE, list)]


def forget_example(data_dir: Path, customer_id: str) -> int:
    """Remove the examples that were asked for a customer; return 1 when there were any.

    Raises:
        OSError: the file cannot be read or written.
    """
    file = data_dir / EXAMPLES_FILE
    if not file.exists():
        return 0
    try:
        examples = read_examples(data_dir)
    except DemoDataError:  # what cannot be read cannot be told apart either
        file.unlink()
        return 1
    kept = [each for each in examples if each.request.get("customer_id") != customer_id]
    if len(kept) == len(examples):
        return 0
    write_privately(file, [asdict(each) for each in kept])
    return 1


def write_privately(file: Path, document: object) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    draft.replace(file)


def _read(file: Path, kind: type) -> Any:
    try:
        document = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        document = None
    if not isinstance(document, kind):
        raise DemoDataError(f"`{file}` is missing or damaged: remove the folder and start again")
    return document
