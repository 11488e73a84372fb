"""``tactful demo``: everything from nothing on real data, then a server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.demo.shop import Building, Stages
    from api.demo.state import DemoState, Example
    from api.imports.importer import Progress
    from api.settings import Settings

DATA_DIR = "var/demo"
JURISDICTION = "US"
"""Complete Journey comes from a grocer in the United States; with no place named the strictest rules hold."""


@click.command()
@click.option("--no-serve", is_flag=True, help="Stop after the examples.")
@json_option
def demo(*, no_serve: bool, as_json: bool) -> None:
    """Build a shop from a year of real-looking purchases, show what it suggests and why, and serve it.

    The shop is kept in var/demo (TACTFUL_DATA_DIR); a second start finds it there.
    """
    from api.cli import server  # noqa: PLC0415  not needed for --help
    from api.settings import Settings  # noqa: PLC0415  as above

    environ = demo_environ(os.environ)
    settings = Settings.from_env(environ)
    if no_serve:
        _present(settings, as_json=as_json)
        return
    server.require_free_port(settings.host, settings.port)
    with server.shared_figures():
        _present(settings, as_json=as_json)
        base = f"http://{settings.host}:{settings.port}"
        say(f"open {base}/demo for the shop and {base}/console for those who run it; stop with Ctrl+C")
        server.run(environ)


def _present(settings: Settings, *, as_json: bool) -> None:
    """Make sure that the shop stands, and show it."""
    from api.demo.screen import as_data, show  # noqa: PLC0415  not needed for --help

    now_ms = time.time_ns() // 1_000_000
    stages = TimedStages()
    state, examples, building = stand_or_build(settings, now_ms, stages)
    say(f"ready after {stages.total_s:.1f} s")
    if as_json:
        print_json(as_data(settings, state, stages.done, examples, building))
    else:
        show(console(), settings, state, examples, building, now_ms)


def stand_or_build(
    settings: Settings, now_ms: int, stages: Stages
) -> tuple[DemoState, list[Example], Building | None]:
    """Return the shop that stands, brought up to date, or build it."""
    from api.demo.state import read_examples, read_keys, read_state  # noqa: PLC0415  not needed for --help

    state = read_state(settings.data_dir)
    if state is None or not state.finished:
        from api.demo.shop import build_shop  # noqa: PLC0415  the engine: a second start does without

        building = build_shop(settings, now_ms, stages)
        return building.state, building.examples, building
    from api.storage.connection import open_engine, upgrade  # noqa: PLC0415  not needed for --help

    with stages("the shop stands already"):
        read_keys(settings.data_dir)
        engine = open_engine(settings)
        upgrade(engine)
        engine.dispose()
    return state, read_examples(settings.data_dir), None


def demo_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the demo: open, in its place and a folder of its own, or as named."""
    usual = {"TACTFUL_DATA_DIR": DATA_DIR, "TACTFUL_CONSENT_JURISDICTION": JURISDICTION, "TACTFUL_DEMO": "1"}
    return {**usual, **environ}


class TimedStages:
    """Shows each stage while it runs, and its time once it is done; on standard error.

    Attributes:
        done: name and seconds of each stage that is done.
    """

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []

    @property
    def total_s(self) -> float:
        """Seconds of all stages together."""
        return sum(seconds for _, seconds in self.done)

    @contextmanager
    def __call__(self, name: str) -> Iterator[Progress]:
        """Run a stage."""
        started = time.monotonic()
        with progress(name) as show:
            yield show
        self.done.append((name, time.monotonic() - started))
        say(f"{name:32}{self.done[-1][1]:7.1f} s")
