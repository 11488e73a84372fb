"""Opening the shop that the settings name: imported by commands only when they run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.engine import make_url

from api.errors import EdgeError, StoreUnavailableError
from api.forgetting.restored import reapply_erasures
from api.logbook import Logbook, open_logbook
from api.logging import warn
from api.settings import Settings
from api.storage.connection import NOT_CURRENT, TOO_NEW, fit, open_engine
from api.storage.release import Fit
from api.storage.subjects import Subjects, open_subjects


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """What commands work with.

    Attributes:
        settings: every setting.
        engine: the database, up to date.
        subjects: the shop's pseudonyms.
        logbook: the log, its keys and its guard.
        now_ms: the time the command started, milliseconds since the epoch.
    """

    settings: Settings
    engine: Engine
    subjects: Subjects
    logbook: Logbook
    now_ms: int


def now_ms() -> int:
    """Return the time in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


@contextmanager
def open_shop(environ: Mapping[str, str] = os.environ) -> Iterator[Shop]:
    """Open the shop and close it when left; what the command has added to the log is vouched for then.

    Raises:
        SettingsError: a setting cannot be used.
        StoreUnavailableError: the database cannot be used, or is not up to date; the message says
            what mends that.
    """
    settings = Settings.from_env(environ)
    engine = open_engine(settings)
    try:
        require_current(engine)
        logbook = open_logbook(settings, engine, now_ms)
        try:
            shop = Shop(settings, engine, open_subjects(settings), logbook, now_ms())
            _look_back(shop)
            yield shop
            logbook.announce()
        finally:
            logbook.close()
    finally:
        engine.dispose()


def _look_back(shop: Shop) -> None:
    """Erase again whom a restored database has brought back, as a server does when it starts."""
    try:
        reapply_erasures(shop.logbook, shop.subjects, shop.settings.recipients, shop.now_ms)
    except EdgeError as error:  # whoever opens the shop next tries again
        warn("erasures:reapply:failed", error)


def require_current(engine: Engine) -> None:
    """Refuse a database that is missing, behind, or of a release that this code is too old for.

    Raises:
        StoreUnavailableError: it is.
    """
    found = Fit.BEHIND if _is_missing(engine.url) else fit(engine)
    if found is Fit.BEHIND:
        raise StoreUnavailableError(NOT_CURRENT)
    if found is Fit.AHEAD:
        raise StoreUnavailableError(TOO_NEW)


def has_database(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether there is a database, or one is said to be there; not whether it can be used.

    Raises:
        SettingsError: a setting cannot be used.
    """
    return not _is_missing(make_url(Settings.from_env(environ).database_url))


def _is_missing(url: URL) -> bool:
    """Tell whether the database is a file that is not there."""
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()
