"""What commands print: data on standard output, everything else on standard error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from api.imports.importer import Progress

Command = TypeVar("Command", bound=Callable[..., Any])

PLAIN_EVERY_S = 5.0
"""How often progress is written where there is no terminal to draw on."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print data as JSON, and nothing else.")
"""The option of every command whose output is data."""


resume_option = click.option(
    "--resume",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to keep in what was measured; what is in it already is not measured again.",
)
"""The option of commands that compare learners."""


class NumberRange(click.FloatRange):
    """Numbers between two, of which `nan` is none although it is neither less nor more than any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return a number in the range; tell what is wrong otherwise."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"`{value}` is not a number", param, ctx)
        return number


memory_option = click.option(
    "--memory-gb",
    type=NumberRange(min=0, min_open=True),
    help="GiB that learning may take; what the machine has left by default. Who needs more is left out.",
)
"""The option of commands that compare learners."""


def budget_option(default_s: int) -> Callable[[Command], Command]:
    """Return the option that says how long a command that compares learners may take."""
    return click.option(
        "--budget-s", type=NumberRange(min=1), default=default_s, show_default=True, help="Seconds in all."
    )


def memory_bytes_of(memory_gb: float | None) -> int | None:
    """Return what learning may take; what the machine has left where nothing is said."""
    from api.machine import GIBIBYTE, free_memory_bytes  # noqa: PLC0415  not needed for --help

    return free_memory_bytes() if memory_gb is None else int(memory_gb * GIBIBYTE)


def print_json(data: Any) -> None:
    """Print data as one JSON document."""
    import orjson  # noqa: PLC0415  only commands that print data need it

    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))


def minute(at_ms: int | None) -> str:
    """Return a time of UTC to the minute, for a column of a table; nothing for what has no time.

    >>> minute(0)
    '1970-01-01 00:00'
    """
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console  # noqa: PLC0415  slow to import, not needed for --help

    return Console(highlight=False)


def say(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    click.echo(text, err=True)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show how far long work has come and how long it will still take, on standard error.

    On a terminal a bar is drawn; elsewhere a plain line is written every few seconds.
    """
    from rich.console import Console  # noqa: PLC0415  slow to import, not needed for --help

    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield _plain(what)
        return
    from rich.progress import (  # noqa: PLC0415  as above
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415  as above

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[message]}"),
    )
    with Bar(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None, message="")

        def show(done: int, total: int | None, message: str) -> None:
            bar.update(task, completed=done, total=total, message=message)

        yield show


def _plain(what: str) -> Progress:
    started = written = time.monotonic()
    last = 0

    def show(done: int, total: int | None, message: str) -> None:
        nonlocal started, written, last
        now = time.monotonic()
        if done < last:  # other work has begun, which goes at a pace of its own
            started = now
        last = done
        if now - written < PLAIN_EVERY_S:
            return
        written = now
        say(f"{what}: {_how_far(done, total, now - started)}{message}")

    return show


def _how_far(done: int, total: int | None, elapsed_s: float) -> str:
    if not total or not done:
        return ""
    left_s = elapsed_s * (total - done) / done
    return f"{100 * done // total} %, about {left_s:.0f} s left, "
