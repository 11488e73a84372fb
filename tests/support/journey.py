"""The demo shop, built once a session from the whole of Complete Journey; takes a minute or two."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.demo.shop import Building
    from api.imports.importer import Progress
    from api.settings import Settings


@dataclass(frozen=True)
class JourneyShop:
    """The shop and what its building did.

    Attributes:
        settings: where it stands.
        building: reports, keys and examples.
        seconds: how long it took.
    """

    settings: Settings
    building: Building
    seconds: float


def build_journey_shop(folder: Path) -> JourneyShop:
    """Build the shop in a folder."""
    from api.cli.demo import demo_environ  # noqa: PLC0415  every test session reads this module, few build
    from api.demo.shop import build_shop  # noqa: PLC0415  as above
    from api.settings import Settings  # noqa: PLC0415  as above

    settings = Settings.from_env(demo_environ({"TACTFUL_DATA_DIR": str(folder)}))
    started = time.monotonic()
    building = build_shop(settings, time.time_ns() // 1_000_000, _silent_stage)
    return JourneyShop(settings, building, time.monotonic() - started)


@contextmanager
def _silent_stage(_name: str) -> Iterator[Progress]:
    def unseen(done: int, total: int | None, message: str) -> None:
        """Nobody waits at a terminal."""

    yield unseen
