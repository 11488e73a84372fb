"""The last report of what slates give away, kept in a file for pages to show: figures, and nobody."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from api.errors import SettingsError
from api.logging import warn
from api.settings import Settings
from api.storage.secret_files import sync_folder

if TYPE_CHECKING:
    from api.evaluating.leakage import Leakage  # slow to import, and not needed to read a report

_MEMBERS = frozenset({"at_ms", "n_customers", "placement", "model", "policy", "n_lifts", "lift_max", "rows"})


def report_file(settings: Settings) -> Path:
    """Return where the last report is kept."""
    return settings.data_dir / "leakage.json"


def keep_report(file: Path, report: Leakage, now_ms: int) -> None:
    """Write a report in the place of the one before, whole and at once.

    Args:
        file: where to.
        report: what was measured.
        now_ms: when, milliseconds since the epoch.

    Raises:
        SettingsError: it cannot be written.
    """
    document = orjson.dumps({"at_ms": now_ms, **report.as_data()}, option=orjson.OPT_SERIALIZE_NUMPY)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
        with os.fdopen(descriptor, "wb") as out:
            out.write(document)
            out.flush()
            os.fsync(out.fileno())
        Path(draft).replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise SettingsError(f"the report `{file}` cannot be written: {error.strerror}") from error


def kept_report(file: Path) -> dict[str, Any] | None:
    """Return the last report; ``None`` where there is none, or none that can be read."""
    try:
        found = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        warn("leakage:read:failed", error)
        return None
    return found if isinstance(found, dict) and found.keys() >= _MEMBERS else None
