"""Whether this code and a database fit together, from one release to the next.

A release that needs a change of the schema adds what it needs and takes nothing away that the release before
uses; what nobody uses any more is taken away by a later one (expand, deploy, contract). So a database may be
ahead of the code that answers from it: it is brought up to date first, while the old code answers on. A
migration that takes something away says from which revision on code can do without it, in ``oldest_served``;
the database remembers that, so that older code can tell although it does not know the migration.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select

import migrations
from api.storage.statements import insert_or_replace
from api.storage.tables import active_versions

SERVES = "schema_serves"
"""The name under which it is kept beside the versions in force."""

_FIRST = "0012"
"""The revision that the rule began with."""


class Fit(StrEnum):
    """How a database stands to this code."""

    FITS = "fits"
    BEHIND = "behind"
    """It lacks what this code needs."""
    AHEAD = "ahead"
    """A later release has taken away what this code needs."""


def fit_of(connection: Connection) -> Fit:
    """Tell how a database stands to this code."""
    here = set(MigrationContext.configure(connection).get_current_heads())
    own = set(_scripts().get_heads())
    if here == own:
        return Fit.FITS
    if not is_ahead(connection):
        return Fit.BEHIND
    query = select(active_versions.c.version).where(active_versions.c.name == SERVES)
    serves = connection.scalar(query)
    return Fit.FITS if serves is not None and min(own) >= serves else Fit.AHEAD


def is_ahead(connection: Connection) -> bool:
    """Whether a migration was run that this code does not know."""
    known = {each.revision for each in _scripts().walk_revisions()}
    return not known.issuperset(MigrationContext.configure(connection).get_current_heads())


def remember_served(connection: Connection, now_ms: int) -> None:
    """Let a database that was just brought up to date remember the oldest code that can answer from it."""
    serves = next(
        (
            each.module.oldest_served
            for each in _scripts().walk_revisions()
            if hasattr(each.module, "oldest_served")
        ),
        _FIRST,
    )
    row = {"name": SERVES, "version": serves, "changed_at_ms": now_ms}
    connection.execute(insert_or_replace(connection, active_versions, "name"), row)


@cache
def _scripts() -> ScriptDirectory:
    """Return the migrations of this code; those that come later into the folder are of other code."""
    found = ScriptDirectory(Path(migrations.__file__).parent)
    found.get_heads()  # reads all of them
    return found
