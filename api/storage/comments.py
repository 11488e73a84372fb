"""What people of the shop say of a version of a policy, between the steps of its life."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from api.storage.tables import policy_comments


@dataclass(frozen=True, slots=True)
class Comment:
    """Something that was said.

    Attributes:
        version: version of the policy that it is about.
        actor: id of the account that said it.
        actor_role: its role at the time.
        at_ms: when, milliseconds since the epoch.
        comment: what was said, on one line.
    """

    version: str
    actor: str
    actor_role: str
    at_ms: int
    comment: str


_TOLD = tuple(policy_comments.c[name] for name in Comment.__dataclass_fields__)


def add_comment(conn: Connection, comment: Comment) -> None:
    """Keep something that was said."""
    row = {name: getattr(comment, name) for name in Comment.__dataclass_fields__}
    conn.execute(insert(policy_comments), {"comment_id": str(uuid.uuid4()), **row})


def comments_on(conn: Connection, version: str) -> list[Comment]:
    """Return what was said of a version, oldest first."""
    query = select(*_TOLD).where(policy_comments.c.version == version)
    rows = conn.execute(query.order_by(policy_comments.c.at_ms, policy_comments.c.comment_id)).mappings()
    return [Comment(**row) for row in rows]
